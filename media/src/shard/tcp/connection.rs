//! One client's connection.

use super::framing::{Deframer, LENGTH_BYTES};
use crate::PeerAddress;
use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};

/// What a connection tells the thread.
#[derive(Debug)]
pub(in crate::shard) enum Arrival {
    /// Whole packets, framed, end to end.
    Packets { from: PeerAddress, framed: Vec<u8> },
    /// There will be no more. Always the last.
    Ended { from: PeerAddress, garbage: bool },
}

/// A connection, shared by the thread that writes to it and the task that reads from it. Both run
/// on the shard's thread: the lock is never waited for.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: PeerAddress,
    /// Our end of it.
    pub(super) local_ip: IpAddr,
    stream: TcpStream,
    /// Framed packets that the kernel has not taken. The first may have gone in part.
    unsent: Mutex<VecDeque<u8>>,
    unsent_bytes: usize,
    /// There is something to send as soon as the kernel takes it.
    stalled: Notify,
}

impl Connection {
    pub(super) fn new(
        stream: TcpStream,
        peer: PeerAddress,
        local_ip: IpAddr,
        unsent_bytes: usize,
    ) -> Self {
        Self {
            peer,
            local_ip,
            stream,
            unsent: Mutex::default(),
            unsent_bytes,
            stalled: Notify::new(),
        }
    }

    /// Puts a packet into the queue. False: the client reads too slowly, and the packet is dropped.
    pub(super) fn push(&self, packet: &[u8]) -> bool {
        let Ok(length) = u16::try_from(packet.len()) else {
            return false;
        };
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        if unsent.len() + LENGTH_BYTES + packet.len() > self.unsent_bytes {
            return false;
        }
        unsent.extend(length.to_be_bytes());
        unsent.extend(packet);
        true
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
        let mut unsent = self.unsent.lock().unwrap_or_else(PoisonError::into_inner);
        while !unsent.is_empty() {
            match self.stream.try_write(unsent.as_slices().0) {
                Ok(written) => {
                    unsent.drain(..written);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
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
    use std::time::Duration;
    use tokio::io::AsyncReadExt;

    const UNSENT_BYTES: usize = 64 * 1024;

    /// A slow reader gets whole packets in their order, with gaps, and never more than fits.
    #[tokio::test]
    async fn a_slow_reader_loses_whole_packets() {
        const PACKETS: u32 = 20_000;

        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .expect("a port");
        let address = listener.local_addr().expect("a port");
        let (far, near) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (mut far, near) = (far.expect("connected"), near.expect("accepted").0);
        let peer = PeerAddress::tcp(SocketAddr::from((Ipv4Addr::LOCALHOST, 1)));
        let connection = Connection::new(near, peer, address.ip(), UNSENT_BYTES);
        let connection = Arc::new(connection);
        let (arrived, _arrivals) = mpsc::channel(1);
        let serving = tokio::spawn(Arc::clone(&connection).serve(arrived, 1_500));

        let mut taken = Vec::new();
        for number in 0..PACKETS {
            let mut packet = vec![7; 1_000];
            packet.extend(number.to_be_bytes());
            if connection.push(&packet) {
                taken.push(number);
            }
            connection.flush();
            assert!(connection.unsent.lock().expect("whole").len() <= UNSENT_BYTES);
        }
        assert!(taken.len() < PACKETS as usize, "nothing was dropped");

        let mut stream = Vec::new();
        let quiet = Duration::from_millis(300);
        while let Ok(Ok(1..)) = tokio::time::timeout(quiet, far.read_buf(&mut stream)).await {}
        let received: Vec<u32> = packets(&stream)
            .map(|packet| u32::from_be_bytes(packet[1_000..].try_into().expect("a number")))
            .collect();
        assert_eq!(received, taken);
        serving.abort();
    }
}
