//! One live client of one seat.

use otyrys_media::SessionId;
use otyrys_signaling::wire::ServerMessage;
use otyrys_storage::ids::ParticipantId;
use std::{
    net::IpAddr,
    sync::atomic::{AtomicU64, Ordering},
};
use tokio::sync::mpsc;

/// Names a connection within this process; a seat that reconnects gets a new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(u64);

/// The way to a client. Bounded: a client that does not keep up is dropped and comes back.
#[derive(Debug, Clone)]
pub struct Outbox(mpsc::Sender<ServerMessage>);

impl Outbox {
    /// Wraps the sending half of the socket's queue.
    #[must_use]
    pub fn new(queue: mpsc::Sender<ServerMessage>) -> Self {
        Self(queue)
    }

    /// Queues a message. `false` when the client is gone or too slow.
    pub(super) fn send(&self, message: ServerMessage) -> bool {
        self.0.try_send(message).is_ok()
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
    pub(super) session: Option<SessionId>,
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
        }
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> ConnectionId {
        self.id
    }
}
