//! What the record of a hearing must hold, by its log: while the graph led a track to the recorder
//! and the person's own switch was on.

use super::facts::Stretch;
use jiff::Timestamp;
use otyrys_signaling::{Hearing, HearingEvent, Sink, TrackRef, TrackSource, who_receives_what};
use std::collections::BTreeMap;

/// Gathers the stretches while the log is replayed.
#[derive(Debug, Default)]
pub(super) struct ExpectedRecord {
    /// Tracks that are to be written now, and since when on the record clock.
    open: BTreeMap<TrackRef, u64>,
    stretches: Vec<Stretch>,
    on_record_since_ms: Option<u64>,
    on_record_ms: u64,
}

impl ExpectedRecord {
    /// Takes the hearing as it is after an event.
    pub(super) fn after(&mut self, hearing: &Hearing, at: Timestamp, event: &HearingEvent) {
        let now_ms = hearing.record_ms(at);
        let explained = hearing.record_fault().is_some()
            || matches!(
                event,
                HearingEvent::Disconnected { .. } | HearingEvent::ServerRestarted
            );
        let graph = who_receives_what(hearing);
        let wanted = |track: &TrackRef| {
            let recorded = graph.get(track);
            recorded.is_some_and(|sinks| sinks.contains(&Sink::Recorder)) && sends(hearing, track)
        };
        let ended = self.open.extract_if(.., |track, _| !wanted(track));
        self.stretches.extend(ended.map(|(track, from_ms)| Stretch {
            track,
            from_ms,
            to_ms: now_ms,
            end_explained: explained,
        }));
        for track in graph.keys().copied().filter(wanted) {
            self.open.entry(track).or_insert(now_ms);
        }
        match (hearing.on_record(), self.on_record_since_ms) {
            (true, None) => self.on_record_since_ms = Some(now_ms),
            (false, Some(since)) => {
                self.on_record_ms += now_ms - since;
                self.on_record_since_ms = None;
            }
            _ => {}
        }
    }

    /// All stretches, those that last included, and the milliseconds on record.
    pub(super) fn until(mut self, now_ms: u64) -> (Vec<Stretch>, u64) {
        let lasting = self.open.into_iter().map(|(track, from_ms)| Stretch {
            track,
            from_ms,
            to_ms: now_ms,
            end_explained: false,
        });
        self.stretches.extend(lasting);
        let on_record = self.on_record_since_ms.map_or(0, |since| now_ms - since);
        (self.stretches, self.on_record_ms + on_record)
    }
}

/// Whether the person says that they send this track. Of shared screens the log tells nothing.
fn sends(hearing: &Hearing, track: &TrackRef) -> bool {
    hearing
        .participant(track.participant)
        .is_some_and(|person| match track.source {
            TrackSource::Microphone => person.microphone,
            TrackSource::Camera => person.camera,
            TrackSource::Screen => false,
        })
}
