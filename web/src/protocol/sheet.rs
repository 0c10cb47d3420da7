//! The protocol laid out in words, before it becomes a page or a Word file.

use super::{
    ProtocolDocument,
    document::{DraftText, Person},
    time::{CourtTime, record_clock},
    wording::{Wording, wording},
};
use otyrys_signaling::{Language, Role};

/// The protocol in the hearing's language, top to bottom.
pub(super) struct Sheet {
    /// ISO 639-1.
    pub(super) language: &'static str,
    pub(super) title: &'static str,
    /// Number of the case and the court, under the title.
    pub(super) subtitle: String,
    pub(super) notice: &'static str,
    pub(super) sections: Vec<Section>,
}

/// A part under a heading.
pub(super) struct Section {
    pub(super) heading: &'static str,
    /// 2 or 3, as in HTML.
    pub(super) level: u8,
    pub(super) blocks: Vec<Block>,
}

/// What stands in a section.
pub(super) enum Block {
    /// A paragraph.
    Text(String),
    /// Labels and values.
    Facts(Vec<(&'static str, String)>),
    /// A table with a head.
    Table {
        head: Vec<&'static str>,
        rows: Vec<Vec<String>>,
    },
    /// Spoken lines.
    Lines(Vec<SpokenLine>),
}

/// One spoken line.
pub(super) struct SpokenLine {
    /// `line-<id>`.
    pub(super) anchor: String,
    pub(super) time: String,
    /// Name and role, and whom an interpreter interprets.
    pub(super) speaker: String,
    pub(super) text: String,
    /// What is to be known of it: its language if it is not that of the proceedings, a weak model.
    pub(super) mark: Option<String>,
}

impl Sheet {
    /// Lays the document out; `remarks` says how remarks may be filed.
    pub(super) fn of(document: &ProtocolDocument, remarks: Option<&str>) -> Self {
        let words = wording(document.hearing.language);
        let hearing = &document.hearing;
        let mut sections = vec![
            Section {
                heading: words.brief.heading,
                level: 2,
                blocks: vec![Block::Facts(facts(document, words))],
            },
            Section {
                heading: words.brief.composition,
                level: 3,
                blocks: vec![composition(document, words)],
            },
            Section {
                heading: words.brief.present,
                level: 3,
                blocks: vec![people(&document.present, words)],
            },
            Section {
                heading: words.brief.absent,
                level: 3,
                blocks: vec![people(&document.absent, words)],
            },
            Section {
                heading: words.brief.means,
                level: 3,
                blocks: means(document, words),
            },
            Section {
                heading: words.brief.stages,
                level: 3,
                blocks: vec![stages(document, words)],
            },
            Section {
                heading: words.brief.files,
                level: 3,
                blocks: files(document, words),
            },
            Section {
                heading: words.course.heading,
                level: 2,
                blocks: course(document, words),
            },
        ];
        if let Some(remarks) = remarks {
            sections.push(Section {
                heading: words.remarks_heading,
                level: 2,
                blocks: vec![Block::Text(printable(remarks))],
            });
        }
        Self {
            language: hearing.language.code(),
            title: words.title,
            subtitle: printable(&format!("{}, {}", hearing.case_number, hearing.court)),
            notice: words.draft_notice,
            sections,
        }
    }
}

fn facts(document: &ProtocolDocument, words: &'static Wording) -> Vec<(&'static str, String)> {
    let hearing = &document.hearing;
    let labels = &words.facts;
    let date = |at: Option<CourtTime>, otherwise: &str| {
        at.map_or_else(|| otherwise.to_owned(), |at| words.date(at.local()))
    };
    vec![
        (labels.court, printable(&hearing.court)),
        (labels.courtroom, printable(&hearing.courtroom)),
        (labels.case_number, printable(&hearing.case_number)),
        (labels.case_title, printable(&hearing.case_title)),
        (labels.language, labels.language_name.to_owned()),
        (labels.opened, date(hearing.opened_at, labels.not_opened)),
        (labels.closed, date(hearing.closed_at, labels.not_closed)),
        (
            labels.record_started,
            date(hearing.record_started_at, labels.no_record),
        ),
    ]
}

fn composition(document: &ProtocolDocument, words: &'static Wording) -> Block {
    let bench: Vec<_> = [Role::Judge, Role::PanelJudge, Role::Clerk]
        .into_iter()
        .flat_map(|role| {
            document
                .present
                .iter()
                .filter(move |person| person.role == role)
        })
        .map(|person| (words.role(person.role), printable(&person.name)))
        .collect();
    if bench.is_empty() {
        return Block::Text(words.brief.nobody.to_owned());
    }
    Block::Facts(bench)
}

fn people(people: &[Person], words: &'static Wording) -> Block {
    if people.is_empty() {
        return Block::Text(words.brief.nobody.to_owned());
    }
    let rows = people.iter().map(|person| {
        vec![
            printable(&person.name),
            words.role(person.role).to_owned(),
            words.place(person.place).to_owned(),
        ]
    });
    let columns = &words.columns;
    Block::Table {
        head: vec![columns.name, columns.role, columns.place],
        rows: rows.collect(),
    }
}

fn means(document: &ProtocolDocument, words: &'static Wording) -> Vec<Block> {
    let means = &document.means;
    let labels = &words.means;
    let mut facts = vec![(
        labels.program,
        printable(&format!("{} {}", means.program, means.version)),
    )];
    match &means.model {
        Some(model) => facts.push((labels.model, printable(model))),
        None => facts.push((labels.model, labels.no_model.to_owned())),
    }
    if let Some(sha256) = &means.model_sha256 {
        facts.push((labels.model_sha256, printable(sha256)));
    }
    if let Some(model) = &means.final_model {
        facts.push((labels.final_model, printable(model)));
    }
    if let Some(sha256) = &means.final_model_sha256 {
        facts.push((labels.model_sha256, printable(sha256)));
    }
    let mut blocks = Vec::new();
    if !document.record.is_empty() {
        blocks.push(Block::Text(labels.statement.to_owned()));
    }
    blocks.push(Block::Facts(facts));
    blocks
}

fn stages(document: &ProtocolDocument, words: &'static Wording) -> Block {
    if document.stages.is_empty() {
        return Block::Text(words.brief.no_stages.to_owned());
    }
    let rows = document
        .stages
        .iter()
        .map(|mark| vec![record_clock(mark.at_ms), words.stage(mark.stage).to_owned()]);
    Block::Table {
        head: vec![words.columns.time, words.columns.stage],
        rows: rows.collect(),
    }
}

fn files(document: &ProtocolDocument, words: &'static Wording) -> Vec<Block> {
    if document.record.is_empty() {
        return vec![Block::Text(words.brief.no_files.to_owned())];
    }
    let table = file_table(document, words);
    let damage = damage(document, words);
    match damage.is_empty() {
        true => vec![table],
        false => vec![table, Block::Facts(damage)],
    }
}

/// What of the record cannot be heard or seen any more, and what cannot be played at all.
fn damage(document: &ProtocolDocument, words: &'static Wording) -> Vec<(&'static str, String)> {
    let mut found = Vec::new();
    for file in document.record.iter().filter(|f| !f.damage.is_empty()) {
        let whose = printable(&format!("{}, {}", file.name, words.source(file.source)));
        for piece in &file.damage {
            let (from, to) = (record_clock(piece.from_ms), record_clock(piece.to_ms));
            found.push((words.brief.damaged, format!("{whose}, {from} – {to}")));
        }
        if file.playback.is_none() {
            found.push((words.brief.unplayable, format!("{whose}, {}", file.file)));
        }
    }
    found
}

fn file_table(document: &ProtocolDocument, words: &'static Wording) -> Block {
    let rows = document.record.iter().map(|file| {
        vec![
            printable(&file.name),
            words.source(file.source).to_owned(),
            record_clock(file.starts_ms),
            record_clock(file.ends_ms),
            printable(&file.file),
            printable(&file.sha256),
        ]
    });
    let columns = &words.columns;
    Block::Table {
        head: vec![
            columns.name,
            columns.source,
            columns.from,
            columns.to,
            columns.file,
            columns.sha256,
        ],
        rows: rows.collect(),
    }
}

fn course(document: &ProtocolDocument, words: &'static Wording) -> Vec<Block> {
    if document.lines.is_empty() {
        return vec![Block::Text(words.course.empty.to_owned())];
    }
    let lines = document
        .lines
        .iter()
        .map(|line| spoken_line(line, document.hearing.language, words))
        .collect();
    vec![
        Block::Text(words.course.clock_note.to_owned()),
        Block::Lines(lines),
    ]
}

fn spoken_line(line: &DraftText, proceedings: Language, words: &'static Wording) -> SpokenLine {
    let language = (line.language != proceedings).then(|| words.spoken_in(line.language));
    // Somebody read what they corrected: the machine's doubts are about another text.
    let state = match line.edited {
        Some(_) => Some(words.course.edited),
        None => line.weak.then_some(words.course.weak),
    };
    let marks: Vec<_> = language.into_iter().chain(state).collect();
    let role = words.role(line.role);
    let role = match &line.interprets {
        Some(of) => format!("{role}; {}", words.interpretation(&of.name)),
        None => role.to_owned(),
    };
    SpokenLine {
        anchor: format!("line-{}", line.id),
        time: record_clock(line.start_ms),
        speaker: printable(&format!("{} ({role})", line.name)),
        text: printable(&line.as_written()),
        mark: (!marks.is_empty()).then(|| marks.join("; ")),
    }
}

/// Text without the control characters that XML 1.0 cannot hold and Word refuses to open.
/// Line breaks become spaces: every text here is one paragraph.
fn printable(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}'))
        .collect()
}
