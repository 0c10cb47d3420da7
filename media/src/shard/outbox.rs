//! Gathers outgoing datagrams into batches that the kernel splits (UDP GSO).

use super::socket::BatchedSocket;
use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};

/// The kernel's limit of one send, less the headers.
const MAX_BATCH_BYTES: usize = 65_000;

/// Datagrams of one length to one destination, end to end; the last may be shorter.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    batch: Vec<u8>,
    segment: usize,
    count: usize,
    /// The last one was shorter: nothing may follow it.
    sealed: bool,
    to: Option<(SocketAddr, SocketAddr)>,
    /// Our addresses that really are addresses of this machine, so that the kernel lets us send
    /// from them. Advertised addresses may be those of a NAT in front of it.
    local_ips: HashSet<IpAddr>,
    lost: u64,
}

impl Outbox {
    /// A datagram came in at `ip`: it is an address of this machine.
    pub(super) fn learn_local(&mut self, ip: IpAddr) {
        self.local_ips.insert(ip);
    }

    /// Datagrams that the kernel did not take.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Adds a datagram, sending what does not go with it first.
    pub(super) async fn push(
        &mut self,
        socket: &BatchedSocket,
        source: SocketAddr,
        destination: SocketAddr,
        bytes: &[u8],
    ) {
        let fits = self.to == Some((source, destination))
            && !self.sealed
            && bytes.len() <= self.segment
            && self.count < socket.segments()
            && self.batch.len() + bytes.len() <= MAX_BATCH_BYTES;
        if !fits {
            self.flush(socket).await;
            self.to = Some((source, destination));
            self.segment = bytes.len();
        }
        self.sealed = bytes.len() < self.segment;
        self.batch.extend_from_slice(bytes);
        self.count += 1;
    }

    /// Sends what is gathered.
    pub(super) async fn flush(&mut self, socket: &BatchedSocket) {
        if let Some((source, destination)) = self.to.take()
            && !self.batch.is_empty()
        {
            let from = Some(source.ip()).filter(|ip| self.local_ips.contains(ip));
            if !socket
                .send(&self.batch, self.segment, destination, from)
                .await
            {
                // A network card without GSO fails on the batch and takes its parts.
                for datagram in self.batch.chunks(self.segment.max(1)) {
                    let again = self.count > 1
                        && socket.send(datagram, self.segment, destination, from).await;
                    self.lost += u64::from(!again);
                }
            }
        }
        self.batch.clear();
        self.count = 0;
        self.sealed = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::socket::MediaSocket;
    use std::net::UdpSocket;
    use std::time::Duration;

    /// As with a network card that has no buffer left (`ENOBUFS`): the kernel says no to a batch
    /// and to its parts. Broadcasts are refused to every socket that did not ask for them.
    #[tokio::test]
    async fn what_the_kernel_refuses_is_counted_and_holds_up_nobody_else() {
        let socket = MediaSocket::bind("0.0.0.0:0".parse().expect("an address")).expect("a socket");
        let here = socket.local_addr();
        let socket = socket.into_batched().expect("a socket");
        let there = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        there
            .set_read_timeout(Some(Duration::from_secs(5)))
            .expect("a socket");
        let reachable = there.local_addr().expect("an address");
        let refused = "255.255.255.255:9".parse().expect("an address");

        let mut outbox = Outbox::default();
        let segments = socket.segments();
        for round in 0..3 {
            for _ in 0..4 {
                outbox.push(&socket, here, refused, &[round; 100]).await;
            }
            outbox.push(&socket, here, reachable, &[round; 100]).await;
            outbox.flush(&socket).await;
            let mut bytes = [0; 200];
            let length = there.recv(&mut bytes).expect("what can be sent is sent");
            assert_eq!(bytes[..length], [round; 100]);
        }
        assert_eq!(outbox.lost(), 12);
        assert_eq!(socket.segments(), segments, "GSO was given up");
    }
}
