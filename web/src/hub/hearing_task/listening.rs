//! Who listens to the record: begun and ended with an event, and nothing is sent in between that
//! the rule does not give.

use super::HearingTask;
use crate::{
    cli::explain,
    hub::{HubError, stretches::Stretches},
};
use otyrys_signaling::{Actor, Command, Refusal, TrackRef, what_is_played_back, wire::ListeningId};
use otyrys_storage::ids::ParticipantId;
use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    time::Duration,
};
use tokio::time::Instant;

/// A listening of which nothing was asked for so long has ended: the page is gone. At half speed a
/// page asks each 20 s.
const IDLE: Duration = Duration::from_secs(60);

/// Somebody who wants to listen.
#[derive(Debug)]
pub(crate) struct Listener {
    /// Who.
    pub(crate) by: ParticipantId,
    /// From which address.
    pub(crate) origin: IpAddr,
    /// To what.
    pub(crate) tracks: BTreeSet<TrackRef>,
    /// Milliseconds into the record.
    pub(crate) from_ms: u64,
}

/// A piece of one track, in milliseconds on the record clock.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoundStretch {
    pub(crate) track: TrackRef,
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
}

/// The listenings of one hearing that have not ended.
#[derive(Debug, Default)]
pub(super) struct Listenings {
    last: u32,
    open: BTreeMap<ListeningId, Listening>,
}

#[derive(Debug)]
struct Listening {
    listener: Listener,
    sent: Stretches,
    asked: Instant,
}

impl HearingTask {
    /// Begins a listening; an earlier one of the same person ends.
    pub(super) async fn listen(&mut self, listener: Listener) -> Result<ListeningId, HubError> {
        let earlier = self.listenings_where(|open| open.listener.by == listener.by);
        for id in earlier {
            self.end_listening(id).await?;
        }
        let command = Command::ListenBack {
            tracks: listener.tracks.clone(),
            from_ms: listener.from_ms,
        };
        let actor = Actor::Participant(listener.by);
        self.decide_and_store(actor, Some(listener.origin), &command)
            .await?;
        self.listenings.last = self.listenings.last.wrapping_add(1);
        let id = ListeningId {
            listening: self.listenings.last,
        };
        let listening = Listening {
            listener,
            sent: Stretches::default(),
            asked: Instant::now(),
        };
        self.listenings.open.insert(id, listening);
        Ok(id)
    }

    pub(super) fn sending_sound(
        &mut self,
        by: ParticipantId,
        id: ListeningId,
        stretch: SoundStretch,
    ) -> Result<(), HubError> {
        let may = what_is_played_back(&self.hearing, by).contains(&stretch.track);
        let open = self.listenings.open.get_mut(&id);
        let listening = open
            .filter(|open| may && open.listener.by == by)
            .filter(|open| open.listener.tracks.contains(&stretch.track))
            .ok_or(Refusal::NotAllowed)?;
        listening.sent.add(stretch.from_ms, stretch.to_ms);
        listening.asked = Instant::now();
        Ok(())
    }

    pub(super) async fn stop_listening(
        &mut self,
        by: ParticipantId,
        id: ListeningId,
    ) -> Result<(), HubError> {
        let open = self.listenings.open.get(&id);
        match open.is_some_and(|open| open.listener.by == by) {
            true => self.end_listening(id).await,
            false => Ok(()),
        }
    }

    pub(super) async fn end_idle_listenings(&mut self, now: Instant) {
        let idle = self.listenings_where(|open| now.duration_since(open.asked) > IDLE);
        self.end_listenings(idle).await;
    }

    /// The server stops.
    pub(super) async fn end_all_listenings(&mut self) {
        let all = self.listenings_where(|_| true);
        self.end_listenings(all).await;
    }

    async fn end_listenings(&mut self, ids: Vec<ListeningId>) {
        for id in ids {
            if let Err(error) = self.end_listening(id).await {
                tracing::error!(hearing.id = %self.hearing.subject().id, error = explain(&error), "what somebody listened to was not stored");
            }
        }
    }

    /// Stores what was sent. If that fails, that the listening began is stored all the same.
    async fn end_listening(&mut self, id: ListeningId) -> Result<(), HubError> {
        let Some(Listening { listener, sent, .. }) = self.listenings.open.remove(&id) else {
            return Ok(());
        };
        let command = Command::ListenedBack {
            tracks: listener.tracks,
            stretches: sent.into_vec(),
        };
        let actor = Actor::Participant(listener.by);
        self.decide_and_store(actor, Some(listener.origin), &command)
            .await?;
        Ok(())
    }

    fn listenings_where(&self, which: impl Fn(&Listening) -> bool) -> Vec<ListeningId> {
        let open = self.listenings.open.iter();
        open.filter(|(_, listening)| which(listening))
            .map(|(id, _)| *id)
            .collect()
    }
}
