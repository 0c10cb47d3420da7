use super::*;
use docx_rs::{DocumentChild, TableCellContent, TableChild, TableRowChild};
use otyrys_signaling::{Language, Place, Role, Stage, TrackSource};
use otyrys_storage::ids::{HearingId, LineId, ParticipantId};

const HEARING: &str = "019f0000-0000-7000-8000-000000000001";
const JUDGE: &str = "019f0000-0000-7000-8000-000000000002";
const WITNESS: &str = "019f0000-0000-7000-8000-000000000003";
const LINE: &str = "019f0000-0000-7000-8000-000000000004";
const HOSTILE: &str = "<script>alert(1)</script> \"&\"\u{0}\u{b}'";

fn person(id: &str, name: &str, role: Role, place: Place) -> Person {
    Person {
        id: id.parse().unwrap(),
        name: name.into(),
        role,
        place,
    }
}

fn document(language: Language) -> ProtocolDocument {
    let judge: ParticipantId = JUDGE.parse().unwrap();
    ProtocolDocument {
        hearing: HearingFacts {
            id: HEARING.parse::<HearingId>().unwrap(),
            case_number: "7520-26-00-2/4711".into(),
            case_title: "Әбілова А. & Петров Б. <дау>".into(),
            court: "Алмалы аудандық соты".into(),
            courtroom: "№ 3".into(),
            language,
            opened_at: Some("2026-11-21T10:00:00+05:00".parse().unwrap()),
            closed_at: Some("2026-11-21T11:30:12+05:00".parse().unwrap()),
            record_started_at: Some("2026-11-21T10:00:03+05:00".parse().unwrap()),
        },
        present: vec![person(
            JUDGE,
            "Сапарова Гүлнар",
            Role::Judge,
            Place::Courtroom,
        )],
        absent: vec![person(WITNESS, "Петров Борис", Role::Witness, Place::Phone)],
        stages: vec![
            StageMark {
                stage: Stage::Opened,
                at_ms: 0,
            },
            StageMark {
                stage: Stage::LastWord,
                at_ms: 3_725_000,
            },
        ],
        lines: vec![DraftText {
            id: LINE.parse::<LineId>().unwrap(),
            participant: judge,
            name: "Сапарова Гүлнар".into(),
            role: Role::Judge,
            start_ms: 61_500,
            end_ms: 63_000,
            text: HOSTILE.into(),
            language,
            confidence: 0.5,
            weak: true,
            words: vec![SpokenWord {
                text: "alert".into(),
                start_ms: 61_500,
                end_ms: 62_000,
                confidence: 0.5,
            }],
            written: Vec::new(),
            edited: None,
            interprets: None,
        }],
        record: vec![RecordFile {
            participant: judge,
            name: "Сапарова Гүлнар".into(),
            source: TrackSource::Microphone,
            file: "record/one.webm".into(),
            playback: None,
            starts_ms: 0,
            ends_ms: 5_409_000,
            sha256: "ab".repeat(32),
            damage: Vec::new(),
        }],
        means: Means {
            program: "otyrys".into(),
            version: "0.1.0".into(),
            model: Some("ggml-base".into()),
            model_sha256: Some("cd".repeat(32)),
            final_model: Some("ggml-large-v3.bin".to_owned()),
            final_model_sha256: Some("ef".repeat(32)),
        },
    }
}

fn docx_texts(file: &[u8]) -> Vec<String> {
    let docx = docx_rs::read_docx(file).unwrap();
    let mut texts = Vec::new();
    for child in docx.document.children {
        match child {
            DocumentChild::Paragraph(paragraph) => texts.push(paragraph.raw_text()),
            DocumentChild::Table(table) => {
                for TableChild::TableRow(row) in table.rows {
                    for TableRowChild::TableCell(cell) in row.cells {
                        for content in cell.children {
                            if let TableCellContent::Paragraph(paragraph) = content {
                                texts.push(paragraph.raw_text());
                            }
                        }
                    }
                }
            }
            _ => {}
        }
    }
    texts
}

#[test]
fn the_json_has_the_agreed_shape() {
    let document = document(Language::Kk);
    let json = document.to_json().unwrap();
    insta::assert_snapshot!(json);
    let read: ProtocolDocument = serde_json::from_str(&json).unwrap();
    assert_eq!(read, document);
}

#[test]
fn the_page_is_escaped_and_loads_nothing_from_elsewhere() {
    let page = document(Language::Kk)
        .to_html(Some("Ескертулер <3> күн ішінде"))
        .unwrap();
    assert!(!page.contains("<script"));
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62; &#34;&#38;&#34; &#39;"));
    assert!(page.contains("Ескертулер &#60;3&#62; күн ішінде"));
    assert!(page.contains(&format!("id=\"line-{LINE}\"")));
    for foreign in ["http:", "https:", "src=", "@import", "url("] {
        assert!(!page.contains(foreign), "{foreign}");
    }
}

#[test]
fn a_line_says_its_language_only_where_it_is_not_that_of_the_proceedings() {
    for (language, mark) in [
        (Language::Kk, "[орыс тілінде; тексерілмеген, әлсіз модель]"),
        (Language::Ru, "[не проверено, слабая модель]"),
        (Language::En, "[in Russian; unreviewed, weak model]"),
    ] {
        let mut document = document(language);
        document.lines[0].language = Language::Ru;
        let page = document.to_html(None).unwrap();
        let texts = docx_texts(&document.to_docx(None).unwrap()).join("\n");
        assert!(page.contains(mark) && texts.contains(mark), "{language:?}");
    }
}

#[test]
fn page_and_word_file_say_the_same_in_each_language() {
    let expected = [
        (
            Language::Kk,
            "Сот отырысының хаттамасы (жоба)",
            "тексерілмеген, әлсіз модель",
        ),
        (
            Language::Ru,
            "Протокол судебного заседания (проект)",
            "не проверено, слабая модель",
        ),
        (
            Language::En,
            "Record of the court session (draft)",
            "unreviewed, weak model",
        ),
    ];
    for (language, title, weak) in expected {
        let document = document(language);
        let words = wording::wording(language);
        let page = document.to_html(Some("41")).unwrap();
        let texts = docx_texts(&document.to_docx(Some("41")).unwrap()).join("\n");
        for text in [
            title,
            weak,
            words.draft_notice,
            words.brief.heading,
            words.role(Role::Judge),
            words.place(Place::Phone),
            words.stage(Stage::LastWord),
            words.means.statement,
            words.remarks_heading,
            &words.date("2026-11-21T11:30:12".parse().unwrap()),
            "7520-26-00-2/4711",
            "record/one.webm",
            "1:02:05",
            "1:30:09",
            "0:01:01",
            &"ab".repeat(32),
            &"cd".repeat(32),
        ] {
            assert!(page.contains(text), "page in {language:?} lacks {text}");
            assert!(
                texts.contains(text),
                "Word file in {language:?} lacks {text}"
            );
        }
        // Word's reader unescapes, so the hostile text is there as it was said, less what XML
        // cannot hold.
        assert!(
            texts.contains("<script>alert(1)</script> \"&\" '"),
            "{texts}"
        );
    }
}

#[test]
fn renderings_write_numbers_as_a_protocol_does() {
    let mut document = document(Language::Ru);
    let line = &mut document.lines[0];
    let words = ["По", "статье", "сто", "пять,", "часть", "вторая."];
    line.text = words.join(" ");
    line.words = words
        .iter()
        .map(|word| SpokenWord {
            text: (*word).to_owned(),
            start_ms: 0,
            end_ms: 0,
            confidence: 1.0,
        })
        .collect();
    let written = |first, count, text: &str| WrittenWords {
        first,
        count,
        text: text.to_owned(),
    };
    line.written = vec![written(1, 3, "ст. 105,"), written(4, 2, "ч. 2.")];
    assert_eq!(line.as_written(), "По ст. 105, ч. 2.");
    let page = document.to_html(None).unwrap();
    assert!(page.contains("По ст. 105, ч. 2."), "{page}");
    // Nobody who hands out the document loses the words that were spoken.
    assert!(
        document
            .to_json()
            .unwrap()
            .contains("По статье сто пять, часть вторая.")
    );
}

#[test]
fn a_corrected_line_is_shown_as_corrected_and_the_machines_text_is_kept() {
    let mut document = document(Language::Ru);
    let line = &mut document.lines[0];
    line.text = "Свидетель кимов.".to_owned();
    line.edited = Some(EditedText {
        text: "Свидетель <Акимов>.".to_owned(),
        by: line.participant,
        name: "Сапарова Гүлнар".to_owned(),
        at: "2026-11-21T04:00:00Z".to_owned(),
    });
    let page = document.to_html(None).unwrap();
    assert!(!page.contains("кимов."), "{page}");
    assert!(page.contains("Акимов"));
    assert!(page.contains("[исправлено судом]"), "{page}");
    let texts = docx_texts(&document.to_docx(None).unwrap()).join("\n");
    assert!(texts.contains("Свидетель <Акимов>."));
    assert!(texts.contains("исправлено судом"));
    let json = document.to_json().unwrap();
    assert!(json.contains("Свидетель кимов.") && json.contains("Свидетель <Акимов>."));
    assert_eq!(
        serde_json::from_str::<ProtocolDocument>(&json).unwrap(),
        document
    );
}

#[test]
fn an_interpreters_line_says_whom_it_interprets_in_each_language() {
    for (language, mark) in [
        (Language::Kk, "(Аудармашы; аударма: Ахметов <А.>):"),
        (Language::Ru, "(Переводчик; перевод: Ахметов <А.>):"),
        (Language::En, "(Interpreter; interpretation: Ахметов <А.>):"),
    ] {
        let mut document = document(language);
        let line = &mut document.lines[0];
        line.role = Role::Interpreter;
        line.interprets = Some(Interpreted {
            participant: WITNESS.parse().unwrap(),
            name: "Ахметов <А.>".to_owned(),
        });
        let page = document.to_html(None).unwrap();
        let escaped = mark.replace('<', "&#60;").replace('>', "&#62;");
        assert!(page.contains(&escaped), "{page}");
        let texts = docx_texts(&document.to_docx(None).unwrap()).join("\n");
        assert!(texts.contains(mark), "{texts}");
        let json = document.to_json().unwrap();
        let read: ProtocolDocument = serde_json::from_str(&json).unwrap();
        assert_eq!(read, document);
    }
}

#[test]
fn a_hearing_without_record_or_draft_has_a_protocol_too() {
    let mut document = document(Language::Ru);
    document.hearing.opened_at = None;
    document.hearing.closed_at = None;
    document.hearing.record_started_at = None;
    document.present.clear();
    document.absent.clear();
    document.stages.clear();
    document.lines.clear();
    document.record.clear();
    document.means.model = None;
    document.means.model_sha256 = None;
    let page = document.to_html(None).unwrap();
    let texts = docx_texts(&document.to_docx(None).unwrap()).join("\n");
    for text in [
        "Аудио-, видеозапись не велась.",
        "Речь не распознана.",
        "не открыто",
    ] {
        assert!(page.contains(text), "{text}");
        assert!(texts.contains(text), "{text}");
    }
    assert!(!page.contains("Замечания на протокол"));
}
