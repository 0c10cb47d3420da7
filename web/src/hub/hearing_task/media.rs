//! The media half of a hearing's task: peer connections, what the media core tells, and who hears
//! of it.

use super::HearingTask;
use crate::edge::error::offer_code;
use crate::hub::{
    HubError,
    connection::{ConnectionId, PeerSession},
    line_quality::line_quality,
    media_link::{source, track_source},
};
use crate::metrics::PERCEIVED_EVERY;
use otyrys_media::{self as media, Event as MediaEvent, LineReport, SessionId, TrackKey};
use otyrys_signaling::{
    Presence, Sink, TrackRef, TrackSource, sees_lines,
    wire::{ErrorCode, MAX_SHOWN, Offer, Perceived, ServerMessage, ShownPicture, Slot},
};
use otyrys_storage::ids::ParticipantId;
use std::collections::BTreeSet;
use tokio::time::Instant;

impl HearingTask {
    pub(super) async fn offer(&mut self, from: ConnectionId, offer: Offer) -> Result<(), HubError> {
        let Some(connection) = self.connections.get(&from) else {
            return Ok(());
        };
        let participant = connection.participant;
        if !self.hearing.may_offer(participant) {
            let error = ErrorCode::WrongState;
            self.tell(from, ServerMessage::Error { error });
            return Ok(());
        }
        let fingerprint = fingerprint_of(&offer.sdp);
        if self.ended.is_over(participant, &fingerprint) {
            // They begin anew with a fresh one.
            let error = ErrorCode::BadOffer;
            self.tell(from, ServerMessage::Error { error });
            return Ok(());
        }
        let session = self.session_for(from, participant, fingerprint);
        self.sessions.insert(participant, session);
        let sources = offer
            .sources
            .into_iter()
            .map(|(mid, s)| (mid.into(), source(s)))
            .collect();
        let answer = self.services.shard.offer(media::Offer {
            room: self.room,
            session,
            sdp: offer.sdp,
            sources,
            comes_back: self.had_media.contains(&participant),
        });
        match answer.await {
            Ok(sdp) => {
                self.had_media.insert(participant);
                self.tell(from, ServerMessage::Answer { id: offer.id, sdp });
                self.refresh();
            }
            Err(error) => {
                tracing::warn!(hearing.id = %self.hearing.subject().id, participant.id = %participant, %error, "an offer was refused");
                let error = offer_code(&error);
                if error == ErrorCode::Overloaded {
                    self.services.people.refused(error);
                }
                self.tell(from, ServerMessage::Error { error });
            }
        }
        Ok(())
    }

    /// Keeps the peer connection of a line that is gone, for when the person comes back.
    pub(super) fn keep_session(&mut self, participant: ParticipantId, session: PeerSession) {
        if let Some(before) = self.kept.keep(participant, session, Instant::now()) {
            self.close_session(before.id);
        }
    }

    pub(super) fn end_kept_sessions(&mut self) {
        for (participant, session) in self.kept.expired(Instant::now()) {
            self.close_session(session.id);
            self.ended.ended(participant, session);
        }
    }

    /// The media session that an offer is for: the connection's, that of the seat's last line, or a
    /// new one when the client made a new peer connection, which shows in its DTLS fingerprint.
    fn session_for(
        &mut self,
        from: ConnectionId,
        participant: ParticipantId,
        fingerprint: String,
    ) -> SessionId {
        let own = self.connections.get_mut(&from);
        let own = own.and_then(|connection| connection.session.take());
        let mut goes_on = None;
        for session in own.into_iter().chain(self.kept.take(participant)) {
            if goes_on.is_none() && session.fingerprint == fingerprint {
                goes_on = Some(session.id);
            } else {
                self.close_session(session.id);
            }
        }
        let id = goes_on.unwrap_or_else(|| self.services.sessions.open(self.hearing.subject().id));
        if let Some(connection) = self.connections.get_mut(&from) {
            connection.session = Some(PeerSession { id, fingerprint });
        }
        id
    }

    /// What a page does with its pictures. About whom it is, is checked by the graph: the core
    /// sends nothing along an edge that does not exist.
    pub(super) fn shown(&self, from: ConnectionId, pictures: &[ShownPicture]) {
        let session = self
            .connections
            .get(&from)
            .and_then(|connection| connection.session.as_ref());
        let Some(session) = session else {
            return;
        };
        let shown = self
            .sessions
            .shown(&pictures[..pictures.len().min(MAX_SHOWN)]);
        if let Err(error) = self.services.shard.set_shown(session.id, shown) {
            tracing::warn!(%error, "the media core does not take what a page shows");
        }
    }

    /// What a page saw and heard. One that says more often than it should is not listened to.
    pub(super) fn perceived(&mut self, from: ConnectionId, perceived: Perceived) {
        let Some(connection) = self.connections.get_mut(&from) else {
            return;
        };
        if !perceived.is_possible() {
            let error = ErrorCode::BadMessage;
            connection.outbox.send(ServerMessage::Error { error });
            return;
        }
        let early = connection
            .perceived
            .is_some_and(|(_, at)| at.elapsed() < PERCEIVED_EVERY / 2);
        if !early {
            connection.perceived = Some((perceived, Instant::now()));
            self.services.people.perceived(&perceived);
        }
    }

    pub(super) fn media(&mut self, event: MediaEvent) {
        match event {
            MediaEvent::Connected { session } => {
                tracing::info!(hearing.id = %self.hearing.subject().id, participant.id = %self.who(session), "media is connected");
            }
            MediaEvent::Disconnected { session, reason } => {
                tracing::info!(hearing.id = %self.hearing.subject().id, participant.id = %self.who(session), ?reason, "media is gone");
                self.forget_session(session);
                self.refresh();
            }
            MediaEvent::TrackStarted { .. } => self.refresh(),
            MediaEvent::TrackStopped { track } => {
                self.flows(track, false);
                self.services.recording.stop(track);
            }
            MediaEvent::TrackFlowing { track, flowing } => self.flows(track, flowing),
            MediaEvent::SlotsChanged { session, slots } => {
                let slots = slots
                    .into_iter()
                    .map(|fill| Slot {
                        mid: fill.mid.to_string(),
                        track: fill.track.and_then(|key| self.sessions.track_ref(key)),
                    })
                    .collect();
                self.tell_session(session, ServerMessage::Slots { slots });
            }
            MediaEvent::SlotsNeeded {
                session,
                audio,
                video,
            } => {
                self.tell_session(session, ServerMessage::SlotsNeeded { audio, video });
            }
            MediaEvent::LayersWatched { track, watched } => self.tell_session(
                track.session,
                ServerMessage::LayersWatched {
                    source: track_source(track.source),
                    // At most 3.
                    layers: watched.iter().map(|layer| layer.index() as u8).collect(),
                },
            ),
            MediaEvent::SoundOnly {
                session,
                sound_only,
            } => self.tell_session(session, ServerMessage::SoundOnly { sound_only }),
            MediaEvent::Line(report) => self.line(&report),
            MediaEvent::Levels { loudest, .. } => self.tell_who_speaks(&loudest),
            // Everybody's session is told to be gone as well: their clients come back.
            MediaEvent::RoomFailed { .. } => {
                tracing::error!(hearing.id = %self.hearing.subject().id, "a fault of the server ended the media of this hearing");
            }
            // Told to every hearing by the hub.
            MediaEvent::RecorderBehind { .. } => {}
        }
    }

    /// Tells how good somebody's line is: them, the bench and court IT.
    fn line(&self, report: &LineReport) {
        let Some(participant) = self.sessions.participant(report.session) else {
            return;
        };
        let perceived = self
            .connections
            .values()
            .find(|connection| connection.participant == participant)
            .and_then(|connection| connection.perceived)
            .filter(|(_, at)| at.elapsed() < PERCEIVED_EVERY * 2)
            .map(|(perceived, _)| perceived);
        let quality = line_quality(participant, report, perceived);
        for connection in self.connections.values() {
            let told = connection.participant == participant
                || self
                    .hearing
                    .participant(connection.participant)
                    .is_some_and(|p| sees_lines(p.person.role));
            if told {
                connection.outbox.send(ServerMessage::LineQuality {
                    quality: quality.clone(),
                });
            }
        }
    }

    /// Tells everybody who of those whom they hear is speaking; themselves included.
    fn tell_who_speaks(&mut self, loudest: &[SessionId]) {
        let speakers: Vec<ParticipantId> = loudest
            .iter()
            .filter_map(|session| self.sessions.participant(*session))
            .collect();
        let now = Instant::now();
        self.record.speak(speakers.iter().copied().collect(), now);
        for connection in self.connections.values() {
            let listener = connection.participant;
            let inside = self
                .hearing
                .participant(listener)
                .is_some_and(|p| p.presence() == Presence::Admitted);
            if inside {
                let participants = speakers
                    .iter()
                    .copied()
                    .filter(|speaker| *speaker == listener || self.hears(listener, *speaker))
                    .collect();
                connection
                    .outbox
                    .send(ServerMessage::Speaking { participants });
            }
        }
    }

    fn hears(&self, listener: ParticipantId, speaker: ParticipantId) -> bool {
        let voice = TrackRef {
            participant: speaker,
            source: TrackSource::Microphone,
        };
        self.graph
            .get(&voice)
            .is_some_and(|sinks| sinks.contains(&Sink::Participant(listener)))
    }

    fn flows(&mut self, key: TrackKey, flowing: bool) {
        if let Some(track) = self.sessions.track_ref(key) {
            self.record.flows(key.session, track, flowing);
        }
    }

    /// For the log: who is behind a session, as far as is known.
    fn who(&self, session: SessionId) -> String {
        self.sessions
            .participant(session)
            .map_or_else(|| "gone".to_owned(), |participant| participant.to_string())
    }

    pub(super) fn close_session(&mut self, session: SessionId) {
        if let Err(error) = self.services.shard.close_session(session) {
            tracing::error!(%error, "the media core does not end a session");
        }
        self.forget_session(session);
    }

    /// Forgets a media session that has ended. While the signalling stands, the client sees the end
    /// of its own peer connection and offers anew, or is told with its next offer.
    fn forget_session(&mut self, session: SessionId) {
        self.record.session_ended(session);
        self.services.recording.stop_session(session);
        self.sessions.remove(session);
        self.services.sessions.forget(session);
        let mut all = self.connections.values_mut();
        let connected = all
            .find(|c| c.has_session(session))
            .and_then(|c| Some((c.participant, c.session.take()?)));
        if let Some((participant, ended)) = connected.or(self.kept.forget(session)) {
            self.ended.ended(participant, ended);
        }
    }
}

/// Names a client's peer connection: its DTLS fingerprints (RFC 8122).
fn fingerprint_of(sdp: &str) -> String {
    sdp.lines()
        .filter(|line| line.starts_with("a=fingerprint:"))
        .collect::<BTreeSet<_>>()
        .into_iter()
        .collect()
}
