//! What can be learnt from how a person corrected a line.

use similar::{Algorithm, DiffOp, capture_diff_slices};
use std::ops::Range;

use crate::rewriting::RewrittenWords;
use crate::wer::edits;

/// Words that were heard, and what a person wrote in their place.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Lesson {
    /// What was heard, in small letters, with single spaces between words: as
    /// [`crate::Correction::heard`].
    pub heard: String,
    /// What was written in its place. The same as `heard`: it was left as it was.
    pub written: String,
    /// Whether it is a name or an abbreviation: it has capitals that it does not owe to the beginning of a
    /// sentence. What is none may be right elsewhere as it was heard.
    pub is_name: bool,
}

impl std::fmt::Debug for Lesson {
    // Spoken words are never logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lesson")
            .field("is_name", &self.is_name)
            .finish_non_exhaustive()
    }
}

/// Words of the longest lesson. Whoever writes more in one place says it anew.
const LONGEST: usize = 3;
/// Letters of the shortest word that is learnt, and of the shortest name.
const SHORTEST: usize = 4;
const SHORTEST_NAME: usize = 3;

/// What a person taught by writing `edited` in place of a line of these `words`, which was shown with
/// some of them `written` otherwise.
///
/// That is what sounds alike: one to three words that a few letters tell apart, or capitals, or a space.
/// Another ending is grammar and no lesson, and neither are numbers. Of the words of `known`, in
/// small letters, it is told as well where they were left as they were heard.
pub fn lessons<'a>(
    words: &[&str],
    written: &[RewrittenWords],
    edited: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Vec<Lesson> {
    let shown = as_shown(words, written);
    let wanted = wanted(edited);
    let [before, after]: [Vec<&str>; 2] = [
        shown.iter().map(|token| token.core).collect(),
        wanted.iter().map(|token| token.core).collect(),
    ];
    let mut lessons = Vec::new();
    let mut left = Vec::new();
    for change in capture_diff_slices(Algorithm::Myers, &before, &after) {
        match change {
            DiffOp::Equal { old_index, len, .. } => left.push(old_index..old_index + len),
            DiffOp::Replace {
                old_index,
                old_len,
                new_index,
                new_len,
            } => {
                let old = &shown[old_index..old_index + old_len];
                let new = &wanted[new_index..new_index + new_len];
                // The rest of what was written in place of the same words is no part of it.
                let neighbours = [old_index.checked_sub(1), Some(old_index + old_len)];
                let is_cut = neighbours.into_iter().flatten().any(|at| {
                    let neighbour = shown.get(at);
                    neighbour.is_some_and(|token| old.iter().any(|o| o.heard == token.heard))
                });
                if !is_cut {
                    lessons.extend(taught(words, old, new));
                }
            }
            DiffOp::Delete { .. } | DiffOp::Insert { .. } => {}
        }
    }
    for known in known {
        let is_left = || {
            left.iter()
                .any(|range| holds(&shown[range.clone()], words, known))
        };
        if lessons.iter().all(|lesson| lesson.heard != known) && is_left() {
            lessons.push(Lesson {
                heard: known.to_owned(),
                written: known.to_owned(),
                is_name: false,
            });
        }
    }
    lessons.sort();
    lessons.dedup();
    lessons
}

/// A word as it was shown.
#[derive(Clone, PartialEq)]
struct Shown<'a> {
    /// Without the signs around it.
    core: &'a str,
    /// Which words were heard there.
    heard: Range<usize>,
}

/// A word as somebody wrote it.
struct Wanted<'a> {
    core: &'a str,
    opens_sentence: bool,
}

fn as_shown<'a>(words: &[&'a str], written: &'a [RewrittenWords]) -> Vec<Shown<'a>> {
    let mut shown = Vec::new();
    let mut at = 0;
    while at < words.len() {
        let rewritten = written.iter().find(|w| w.first == at && w.count > 0);
        let (text, heard) = match rewritten {
            Some(rewritten) => (rewritten.text.as_str(), at..at + rewritten.count),
            None => (words[at], at..at + 1),
        };
        at = heard.end;
        let cores = text
            .split_whitespace()
            .map(core)
            .filter(|core| !core.is_empty());
        shown.extend(cores.map(|core| Shown {
            core,
            heard: heard.clone(),
        }));
    }
    shown
}

fn wanted(edited: &str) -> Vec<Wanted<'_>> {
    let mut opens_sentence = true;
    let mut words = Vec::new();
    for word in edited.split_whitespace() {
        let core = core(word);
        if !core.is_empty() {
            words.push(Wanted {
                core,
                opens_sentence,
            });
            opens_sentence = false;
        }
        opens_sentence |= word.ends_with(['.', '!', '?', '…', ':']);
    }
    words
}

fn core(word: &str) -> &str {
    word.trim_matches(|letter: char| !letter.is_alphanumeric())
}

/// What is taught by some words in place of others: each by each if they sound alike so, else all by all.
fn taught(words: &[&str], old: &[Shown<'_>], new: &[Wanted<'_>]) -> Vec<Lesson> {
    if old.len() == new.len() {
        let each = old.iter().zip(new).map(|(old, new)| {
            let (old, new) = (std::slice::from_ref(old), std::slice::from_ref(new));
            lesson(words, old, new)
        });
        let each: Vec<_> = each.collect();
        if old.len() == 1 || each.iter().all(|lesson| *lesson != Taught::Otherwise) {
            return each.into_iter().filter_map(Taught::lesson).collect();
        }
    }
    lesson(words, old, new).lesson().into_iter().collect()
}

#[derive(PartialEq)]
enum Taught {
    Lesson(Lesson),
    /// It is the same word in another form.
    Grammar,
    /// It says something else.
    Otherwise,
}

impl Taught {
    fn lesson(self) -> Option<Lesson> {
        match self {
            Self::Lesson(lesson) => Some(lesson),
            Self::Grammar | Self::Otherwise => None,
        }
    }
}

fn lesson(words: &[&str], old: &[Shown<'_>], new: &[Wanted<'_>]) -> Taught {
    let heard = heard_in(words, old);
    let (Some(heard), Some(first)) = (heard, new.first()) else {
        return Taught::Otherwise;
    };
    let written: Vec<_> = new.iter().map(|word| word.core).collect();
    let written = written.join(" ");
    if heard.split(' ').count() > LONGEST || new.len() > LONGEST {
        return Taught::Otherwise;
    }
    if heard.chars().chain(written.chars()).any(char::is_numeric) {
        return Taught::Otherwise;
    }
    let (from, to) = (letters(&heard), letters(&written));
    let mut capitals = written
        .char_indices()
        .filter(|(_, letter)| letter.is_uppercase());
    let is_name = capitals.any(|(at, _)| at > 0 || !first.opens_sentence);
    let longer = from.len().max(to.len());
    let spelling = from == to;
    // Letters that are joined or parted, and small ones, are a matter of what stands around them.
    if spelling && !is_name {
        return Taught::Grammar;
    }
    // With a word before or behind it, too.
    let has_another_form = heard.split(' ').any(|heard| {
        let written = written.split(' ').map(letters);
        written
            .into_iter()
            .any(|written| is_another_form(&letters(heard), &written))
    });
    let same_number = heard.split(' ').count() == new.len();
    if !spelling && has_another_form && (!same_number || new.len() == 1) {
        return Taught::Grammar;
    }
    let shortest = if is_name { SHORTEST_NAME } else { SHORTEST };
    let alike = edits(&from, &to) <= (longer * 2 / 5).max(1);
    match alike && (spelling || longer >= shortest) {
        true => Taught::Lesson(Lesson {
            heard,
            written,
            is_name,
        }),
        false => Taught::Otherwise,
    }
}

/// The words that were heard there, as they are looked for later: nothing if there are signs
/// between them.
fn heard_in(words: &[&str], shown: &[Shown<'_>]) -> Option<String> {
    let (first, last) = (shown.first()?, shown.last()?);
    let heard = words.get(first.heard.start..last.heard.end)?.join(" ");
    let heard = core(&heard).to_lowercase();
    let whole = heard
        .split(' ')
        .all(|word| !word.is_empty() && core(word) == word);
    whole.then_some(heard)
}

/// Whether the known words were heard somewhere in these, and shown as they were heard.
fn holds(shown: &[Shown<'_>], words: &[&str], known: &str) -> bool {
    let count = known.split(' ').count();
    shown.windows(count).any(|window| {
        let cores: Vec<_> = window.iter().map(|token| token.core).collect();
        cores.join(" ").to_lowercase() == known
            && heard_in(words, window).is_some_and(|heard| heard == known)
    })
}

fn letters(text: &str) -> Vec<char> {
    text.to_lowercase()
        .chars()
        .filter(|letter| letter.is_alphanumeric())
        .collect()
}

/// Letters that are the same in all forms of a word, at least.
const STEM: usize = 3;

/// Letters of the longest ending that a whole word goes on with.
const LONGEST_ENDING: usize = 4;

/// Endings of Russian nouns, adjectives and verbs, and of Kazakh cases and plurals.
const ENDINGS: &str = "а я о е у ю ы и й ь ой ей ом ем ам ям ах ях ами ями ов ев ый ий ая яя ое ее \
    ые ие ого его ому ему ым им ых их ою ею ую юю ть л ла ло ли ет ут ют ит ат ят ешь ишь ем им ете \
    ите ся сь ась ось ись лся лась лись ал ил ала ила али или ать ить еть ел ела ели \
    ның нің дың дің тың тің ға ге қа ке на не ны ні ды ді ты ті н да де та те дан ден тан тен нан \
    нен мен бен пен лар лер дар дер тар тер і";

/// Whether two words differ in their ending alone, or one goes on where the other ends.
fn is_another_form(one: &[char], other: &[char]) -> bool {
    let common = one.iter().zip(other).take_while(|(a, b)| a == b).count();
    let endings = [one, other].map(|word| word[common..].iter().collect::<String>());
    let is_ending = |ending: &String| ENDINGS.split(' ').any(|known| known == ending);
    let goes_on = one.len().abs_diff(other.len()) <= LONGEST_ENDING;
    let is_prefix = endings.iter().any(String::is_empty) && goes_on;
    common >= STEM && (is_prefix || endings.iter().all(is_ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Correction, Corrections, recogniser::Language};
    use proptest::prelude::*;

    fn taught_by(heard: &str, edited: &str) -> Vec<(String, String, bool)> {
        let words: Vec<_> = heard.split(' ').collect();
        told(lessons(&words, &[], edited, []))
    }

    fn told(lessons: Vec<Lesson>) -> Vec<(String, String, bool)> {
        let told = lessons
            .into_iter()
            .map(|lesson| (lesson.heard, lesson.written, lesson.is_name));
        told.collect()
    }

    fn one(heard: &str, written: &str, is_name: bool) -> Vec<(String, String, bool)> {
        vec![(heard.to_owned(), written.to_owned(), is_name)]
    }

    #[test]
    fn a_name_that_was_misheard_is_learnt() {
        for (heard, edited, lesson) in [
            (
                "Явился Ахмедов, да.",
                "Явился Ахметов, да.",
                one("ахмедов", "Ахметов", true),
            ),
            (
                "Явился свидетель Кин.",
                "Явился свидетель Ким.",
                one("кин", "Ким", true),
            ),
            (
                "По статье у к эр ка",
                "По статье УК РК",
                one("у к эр ка", "", true),
            ),
            (
                "По статье у к, далее",
                "По статье УК, далее",
                one("у к", "УК", true),
            ),
            (
                "в карагандинский суд",
                "в Карагандинский суд",
                one("карагандинский", "Карагандинский", true),
            ),
            (
                "живёт в кара ганде",
                "живёт в Караганде",
                one("кара ганде", "Караганде", true),
            ),
            (
                "подал апеляцию вчера",
                "подал апелляцию вчера",
                one("апеляцию", "апелляцию", false),
            ),
            (
                "Ахмедов вышел",
                "Ахметов вышел",
                one("ахмедов", "Ахметов", false),
            ),
        ] {
            let lesson: Vec<_> = lesson
                .into_iter()
                .filter(|lesson| !lesson.1.is_empty())
                .collect();
            assert_eq!(taught_by(heard, edited), lesson, "{heard}: {edited}");
        }
    }

    #[test]
    fn words_beside_each_other_are_learnt_each_by_itself() {
        let (surname, name) = (one("ахмедов", "Ахметов", true), one("серек", "Серик", true));
        assert_eq!(
            taught_by("Явился Ахмедов Серек вчера", "Явился Ахметов Серик вчера"),
            [surname, name].concat()
        );
    }

    #[test]
    fn grammar_numbers_and_what_is_said_anew_are_no_lessons() {
        for (heard, edited) in [
            ("решение суда", "решение суду"),
            ("Явился Ахметов", "Явился к Ахметову"),
            ("Явился Ахметов вчера", "Явился Ахметова вчера"),
            ("сот шешім", "соттың шешім"),
            ("да он пришёл", "Да, он пришёл."),
            ("Он ушёл и она", "Он ушёл. И она"),
            ("статья 105 часть", "статья 106 часть"),
            ("сказал это сам", "сказал нечто иное сам"),
            ("он был там", "она был там"),
            ("тот же", "Тот же"),
            ("всё", ""),
        ] {
            assert_eq!(taught_by(heard, edited), [], "{heard}: {edited}");
        }
    }

    #[test]
    fn what_was_written_otherwise_is_learnt_of_what_was_heard() {
        let words = ["Явился", "Ахмедов", "по", "статье", "сто", "пять."];
        let rewritten = |first, count, text: &str| RewrittenWords {
            first,
            count,
            text: text.to_owned(),
        };
        let written = [rewritten(1, 1, "Ахмадов"), rewritten(3, 3, "ст. 105.")];
        let taught = |edited, known: &[&'static str]| {
            told(lessons(&words, &written, edited, known.iter().copied()))
        };
        assert_eq!(
            taught("Явился Ахметов по ст. 105.", &["ахмедов"]),
            one("ахмедов", "Ахметов", true)
        );
        assert_eq!(taught("Явился Ахмадов по ст. 105.", &["ахмедов"]), []);
        assert_eq!(
            taught("Явился Ахмадов по ст. 106.", &[]),
            [],
            "half of what is in its place"
        );
    }

    #[test]
    fn what_is_left_as_it_was_heard_is_told_of_known_words() {
        let words = ["Явился", "Ахмедов,", "Серик."];
        let taught = |edited, known: &'static str| told(lessons(&words, &[], edited, [known]));
        assert_eq!(
            taught("Явилась Ахмедов, Серик.", "ахмедов"),
            one("ахмедов", "ахмедов", false)
        );
        assert_eq!(taught("Явился Ахмедов, Серик.", "серек"), []);
        assert_eq!(taught("Явился другой человек.", "ахмедов"), []);
        let shown_otherwise = [RewrittenWords {
            first: 1,
            count: 1,
            text: "Ахметов,".to_owned(),
        }];
        let taught = |edited| told(lessons(&words, &shown_otherwise, edited, ["ахмедов"]));
        assert_eq!(
            taught("Явилась Ахметов, Серик."),
            [],
            "it was shown otherwise"
        );
        assert_eq!(
            taught("Явился Ахмедов, Серик."),
            one("ахмедов", "Ахмедов", true),
            "a correction that somebody took back"
        );
    }

    proptest! {
        /// Whatever was learnt can stand in a dictionary and is found where it was heard.
        #[test]
        fn what_is_learnt_is_corrected_from_then_on(
            heard in prop::collection::vec("[А-Ва-в]{1,6}[,.]?", 1..8),
            edited in "[А-Ва-в]{1,6}([ ,.]{1,2}[А-Ва-в]{1,6}){0,7}",
        ) {
            let words: Vec<_> = heard.iter().map(String::as_str).collect();
            let text = words.join(" ");
            for lesson in lessons(&words, &[], &edited, []) {
                let entry = Correction {
                    heard: lesson.heard.clone(),
                    written: lesson.written.clone(),
                    language: Some(Language::RUSSIAN),
                    case_sensitive: false,
                };
                let corrections = Corrections::new([entry]).unwrap();
                let applied = corrections.applied(Language::RUSSIAN, &text);
                let first = |text: &str| text.to_lowercase();
                let is_there = first(applied.text()).contains(&first(&lesson.written));
                prop_assert!(is_there, "{lesson:?}");
                prop_assert!(edited.contains(&lesson.written) || lesson.written.contains(' '));
            }
        }

        #[test]
        fn any_edit_can_be_learnt_of(
            heard in prop::collection::vec(any::<String>(), 0..6),
            written in prop::collection::vec((0..8usize, 0..4usize, any::<String>()), 0..3),
            edited in any::<String>(),
        ) {
            let words: Vec<_> = heard.iter().map(String::as_str).collect();
            let written: Vec<_> = written
                .into_iter()
                .map(|(first, count, text)| RewrittenWords { first, count, text })
                .collect();
            for lesson in lessons(&words, &written, &edited, ["а"]) {
                prop_assert!(lesson.heard.split(' ').count() <= LONGEST);
            }
        }
    }
}
