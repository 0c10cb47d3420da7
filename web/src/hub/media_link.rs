//! Between people and media sessions: the graph of a hearing in the media core's terms.

use super::connection::PeerSession;
use otyrys_media::{self as media, SessionId, Source, TrackKey};
use otyrys_signaling::wire::{ShownPicture, View};
use otyrys_signaling::{Graph, Sink, TrackRef, TrackSource};
use otyrys_storage::ids::ParticipantId;
use std::{collections::HashMap, time::Duration};
use tokio::time::Instant;

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

/// Peer connections whose line of signalling is gone or was replaced. The person's network may
/// have changed: they come back within seconds, and the same peer connection goes on with an ICE
/// restart. Whoever makes a new one, or does not come, ends it.
#[derive(Debug, Default)]
pub(super) struct KeptSessions(HashMap<ParticipantId, (PeerSession, Instant)>);

impl KeptSessions {
    /// How long one is kept: as long as the media core bears silence, so that a person who comes
    /// back finds both or neither.
    const KEEP: Duration = Duration::from_secs(10);

    /// Keeps one. Returns the one that the person had here before.
    #[must_use]
    pub(super) fn keep(
        &mut self,
        participant: ParticipantId,
        session: PeerSession,
        now: Instant,
    ) -> Option<PeerSession> {
        let kept = (session, now + Self::KEEP);
        self.0.insert(participant, kept).map(|(before, _)| before)
    }

    pub(super) fn has(&self, participant: ParticipantId) -> bool {
        self.0.contains_key(&participant)
    }

    pub(super) fn take(&mut self, participant: ParticipantId) -> Option<PeerSession> {
        self.0.remove(&participant).map(|(session, _)| session)
    }

    /// Those whose person did not come back in time.
    pub(super) fn expired(&mut self, now: Instant) -> Vec<(ParticipantId, PeerSession)> {
        self.0
            .extract_if(|_, (_, until)| *until <= now)
            .map(|(participant, (session, _))| (participant, session))
            .collect()
    }

    /// All of them.
    pub(super) fn drain(&mut self) -> Vec<PeerSession> {
        self.0.drain().map(|(_, (session, _))| session).collect()
    }

    /// The media core has ended it.
    pub(super) fn forget(&mut self, session: SessionId) -> Option<(ParticipantId, PeerSession)> {
        let of_it = |_: &ParticipantId, (kept, _): &mut (PeerSession, Instant)| kept.id == session;
        let (participant, (kept, _)) = self.0.extract_if(of_it).next()?;
        Some((participant, kept))
    }
}

/// The peer connections that the server gave up last, by person. A client that has not noticed may
/// go on with one: browsers take the new session's DTLS, but have long stopped to say which stream
/// is which layer of their picture (RFC 8852), and nobody would ever see it again.
#[derive(Debug, Default)]
pub(super) struct EndedPeers(HashMap<ParticipantId, String>);

impl EndedPeers {
    /// The server gave one up.
    pub(super) fn ended(&mut self, participant: ParticipantId, session: PeerSession) {
        self.0.insert(participant, session.fingerprint);
    }

    /// Whether an offer with this fingerprint is of a peer connection that is over.
    pub(super) fn is_over(&self, participant: ParticipantId, fingerprint: &str) -> bool {
        self.0.get(&participant).is_some_and(|of| of == fingerprint)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn session(id: u64) -> PeerSession {
        PeerSession {
            id: SessionId(id),
            fingerprint: format!("a=fingerprint:sha-256 {id}"),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_line_leaves_one_media_session_for_ten_seconds() {
        let mut kept = KeptSessions::default();
        let [clerk, witness] = [(); 2].map(|()| ParticipantId::generate());
        assert_eq!(kept.keep(clerk, session(1), Instant::now()), None);
        assert_eq!(
            kept.keep(clerk, session(2), Instant::now()),
            Some(session(1))
        );
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(kept.keep(witness, session(3), Instant::now()), None);
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(kept.expired(Instant::now()), [(clerk, session(2))]);
        assert!(!kept.has(clerk));
        assert_eq!(kept.take(witness), Some(session(3)));

        assert_eq!(kept.keep(witness, session(4), Instant::now()), None);
        assert_eq!(kept.forget(SessionId(4)), Some((witness, session(4))));
        assert_eq!(kept.forget(SessionId(4)), None);
        assert!(kept.drain().is_empty());
    }

    #[test]
    fn a_peer_connection_that_was_given_up_is_over_for_its_own_person() {
        let mut ended = EndedPeers::default();
        let [clerk, witness] = [(); 2].map(|()| ParticipantId::generate());
        let fingerprint = session(1).fingerprint;
        assert!(!ended.is_over(clerk, &fingerprint));
        ended.ended(clerk, session(1));
        assert!(ended.is_over(clerk, &fingerprint));
        assert!(!ended.is_over(witness, &fingerprint));
        assert!(!ended.is_over(clerk, &session(2).fingerprint));
    }
}
