//! A UDP socket that receives and sends in batches (recvmmsg, GRO, GSO through quinn-udp).

use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::{Domain, Protocol, Socket, Type};
use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::time::Duration;
use tokio::io::Interest;

/// Of the kernel's buffers: 4 MiB is 20 ms of a fully used gigabit link each way, the time that a
/// busy thread may take until it looks again. The kernel may grant less.
const KERNEL_BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// Datagrams that the kernel may glue into one (GRO) come as up to 64 KiB.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;

/// The bound socket before it is given to a runtime.
#[derive(Debug)]
pub(super) struct MediaSocket {
    socket: UdpSocket,
    local_addr: SocketAddr,
}

impl MediaSocket {
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = Socket::new(
            Domain::for_address(address),
            Type::DGRAM,
            Some(Protocol::UDP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // A smaller buffer than wished for loses packets only under load.
        let _ = socket.set_recv_buffer_size(KERNEL_BUFFER_BYTES);
        let _ = socket.set_send_buffer_size(KERNEL_BUFFER_BYTES);
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let local_addr = socket.local_addr()?;
        Ok(Self { socket, local_addr })
    }

    pub(super) fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// Gives the socket to the runtime of the present thread.
    pub(super) fn into_batched(self) -> io::Result<BatchedSocket> {
        let state = UdpSocketState::new(UdpSockRef::from(&self.socket))?;
        Ok(BatchedSocket {
            socket: tokio::net::UdpSocket::from_std(self.socket)?,
            state,
            is_v6: self.local_addr.is_ipv6(),
            buffers: vec![0; RECEIVE_BUFFER_BYTES * BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
        })
    }
}

/// The socket in its runtime.
pub(super) struct BatchedSocket {
    socket: tokio::net::UdpSocket,
    state: UdpSocketState,
    is_v6: bool,
    buffers: Vec<u8>,
    metas: Vec<RecvMeta>,
}

/// Where a received datagram came from and which of our addresses it was sent to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Origin {
    pub(super) source: SocketAddr,
    pub(super) local_ip: Option<IpAddr>,
}

impl BatchedSocket {
    /// Waits until there is something to receive.
    pub(super) async fn readable(&self) -> io::Result<()> {
        self.socket.readable().await
    }

    /// Receives one batch of what is there, and hands each datagram to `take`. False: there was
    /// nothing.
    pub(super) fn receive(&mut self, mut take: impl FnMut(Origin, &[u8])) -> io::Result<bool> {
        let Self {
            socket,
            state,
            buffers,
            metas,
            ..
        } = self;
        let mut slices: Vec<IoSliceMut<'_>> = buffers
            .chunks_mut(RECEIVE_BUFFER_BYTES)
            .map(IoSliceMut::new)
            .collect();
        let received = socket.try_io(Interest::READABLE, || {
            state.recv(UdpSockRef::from(&*socket), &mut slices, metas)
        });
        let count = match received {
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
            // An ICMP error of an earlier datagram: somebody is gone, the socket is well.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => return Ok(true),
            Err(error) => return Err(error),
        };
        for (slice, meta) in slices.iter().zip(metas.iter()).take(count) {
            let origin = Origin {
                source: SocketAddr::new(meta.addr.ip().to_canonical(), meta.addr.port()),
                local_ip: meta.dst_ip.map(|ip| ip.to_canonical()),
            };
            for datagram in slice[..meta.len.min(slice.len())].chunks(meta.stride.max(1)) {
                take(origin, datagram);
            }
        }
        Ok(true)
    }

    /// How many datagrams of one length to one destination can go out at once.
    pub(super) fn segments(&self) -> usize {
        self.state.max_gso_segments()
    }

    /// Sends datagrams of `segment` bytes each (the last may be shorter) to one destination. What
    /// the kernel does not take within 5 ms is lost, as any datagram may be, and what it can never
    /// take is not given to it.
    pub(super) async fn send(
        &self,
        batch: &[u8],
        segment: usize,
        destination: SocketAddr,
        from: Option<IpAddr>,
    ) -> bool {
        /// A socket that takes nothing for so long stands behind a link that is full.
        const PATIENCE: Duration = Duration::from_millis(5);

        if !is_reachable(destination) {
            return false;
        }
        let transmit = quinn_udp::Transmit {
            destination: self.wire_address(destination),
            ecn: None,
            contents: batch,
            segment_size: (segment < batch.len()).then_some(segment),
            src_ip: from.filter(|ip| ip.is_ipv6() == self.is_v6),
        };
        for last_try in [false, true] {
            let sent = self.socket.try_io(Interest::WRITABLE, || {
                self.state
                    .try_send(UdpSockRef::from(&self.socket), &transmit)
            });
            match sent {
                Ok(()) => return true,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock && !last_try => {
                    if tokio::time::timeout(PATIENCE, self.socket.writable())
                        .await
                        .is_err()
                    {
                        return false;
                    }
                }
                Err(_) => return false,
            }
        }
        false
    }

    /// An IPv6 socket names IPv4 peers by mapped addresses (RFC 4291, section 2.5.5.2).
    fn wire_address(&self, address: SocketAddr) -> SocketAddr {
        match address.ip() {
            IpAddr::V4(ip) if self.is_v6 => {
                SocketAddr::new(ip.to_ipv6_mapped().into(), address.port())
            }
            _ => address,
        }
    }
}

/// False for what the kernel refuses with `EINVAL`: port 0, and IPv6 link-local addresses, which
/// mean nothing without their interface. quinn-udp takes `EINVAL` for a network card without GSO
/// and gives it up for good: one client that sends from such an address would multiply what every
/// packet to everybody costs.
fn is_reachable(destination: SocketAddr) -> bool {
    let link_local = match destination.ip() {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    destination.port() != 0 && !destination.ip().is_unspecified() && !link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn one_address_that_cannot_be_reached_does_not_slow_all_the_others() {
        for (bind, nowhere) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("[::]:0", "[fe80::1]:4000"),
            ("[::]:0", "127.0.0.1:0"),
        ] {
            let address = bind.parse().expect("an address");
            let socket = MediaSocket::bind(address)
                .and_then(MediaSocket::into_batched)
                .expect("a socket");
            let segments = socket.segments();
            let nowhere = nowhere.parse().expect("an address");
            assert!(!socket.send(&[1; 100], 100, nowhere, None).await);
            assert_eq!(socket.segments(), segments, "{nowhere} ended GSO");
        }
    }
}
