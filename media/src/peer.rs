//! Where a client is reached.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What carries the packets of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Each packet is a datagram.
    Udp,
    /// Packets stand in the stream of a connection that the client has opened, each behind its
    /// length (RFC 4571, section 2). For networks that block UDP (RFC 6544).
    Tcp,
}

/// One end of a path to a client. The same numbers over UDP and over TCP are two ends.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PeerAddress {
    /// What the path is made of.
    pub transport: Transport,
    /// The client's end of it, as this machine sees it.
    pub socket: SocketAddr,
}

impl PeerAddress {
    /// The far end of datagrams.
    #[must_use]
    pub fn udp(socket: SocketAddr) -> Self {
        Self {
            transport: Transport::Udp,
            socket,
        }
    }

    /// The far end of a connection.
    #[must_use]
    pub fn tcp(socket: SocketAddr) -> Self {
        Self {
            transport: Transport::Tcp,
            socket,
        }
    }
}

/// Without the address, which says where a person is: it must not slip into a log.
impl fmt::Debug for PeerAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PeerAddress({:?})", self.transport)
    }
}

/// What counts as one address: for IPv6 the /64 that one host may have for itself (RFC 6177).
#[must_use]
pub fn network_of(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) => {
            let [a, b, c, d, ..] = ip.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        ip @ IpAddr::V4(_) => ip,
    }
}
