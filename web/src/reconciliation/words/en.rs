//! English.

use super::Words;
use otyrys_signaling::Language;

pub(super) static WORDS: Words = Words {
    language: Language::En,
    title: "End of the day",
    hearings: "Hearings",
    no_hearings: "No hearing belongs to this day.",
    all_match: "Everything matches.",
    some_do_not: "What does not match",
    held: "held",
    not_yet: "no",
    on_record: "on record",
    faults: "faults of the record",
    record: "record",
    files: "files",
    sealed: "sealed",
    not_sealed: "not sealed",
    draft: "draft",
    lines: "lines",
    delivery: "case registry",
    deliveries: [
        "pending since",
        "sent, no answer since",
        "acknowledged",
        "rejected",
    ],
    none: "not sent",
    since: "since",
    to_do: "To do",
    others: "Belongs to no hearing:",
    kinds: [
        (
            "the hearing was not opened",
            "note why it was not held, and schedule it anew if it is to be.",
        ),
        (
            "the hearing is not closed",
            "let the judge or the clerk open their link and close it; the record is sealed only then.",
        ),
        (
            "the session was held and was never on record",
            "tell the judge today: there is no record of it.",
        ),
        (
            "of a person there is no record although it was on record",
            "tell the judge today; hear whether the others' tracks hold what was said, and have the person's line tested (otyrys rehearse --site).",
        ),
        (
            "a stretch is missing from the record",
            "listen to the record around it; if what was said is in no track, tell the judge today.",
        ),
        (
            "a file of the record was not ended",
            "restart the server when no hearing is held: it ends such files at their last whole piece.",
        ),
        (
            "files of the record cannot be read",
            "bring them back from a backup, and have the disk looked after.",
        ),
        (
            "pieces of the record were damaged when it was sealed",
            "listen to the others' tracks at that time and, if there is one, to the sound of the backup; tell the judge, and have the disk looked after.",
        ),
        (
            "only the second copy has this sound",
            "hand it out with the record: it is in the bundle where a path is named, else get it with otyrys export --backup before it is removed; have the first disk looked after.",
        ),
        (
            "the log of the hearing does not hold",
            "change nothing; bring the database back from a backup beside this one, and compare.",
        ),
        (
            "the key of the hearing is missing or does not open",
            "bring hearing.key or the database back from a backup, then restart the server.",
        ),
        (
            "record and protocol were not sealed",
            "look into the server's log for this hearing; the work is tried again while the server runs.",
        ),
        (
            "the sealed bundle is damaged",
            "copy the folder from the archive or a backup back to its place, and have the disk looked after.",
        ),
        (
            "a file of the record is not in the sealed bundle",
            "keep the folder in record/; hand the file out beside the bundle, with a note.",
        ),
        (
            "a document of the protocol is missing",
            "keep the record; it can be drawn up again from the draft.",
        ),
        (
            "the archive does not have the whole bundle",
            "see whether the archive's disk is full or gone; then restart the server.",
        ),
        (
            "the recogniser has not read all voices",
            "the record has them; restart the server when no hearing is held, or listen there.",
        ),
        (
            "the case registry has not acknowledged",
            "see whether the registry can be reached; the server tries until it answers.",
        ),
        (
            "the case registry refused the package",
            "clear the reason with the registry's operator; nothing is sent again by itself.",
        ),
        (
            "a piece of work was given up",
            "do what the reason says; if it says nothing, call the operator.",
        ),
        (
            "a folder whose hearing is not in the database",
            "do not delete it: find out whether an old database was brought back.",
        ),
    ],
};
