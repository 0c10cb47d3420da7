//! What the court's dictionary learns of the edits of lines.
//!
//! An entry is written by itself when it is a name, when somebody wrote it so in [`ENOUGH`] lines, and in
//! more than those where it was written otherwise or left. Judge and clerk see the entries that concern
//! their hearing, and decide otherwise with one press; the latest decision counts. The dictionary of the
//! configuration comes before all of it.

use super::{Draft, spoken};
use otyrys_signaling::{
    Language,
    wire::{DraftLine, LearntCorrection},
};
use otyrys_storage::{NewLesson, StorageError, TaughtRow, TaughtWords, ids::HearingId};
use otyrys_transcribe::{Correction, Corrections, RewrittenWords, lessons};
use std::collections::{BTreeMap, BTreeSet};

/// In how many lines a name has to be corrected in the same way before it is done by itself: one
/// may be a slip, or right in that place only.
const ENOUGH: u32 = 2;

impl Draft {
    /// The court's dictionary as it is now: the configuration's, and what was learnt.
    pub(super) async fn corrections(
        &self,
        hearing: HearingId,
    ) -> Result<Corrections, StorageError> {
        let taught = self.inner.stores.database.taught(hearing).await?;
        let applied = in_use(&taught).into_iter().filter_map(correction);
        Ok(self.inner.corrections.and(applied))
    }

    /// What was learnt, as far as it concerns a hearing: of its own lines, or heard in them.
    pub(crate) async fn learnt(
        &self,
        hearing: HearingId,
    ) -> Result<Vec<LearntCorrection>, StorageError> {
        let taught = self.inner.stores.database.taught(hearing).await?;
        if taught.is_empty() {
            return Ok(Vec::new());
        }
        let lines = self.lines(hearing).await?;
        let heard = heard_in(&taught, &lines);
        let in_use = in_use(&taught);
        let concerned = taught.iter().filter(|row| {
            let key = (row.words.language.clone(), row.words.heard.clone());
            row.words.written != row.words.heard && (row.here || heard.contains(&key))
        });
        Ok(concerned
            .filter_map(|row| {
                Some(LearntCorrection {
                    language: language(&row.words)?,
                    heard: row.words.heard.clone(),
                    written: row.words.written.clone(),
                    lines: row.lines,
                    applied: in_use.contains(&&row.words),
                })
            })
            .collect())
    }

    /// What a text in place of a line teaches; the machine's own teaches nothing.
    pub(crate) async fn lessons(
        &self,
        hearing: HearingId,
        line: &DraftLine,
        text: Option<&str>,
    ) -> Result<Vec<NewLesson>, StorageError> {
        let Some(text) = text else {
            return Ok(Vec::new());
        };
        let language = line.language.code().to_owned();
        let taught = self.inner.stores.database.taught(hearing).await?;
        let known = taught.iter().map(|row| &row.words);
        let known = known.filter(|words| words.language == language);
        let words: Vec<_> = line.words.iter().map(|word| word.text.as_str()).collect();
        let written: Vec<_> = line
            .written
            .iter()
            .map(|words| RewrittenWords {
                first: words.first as usize,
                count: words.count as usize,
                text: words.text.clone(),
            })
            .collect();
        let lessons = lessons(
            &words,
            &written,
            text,
            known.map(|words| words.heard.as_str()),
        );
        Ok(lessons
            .into_iter()
            .map(|lesson| NewLesson {
                words: TaughtWords {
                    language: language.clone(),
                    heard: lesson.heard,
                    written: lesson.written,
                },
                is_name: lesson.is_name,
            })
            .collect())
    }
}

/// The entries that are applied, one at most for the same words.
fn in_use(taught: &[TaughtRow]) -> BTreeSet<&TaughtWords> {
    let mut of_heard: BTreeMap<_, Vec<&TaughtRow>> = BTreeMap::new();
    for row in taught {
        let key = (&row.words.language, &row.words.heard);
        of_heard.entry(key).or_default().push(row);
    }
    let best = of_heard.values().filter_map(|rows| {
        let lines: u32 = rows.iter().map(|row| row.lines).sum();
        let wanted = rows.iter().filter(|row| match row.choice {
            Some((applied, _)) => applied,
            None => row.is_name && row.lines >= ENOUGH && row.lines > lines - row.lines,
        });
        // Who decided last comes before what was counted.
        let best = wanted.max_by_key(|row| (row.choice.map(|(_, at)| at), row.lines))?;
        (best.words.written != best.words.heard).then_some(&best.words)
    });
    best.collect()
}

/// Which of the words that were taught about occur in these lines, each with its language.
fn heard_in(taught: &[TaughtRow], lines: &[DraftLine]) -> BTreeSet<(String, String)> {
    let entries = taught.iter().map(|row| &row.words);
    let entries = entries
        .filter(|words| words.written != words.heard)
        .filter_map(correction);
    let all = Corrections::default().and(entries);
    lines
        .iter()
        .flat_map(|line| {
            let language = line.language.code().to_owned();
            let applied = all.applied(spoken(line.language), &line.text);
            let changes = applied.changes().to_vec();
            changes
                .into_iter()
                .map(move |change| (language.clone(), line.text[change.spoken].to_lowercase()))
        })
        .collect()
}

fn correction(words: &TaughtWords) -> Option<Correction> {
    Some(Correction {
        heard: words.heard.clone(),
        written: words.written.clone(),
        language: Some(spoken(language(words)?)),
        case_sensitive: false,
    })
}

fn language(words: &TaughtWords) -> Option<Language> {
    serde_json::from_value(words.language.as_str().into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::DraftConfig, test_court::TestCourt};
    use jiff::Timestamp;
    use otyrys_storage::{
        LineRow, NewLineEdit, NewParticipant,
        ids::{LineEditId, LineId, ParticipantId, SegmentId},
    };
    use proptest::prelude::*;
    use serde_json::json;
    use tokio_util::sync::CancellationToken;

    fn row(heard: &str, written: &str, lines: u32) -> TaughtRow {
        TaughtRow {
            words: TaughtWords {
                language: "ru".to_owned(),
                heard: heard.to_owned(),
                written: written.to_owned(),
            },
            lines,
            is_name: true,
            here: true,
            choice: None,
        }
    }

    fn written(taught: &[TaughtRow]) -> Vec<&str> {
        let written = in_use(taught)
            .into_iter()
            .map(|words| words.written.as_str());
        written.collect()
    }

    fn chosen(applied: bool, second: i64, row: TaughtRow) -> TaughtRow {
        TaughtRow {
            choice: Some((applied, Timestamp::from_second(second).unwrap())),
            ..row
        }
    }

    #[test]
    fn a_name_is_written_by_itself_after_two_lines_and_another_word_is_not() {
        assert_eq!(written(&[row("кин", "Ким", 1)]), [""; 0]);
        assert_eq!(written(&[row("кин", "Ким", 2)]), ["Ким"]);
        let word = TaughtRow {
            is_name: false,
            ..row("апеляция", "апелляция", 9)
        };
        assert_eq!(written(std::slice::from_ref(&word)), [""; 0]);
        assert_eq!(written(&[chosen(true, 1, word)]), ["апелляция"]);
    }

    #[test]
    fn what_is_written_in_several_ways_is_left_unless_most_lines_agree() {
        let left = row("кин", "кин", 2);
        assert_eq!(written(&[row("кин", "Ким", 2), left.clone()]), [""; 0]);
        assert_eq!(written(&[row("кин", "Ким", 3), left]), ["Ким"]);
        let others = [
            row("кин", "Ким", 3),
            row("кин", "Кинг", 1),
            row("кин", "Кен", 1),
        ];
        assert_eq!(written(&others), ["Ким"]);
    }

    #[test]
    fn the_latest_decision_of_a_person_counts() {
        assert_eq!(written(&[chosen(false, 1, row("кин", "Ким", 9))]), [""; 0]);
        let two = |first, second| {
            [
                chosen(true, first, row("кин", "Ким", 1)),
                chosen(true, second, row("кин", "Кинг", 5)),
            ]
        };
        assert_eq!(written(&two(2, 1)), ["Ким"]);
        assert_eq!(written(&two(1, 2)), ["Кинг"]);
    }

    proptest! {
        #[test]
        fn the_same_words_are_written_in_one_way(
            rows in prop::collection::btree_map(
                ("[а-в]", "[а-вА-В]"),
                (1..5u32, any::<bool>(), prop::option::of((any::<bool>(), 0..9i64))),
                0..12,
            ),
        ) {
            let rows: Vec<_> = rows
                .into_iter()
                .map(|((heard, written), (lines, is_name, choice))| TaughtRow {
                    is_name,
                    choice: choice.map(|(on, at)| (on, Timestamp::from_second(at).unwrap())),
                    ..row(&heard, &written, lines)
                })
                .collect();
            let used = in_use(&rows);
            let heard: BTreeSet<_> = used.iter().map(|words| &words.heard).collect();
            prop_assert_eq!(heard.len(), used.len());
            prop_assert!(used.iter().all(|words| words.heard != words.written));
        }
    }

    struct Scene {
        court: TestCourt,
        draft: Draft,
        hearing: HearingId,
        clerk: ParticipantId,
    }

    async fn scene() -> Scene {
        let court = TestCourt::open().await;
        let clerk = ParticipantId::generate();
        let person = NewParticipant {
            id: clerk,
            name: "A".to_owned(),
            role: "clerk".to_owned(),
            place: "courtroom".to_owned(),
            language: "ru".to_owned(),
            order: 0,
        };
        let hearing = court.hearing_of(Timestamp::UNIX_EPOCH, vec![person]).await;
        let off = DraftConfig {
            enabled: false,
            ..DraftConfig::default()
        };
        let of_config = Corrections::new([Correction {
            heard: "упк".to_owned(),
            written: "УПК".to_owned(),
            language: None,
            case_sensitive: false,
        }]);
        let stop = CancellationToken::new();
        let draft = Draft::start(&off, of_config.unwrap(), court.stores.clone(), stop).await;
        Scene {
            draft: draft.0,
            court,
            hearing,
            clerk,
        }
    }

    impl Scene {
        /// A line, and the person who writes something else in its place.
        async fn corrected(&self, heard: &str, text: &str) -> LineId {
            let words = heard
                .split(' ')
                .map(|word| json!({"text": word, "start_ms": 0, "end_ms": 0, "confidence": 0.9}));
            let row = LineRow {
                id: LineId::generate(),
                participant: self.clerk,
                segment: SegmentId::generate(),
                start_ms: 0,
                end_ms: 900,
                text: heard.to_owned(),
                language: "ru".to_owned(),
                confidence: 0.9,
                weak: false,
                words: words.collect(),
                model: "m".to_owned(),
                written: json!([]),
            };
            let database = &self.court.stores.database;
            database.put_line(self.hearing, &row).await.unwrap();
            self.edit(row.id, Some(text)).await;
            row.id
        }

        async fn edit(&self, line: LineId, text: Option<&str>) {
            let lines = self.draft.lines(self.hearing).await.unwrap();
            let shown = lines.into_iter().find(|shown| shown.id == line).unwrap();
            let lessons = self
                .draft
                .lessons(self.hearing, &shown, text)
                .await
                .unwrap();
            let edit = NewLineEdit {
                id: LineEditId::generate(),
                line,
                text: text.map(str::to_owned),
                editor: self.clerk,
                at: Timestamp::UNIX_EPOCH,
            };
            let database = &self.court.stores.database;
            let stored = database.append_line_edit(self.hearing, Vec::new(), edit, &lessons);
            stored.await.unwrap();
        }

        async fn written(&self, heard: &str) -> String {
            let corrections = self.draft.corrections(self.hearing).await.unwrap();
            let applied = corrections.applied(spoken(Language::Ru), heard);
            applied.text().to_owned()
        }

        async fn shown(&self) -> Vec<(String, u32, bool)> {
            let learnt = self.draft.learnt(self.hearing).await.unwrap();
            let shown = learnt
                .into_iter()
                .map(|one| (one.written, one.lines, one.applied));
            shown.collect()
        }
    }

    #[tokio::test]
    async fn what_was_corrected_twice_is_written_so_until_somebody_takes_it_back() {
        let scene = scene().await;
        scene.corrected("явился Ахмедов.", "явился Ахметов.").await;
        assert_eq!(scene.written("по упк Ахмедов").await, "по УПК Ахмедов");
        assert_eq!(scene.shown().await, [("Ахметов".to_owned(), 1, false)]);
        let second = scene.corrected("вышел Ахмедов.", "вышел Ахметов.").await;
        assert_eq!(scene.written("по упк Ахмедов").await, "по УПК Ахметов");
        assert_eq!(scene.shown().await, [("Ахметов".to_owned(), 2, true)]);
        // Left as it was heard in a third line: two against one.
        scene.corrected("Кто Ахмедов?", "Где Ахмедов?").await;
        assert_eq!(scene.shown().await, [("Ахметов".to_owned(), 2, true)]);
        scene.edit(second, None).await;
        assert_eq!(scene.written("Ахмедов").await, "Ахмедов");
        assert_eq!(scene.shown().await, [("Ахметов".to_owned(), 1, false)]);
    }

    #[tokio::test]
    async fn the_dictionary_of_the_configuration_comes_first() {
        let scene = scene().await;
        for heard in ["по упк так", "и упк тоже"] {
            scene.corrected(heard, &heard.replace("упк", "УПГ")).await;
        }
        assert_eq!(scene.shown().await.len(), 1);
        assert_eq!(scene.written("упк").await, "УПК");
    }
}
