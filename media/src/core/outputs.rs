//! What a core has put out and nobody has taken yet.

use super::Output;
use crate::{Event, PeerAddress, RecordedPacket};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::ops::Range;

/// Both ends of a way to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Path {
    /// Which of the advertised addresses.
    pub(super) source: SocketAddr,
    pub(super) destination: PeerAddress,
}

/// Outputs in their order. Datagrams lie end to end in one buffer that is used again and again.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    queue: VecDeque<Queued>,
    bytes: Vec<u8>,
}

#[derive(Debug)]
enum Queued {
    Datagram { path: Path, at: Range<usize> },
    Event(Event),
    Recorded(RecordedPacket),
}

impl Outputs {
    pub(super) fn len(&self) -> usize {
        self.queue.len()
    }

    pub(super) fn tell(&mut self, event: Event) {
        self.queue.push_back(Queued::Event(event));
    }

    pub(super) fn record(&mut self, packet: RecordedPacket) {
        self.queue.push_back(Queued::Recorded(packet));
    }

    /// Adds the datagram that `write` appends to the buffer, if it does. Returns its length.
    pub(super) fn send(&mut self, path: Path, write: impl FnOnce(&mut Vec<u8>)) -> usize {
        if self.queue.is_empty() {
            self.bytes.clear();
        }
        let start = self.bytes.len();
        write(&mut self.bytes);
        let at = start..self.bytes.len();
        let length = at.len();
        if length > 0 {
            self.queue.push_back(Queued::Datagram { path, at });
        }
        length
    }

    /// The datagrams behind the first `len` outputs.
    pub(super) fn datagrams_since(&self, len: usize) -> impl Iterator<Item = (Path, &[u8])> {
        self.queue
            .iter()
            .skip(len)
            .filter_map(|queued| match queued {
                Queued::Datagram { path, at } => Some((*path, &self.bytes[at.clone()])),
                Queued::Event(_) | Queued::Recorded(_) => None,
            })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Takes the first.
    pub(super) fn next(&mut self) -> Option<Output<'_>> {
        Some(match self.queue.pop_front()? {
            Queued::Datagram { path, at } => Output::Transmit {
                source: path.source,
                destination: path.destination,
                bytes: &self.bytes[at],
            },
            Queued::Event(event) => Output::Event(event),
            Queued::Recorded(packet) => Output::Recorded(packet),
        })
    }
}
