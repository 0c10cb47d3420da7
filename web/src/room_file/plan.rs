//! From a sealed bundle to what is to be made of it.

use super::{RoomFacts, RoomFileError, captions, shelf::ChapterFact};
use crate::protocol::{ProtocolDocument, RecordFile, wording::wording};
use jiff::{Timestamp, tz::Offset};
use otyrys_media::{
    Codec,
    film::{Chapter, FilmInput, FilmPerson, FilmPlan, FilmSource, MOST_PEOPLE, Stretch, Stretches},
};
use otyrys_signaling::TrackSource;
use otyrys_storage::{ArchivePath, Bundle, ids::ParticipantId};
use serde::Deserialize;

/// What the room file is made of, and what is said about it.
pub(super) struct RoomPlan {
    pub(super) film: FilmPlan,
    /// Of the inputs, in the bundle.
    pub(super) paths: Vec<ArchivePath>,
    pub(super) chapters: Vec<Chapter>,
    pub(super) facts: RoomFacts,
}

/// What is read of an event.
#[derive(Deserialize)]
struct Event {
    at: Timestamp,
    kind: String,
}

impl RoomPlan {
    /// Reads the events of a bundle, and its protocol.
    pub(super) fn of(
        document: &ProtocolDocument,
        bundle: &Bundle,
        events: &[u8],
    ) -> Result<Self, RoomFileError> {
        let lines = events
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let events = lines
            .map(serde_json::from_slice)
            .collect::<Result<Vec<Event>, _>>()?;
        let ends_ms = document
            .record
            .iter()
            .map(|file| u64::from(file.ends_ms))
            .max();
        let stretches = on_record(&events, ends_ms.unwrap_or(0));
        let people = people(document);
        let (paths, inputs) = inputs(document, bundle, &people)?.into_iter().unzip();
        let epoch = events
            .iter()
            .find(|event| event.kind == ON_RECORD)
            .map(|event| event.at);
        let offset = document
            .hearing
            .record_started_at
            .map_or(Offset::UTC, |time| time.offset());
        let chapters = chapters(
            document,
            &stretches,
            epoch.unwrap_or(Timestamp::UNIX_EPOCH),
            offset,
        );
        let words = wording(document.hearing.language);
        let seen = people
            .iter()
            .filter_map(|id| document.present.iter().find(|p| p.id == *id));
        let film_people = seen.map(|person| FilmPerson {
            name: person.name.clone(),
            role: words.role(person.role).to_owned(),
        });
        let facts = RoomFacts {
            duration_ms: stretches.duration().as_millis() as u64,
            chapters: chapters
                .iter()
                .map(|chapter| ChapterFact {
                    at_ms: chapter.at_ms,
                    title: chapter.title.clone(),
                })
                .collect(),
            stretches: stretches.clone(),
        };
        Ok(Self {
            film: FilmPlan {
                people: film_people.collect(),
                stretches,
                inputs,
            },
            paths,
            chapters,
            facts,
        })
    }

    pub(super) fn captions(&self, document: &ProtocolDocument) -> String {
        captions::webvtt(
            &document.lines,
            document.hearing.language,
            &self.film.stretches,
        )
    }
}

const ON_RECORD: &str = "on_record";
const OFF_RECORD: &str = "off_record";

/// The times on record, on its clock.
fn on_record(events: &[Event], ends_ms: u64) -> Stretches {
    let mut epoch = None;
    let mut began = None;
    let mut stretches = Vec::new();
    for event in events {
        let zero = match event.kind.as_str() {
            ON_RECORD => *epoch.get_or_insert(event.at),
            OFF_RECORD => epoch.unwrap_or(event.at),
            _ => continue,
        };
        let at_ms = u64::try_from(event.at.duration_since(zero).as_millis()).unwrap_or(0);
        match (event.kind == ON_RECORD, began) {
            (true, None) => began = Some(at_ms),
            (false, Some(from_ms)) => {
                stretches.push(Stretch {
                    from_ms,
                    to_ms: at_ms,
                });
                began = None;
            }
            _ => {}
        }
    }
    stretches.extend(began.map(|from_ms| Stretch {
        from_ms,
        to_ms: ends_ms,
    }));
    Stretches::new(stretches)
}

/// Those who have a place in the picture: who was heard or seen, the bench first.
fn people(document: &ProtocolDocument) -> Vec<ParticipantId> {
    let recorded = |id| document.record.iter().any(|file| file.participant == id);
    let present = document.present.iter().map(|person| person.id);
    present
        .filter(|id| recorded(*id))
        .take(MOST_PEOPLE)
        .collect()
}

fn inputs(
    document: &ProtocolDocument,
    bundle: &Bundle,
    people: &[ParticipantId],
) -> Result<Vec<(ArchivePath, FilmInput)>, RoomFileError> {
    let files = document
        .record
        .iter()
        .filter_map(|file| Some((file, file.playback.as_ref()?)));
    files
        .map(|(file, playback)| {
            let path: ArchivePath = playback.parse()?;
            let listed = bundle
                .manifest
                .files
                .iter()
                .find(|entry| entry.path == path);
            let input = FilmInput {
                person: people.iter().position(|id| *id == file.participant),
                source: source(file),
                codec: match (file.source, playback.ends_with(".mp4")) {
                    (TrackSource::Microphone, _) => Codec::Opus,
                    (_, true) => Codec::H264,
                    (_, false) => Codec::Vp8,
                },
                starts_ms: file.starts_ms.into(),
                ends_ms: file.ends_ms.into(),
                bytes: listed.map_or(0, |entry| entry.size),
            };
            Ok((path, input))
        })
        .collect()
}

fn source(file: &RecordFile) -> FilmSource {
    match file.source {
        TrackSource::Microphone => FilmSource::Microphone,
        TrackSource::Camera => FilmSource::Camera,
        TrackSource::Screen => FilmSource::Screen,
    }
}

/// A chapter for each stage, and one where the record was taken up again, with the time of day.
fn chapters(
    document: &ProtocolDocument,
    stretches: &Stretches,
    epoch: Timestamp,
    offset: Offset,
) -> Vec<Chapter> {
    let words = wording(document.hearing.language);
    let duration = stretches.duration().as_millis() as u64;
    let begun = stretches.iter().map(|(at_ms, stretch)| {
        let at = jiff::SignedDuration::from_millis(stretch.from_ms as i64);
        let time = offset.to_datetime(epoch.saturating_add(at).unwrap_or(epoch));
        Chapter {
            at_ms,
            title: format!("{} {}", words.course.on_record, time.strftime("%H:%M:%S")),
        }
    });
    let stages = document.stages.iter().map(|mark| Chapter {
        // The last stage ends the record.
        at_ms: stretches
            .film_ms(mark.at_ms.into())
            .unwrap_or(duration.saturating_sub(1)),
        title: words.stage(mark.stage).to_owned(),
    });
    let mut chapters: Vec<_> = begun.chain(stages).collect();
    chapters.sort_by_key(|chapter| chapter.at_ms);
    chapters
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_film_has_what_was_on_record_until_it_was_taken_off() {
        let event = |at: &str, kind: &str| Event {
            at: at.parse().unwrap(),
            kind: kind.to_owned(),
        };
        let events = [
            event("2026-11-22T05:00:00Z", "lobby_opened"),
            event("2026-11-22T05:00:10Z", ON_RECORD),
            event("2026-11-22T05:00:11Z", "recess_began"),
            event("2026-11-22T05:00:12.500Z", OFF_RECORD),
            event("2026-11-22T05:10:10Z", ON_RECORD),
        ];
        let stretch = |from_ms, to_ms| Stretch { from_ms, to_ms };
        let expected = Stretches::new([stretch(0, 2_500), stretch(600_000, 610_000)]);
        assert_eq!(on_record(&events, 610_000), expected);
    }
}
