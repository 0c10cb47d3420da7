//! One live client of one seat.

use otyrys_media::SessionId;
use otyrys_signaling::wire::{Perceived, ServerMessage};
use otyrys_storage::ids::ParticipantId;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};
use tokio::{sync::mpsc, time::Instant};

/// Names a connection within this process; a seat that reconnects gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// The way to a client. Bounded: a client that does not keep up is dropped and comes back to the
/// whole view, rather than missing a message that it cannot know of.
#[derive(Debug)]
pub struct Outbox {
    queue: mpsc::Sender<ServerMessage>,
    overflowed: AtomicBool,
}

impl Outbox {
    /// Wraps the sending half of the socket's queue.
    #[must_use]
    pub fn new(queue: mpsc::Sender<ServerMessage>) -> Self {
        Self {
            queue,
            overflowed: AtomicBool::new(false),
        }
    }

    /// Queues a message, or marks the client as one to be dropped.
    pub(super) fn send(&self, message: ServerMessage) {
        if self.queue.try_send(message).is_err() {
            self.overflowed.store(true, Ordering::Relaxed);
        }
    }

    /// Whether a message did not fit, or the client is gone.
    pub(super) fn is_lost(&self) -> bool {
        self.overflowed.load(Ordering::Relaxed)
    }

    /// Sends many messages at the pace of the client; ends with it.
    pub(super) fn trickle(
        &self,
        messages: Vec<ServerMessage>,
    ) -> impl Future<Output = ()> + Send + 'static {
        let queue = self.queue.clone();
        async move {
            for message in messages {
                if queue.send(message).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// A client that said hello.
#[derive(Debug)]
pub struct Connection {
    id: ConnectionId,
    pub(super) participant: ParticipantId,
    pub(super) rehearsal: bool,
    pub(super) origin: IpAddr,
    pub(super) outbox: Outbox,
    /// Its peer connection, once it has offered one.
    pub(super) session: Option<PeerSession>,
    /// It has been sent the draft so far.
    pub(super) has_draft: bool,
    /// What its page said last of what it saw and heard, and when.
    pub(super) perceived: Option<(Perceived, Instant)>,
}

/// A peer connection of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PeerSession {
    pub(super) id: SessionId,
    /// The `a=fingerprint` lines of its offers (RFC 8122): another one is another peer connection.
    pub(super) fingerprint: String,
}

impl Connection {
    /// A new connection of a seat.
    #[must_use]
    pub fn new(
        participant: ParticipantId,
        rehearsal: bool,
        origin: IpAddr,
        outbox: Outbox,
    ) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self {
            id: ConnectionId(NEXT.fetch_add(1, Ordering::Relaxed)),
            participant,
            rehearsal,
            origin,
            outbox,
            session: None,
            has_draft: false,
            perceived: None,
        }
    }

    /// Whether it has this media session.
    pub(super) fn has_session(&self, session: SessionId) -> bool {
        self.session.as_ref().is_some_and(|own| own.id == session)
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}
