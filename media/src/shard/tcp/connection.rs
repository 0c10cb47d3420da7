//! One client's connection.

use super::framing::{Deframer, LENGTH_BYTES};
use crate::PeerAddress;
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

/// What a connection tells the thread.
#[derive(Debug)]
pub(in crate::shard) enum Arrival {
    /// Whole packets, framed, end to end.
    Packets { from: PeerAddress, framed: Vec<u8> },
    /// There will be no more. Always the last.
    Ended { from: PeerAddress, garbage: bool },
}

/// What waits to be sent on a connection, and how much of it may.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    pub(super) bytes: usize,
    pub(super) age: Duration,
}

/// Packets that the kernel has not taken, oldest first.
#[derive(Debug, Default)]
struct Unsent {
    packets: VecDeque<Packet>,
    /// With their lengths before them.
    bytes: usize,
    /// So much of the first one has gone, with its length: it can no longer be dropped.
    gone: usize,
}

#[derive(Debug)]
struct Packet {
    since: Instant,
    length: [u8; LENGTH_BYTES],
    bytes: Vec<u8>,
}

impl Packet {
    fn framed_bytes(&self) -> usize {
        LENGTH_BYTES + self.bytes.len()
    }
}

impl Unsent {
    /// Drops what has waited too long. Returns how many.
    fn drop_late(&mut self, now: Instant, age: Duration) -> u64 {
        let begun = usize::from(self.gone > 0);
        let late = |packet: &Packet| now.duration_since(packet.since) > age;
        let mut dropped = 0;
        while self.packets.get(begun).is_some_and(late) {
            if let Some(packet) = self.packets.remove(begun) {
                self.bytes -= packet.framed_bytes();
                dropped += 1;
            }
        }
        dropped
    }

    fn sent(&mut self, mut count: usize) {
        while count > 0
            && let Some(first) = self.packets.front()
        {
            let left = first.framed_bytes() - self.gone;
            if count < left {
                self.gone += count;
                return;
            }
            count -= left;
            self.bytes -= first.framed_bytes();
            self.gone = 0;
            self.packets.pop_front();
        }
    }

    /// The first packets as they go over the wire.
    fn slices(&self) -> Vec<IoSlice<'_>> {
        /// Of a burst for one receiver; the kernel takes up to 1,024 slices.
        const AT_ONCE: usize = 32;

        let mut gone = self.gone;
        let mut slices = Vec::with_capacity(2 * AT_ONCE);
        for packet in self.packets.iter().take(AT_ONCE) {
            for part in [packet.length.as_slice(), &packet.bytes] {
                let skipped = gone.min(part.len());
                gone -= skipped;
                slices.push(IoSlice::new(&part[skipped..]));
            }
        }
        slices
    }
}

/// A connection, shared by the thread that writes to it and the task that reads from it. Both run
/// on the shard's thread: the lock is never waited for.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: PeerAddress,
    /// Our end of it.
    pub(super) local_ip: IpAddr,
    stream: TcpStream,
    unsent: Mutex<Unsent>,
    patience: Patience,
    /// There is something to send as soon as the kernel takes it.
    stalled: Notify,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: PeerAddress,
        local_ip: IpAddr,
        patience: Patience,
    ) -> Self {
        Self {
            peer,
            local_ip,
            stream,
            unsent: Mutex::default(),
            patience,
            stalled: Notify::new(),
        }
    }

    /// Puts a packet into the queue. Returns how many packets were dropped for it, itself
    /// included, because the client reads too slowly: those that would come too late to be played,
    /// and in a burst that does not fit the last.
    pub(super) fn push(&self, packet: Vec<u8>, now: Instant) -> u64 {
        let mut unsent = self.unsent();
        let dropped = unsent.drop_late(now, self.patience.age);
        let framed_bytes = LENGTH_BYTES + packet.len();
        let length = u16::try_from(packet.len());
        match length {
            Ok(length) if unsent.bytes + framed_bytes <= self.patience.bytes => {
                unsent.bytes += framed_bytes;
                unsent.packets.push_back(Packet {
                    since: now,
                    length: length.to_be_bytes(),
                    bytes: packet,
                });
                dropped
            }
            _ => dropped + 1,
        }
    }

    /// Gives the kernel what it takes. The rest goes when it takes more.
    pub(super) fn flush(&self) {
        if matches!(self.write(), Ok(false)) {
            self.stalled.notify_one();
        }
        // An error shows itself to the task that reads.
    }

    /// True: nothing is left.
    fn write(&self) -> io::Result<bool> {
        let mut unsent = self.unsent();
        while !unsent.packets.is_empty() {
            let written = self.stream.try_write_vectored(&unsent.slices());
            match written {
                Ok(written) => unsent.sent(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    fn unsent(&self) -> MutexGuard<'_, Unsent> {
        self.unsent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads packets until the peer ends the connection or breaks the framing, and sends what
    /// waits whenever the kernel takes it. When the thread is behind, reading waits for it, and
    /// with it the peer.
    pub(super) async fn serve(
        self: Arc<Self>,
        arrivals: mpsc::Sender<Arrival>,
        packet_bytes: usize,
    ) {
        let from = self.peer;
        let garbage = self.read_all(&arrivals, packet_bytes).await;
        // Nobody listens when the shard has ended.
        let _ = arrivals.send(Arrival::Ended { from, garbage }).await;
    }

    /// Whether it ended because of what the peer sent.
    async fn read_all(&self, arrivals: &mpsc::Sender<Arrival>, packet_bytes: usize) -> bool {
        let mut deframer = Deframer::new(packet_bytes);
        let mut stalled = false;
        loop {
            tokio::select! {
                ready = self.stream.readable() => {
                    if ready.is_err() {
                        return false;
                    }
                    let read = match self.stream.try_read(deframer.room()) {
                        Ok(0) => return false,
                        Ok(read) => read,
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                        Err(_) => return false,
                    };
                    let Ok(framed) = deframer.take(read) else {
                        return true;
                    };
                    let arrival = Arrival::Packets { from: self.peer, framed };
                    if arrivals.send(arrival).await.is_err() {
                        return false;
                    }
                }
                () = self.stalled.notified(), if !stalled => stalled = true,
                ready = self.stream.writable(), if stalled => match ready.and_then(|()| self.write()) {
                    Ok(done) => stalled = !done,
                    Err(_) => return false,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::tcp::framing::packets;
    use std::net::{Ipv4Addr, SocketAddr};
    use tokio::io::AsyncReadExt;

    const PATIENCE: Patience = Patience {
        bytes: 64 * 1024,
        age: Duration::from_millis(500),
    };

    async fn connected() -> (Arc<Connection>, TcpStream) {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("a port");
        let (far, near) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (far, near) = (far.expect("connected"), near.expect("accepted").0);
        let peer = PeerAddress::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let connection = Connection::new(near, peer, address.ip(), PATIENCE);
        (Arc::new(connection), far)
    }

    fn packet(number: u32) -> Vec<u8> {
        let mut packet = vec![7; 1_000];
        packet.extend(number.to_be_bytes());
        packet
    }

    async fn received(far: &mut TcpStream) -> Vec<u32> {
        let mut stream = Vec::new();
        let quiet = Duration::from_millis(300);
        while let Ok(Ok(1..)) = tokio::time::timeout(quiet, far.read_buf(&mut stream)).await {}
        packets(&stream)
            .map(|packet| u32::from_be_bytes(packet[1_000..].try_into().expect("a number")))
            .collect()
    }

    /// A slow reader gets whole packets in their order, with gaps, and never more than fits.
    #[tokio::test]
    async fn a_slow_reader_loses_whole_packets() {
        const PACKETS: u32 = 20_000;

        let (connection, mut far) = connected().await;
        let (arrived, _arrivals) = mpsc::channel(1);
        let serving = tokio::spawn(Arc::clone(&connection).serve(arrived, 1_500));
        let now = Instant::now();
        let mut taken = Vec::new();
        for number in 0..PACKETS {
            if connection.push(packet(number), now) == 0 {
                taken.push(number);
            }
            connection.flush();
            assert!(connection.unsent().bytes <= PATIENCE.bytes);
        }
        assert!(taken.len() < PACKETS as usize, "nothing was dropped");
        assert_eq!(received(&mut far).await, taken);
        assert_eq!(connection.unsent().bytes, 0);
        serving.abort();
    }

    /// What has waited too long makes room for what is new, but for a packet that has begun.
    #[tokio::test]
    async fn what_comes_too_late_is_not_sent() {
        let (connection, mut far) = connected().await;
        let start = Instant::now();
        let mut number = 0;
        // Until the kernel has taken all that it takes.
        while connection.unsent().packets.is_empty() || connection.unsent().gone == 0 {
            assert_eq!(connection.push(packet(number), start), 0);
            connection.flush();
            number += 1;
            assert!(number < 50_000, "the kernel takes everything");
        }
        let waiting = connection.unsent().packets.len() as u64;
        for extra in 0..10 {
            assert_eq!(connection.push(packet(number + extra), start), 0);
        }
        let later = start + PATIENCE.age + Duration::from_millis(1);
        let dropped = connection.push(packet(number + 10), later);
        assert_eq!(dropped, waiting - 1 + 10);

        let (arrived, _arrivals) = mpsc::channel(1);
        let serving = tokio::spawn(Arc::clone(&connection).serve(arrived, 1_500));
        connection.flush();
        let received = received(&mut far).await;
        let begun = number - u32::try_from(waiting).expect("few");
        assert!(
            received
                .iter()
                .copied()
                .eq((0..=begun).chain([number + 10]))
        );
        serving.abort();
    }
}
