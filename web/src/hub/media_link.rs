//! Between people and media sessions: the graph of a hearing in the media core's terms.

use otyrys_media::{self as media, SessionId, Source, TrackKey};
use otyrys_signaling::wire::{ShownPicture, View};
use otyrys_signaling::{Graph, Sink, TrackRef, TrackSource};
use otyrys_storage::ids::ParticipantId;
use std::collections::HashMap;

/// Who is behind which session, both ways.
#[derive(Debug, Default)]
pub(super) struct SessionMap {
    by_participant: HashMap<ParticipantId, SessionId>,
    by_session: HashMap<SessionId, ParticipantId>,
}

impl SessionMap {
    pub(super) fn insert(&mut self, participant: ParticipantId, session: SessionId) {
        self.by_participant.insert(participant, session);
        self.by_session.insert(session, participant);
    }

    pub(super) fn remove(&mut self, session: SessionId) {
        if let Some(participant) = self.by_session.remove(&session) {
            // The seat may have a newer session by now.
            if self.by_participant.get(&participant) == Some(&session) {
                self.by_participant.remove(&participant);
            }
        }
    }

    pub(super) fn participant(&self, session: SessionId) -> Option<ParticipantId> {
        self.by_session.get(&session).copied()
    }

    /// The track in the hearing's terms.
    pub(super) fn track_ref(&self, key: TrackKey) -> Option<TrackRef> {
        let participant = self.participant(key.session)?;
        Some(TrackRef {
            participant,
            source: track_source(key.source),
        })
    }

    /// The track in the media core's terms.
    pub(super) fn track_key(&self, track: TrackRef) -> Option<TrackKey> {
        let session = *self.by_participant.get(&track.participant)?;
        Some(TrackKey {
            session,
            source: source(track.source),
        })
    }

    /// What a page shows, in the media core's terms.
    pub(super) fn shown(&self, pictures: &[ShownPicture]) -> HashMap<TrackKey, media::Shown> {
        pictures
            .iter()
            .filter_map(|picture| {
                let shown = media::Shown {
                    view: view(picture.view),
                    pinned: picture.pinned,
                };
                Some((self.track_key(picture.track)?, shown))
            })
            .collect()
    }

    /// The hearing's graph with sessions for people. Whoever has no session gets and sends nothing.
    /// `favoured` are the tracks whose pictures everybody keeps longest.
    pub(super) fn media_graph(
        &self,
        graph: &Graph,
        favoured: impl Iterator<Item = TrackRef>,
    ) -> media::Graph {
        let mut connected: media::Graph = graph
            .iter()
            .filter_map(|(track, sinks)| Some((self.track_key(*track)?, sinks)))
            .flat_map(|(key, sinks)| sinks.iter().map(move |sink| (key, sink)))
            .filter_map(|(key, sink)| match sink {
                Sink::Participant(participant) => {
                    let session = self.by_participant.get(participant)?;
                    Some((key, media::Sink::Session(*session)))
                }
                Sink::Recorder => Some((key, media::Sink::Recorder)),
                // The recogniser reads the record; the media core never feeds it.
                Sink::Recogniser => None,
            })
            .collect();
        for track in favoured.filter_map(|track| self.track_key(track)) {
            connected.favour(track);
        }
        connected
    }
}

fn view(view: View) -> media::View {
    match view {
        View::Hidden => media::View::Hidden,
        View::Tile => media::View::Tile,
        View::Stage => media::View::Stage,
    }
}

pub(super) fn source(source: TrackSource) -> Source {
    match source {
        TrackSource::Microphone => Source::Microphone,
        TrackSource::Camera => Source::Camera,
        TrackSource::Screen => Source::Screen,
    }
}

pub(super) fn track_source(source: Source) -> TrackSource {
    match source {
        Source::Microphone => TrackSource::Microphone,
        Source::Camera => TrackSource::Camera,
        Source::Screen => TrackSource::Screen,
    }
}
