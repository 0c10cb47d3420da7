//! Ways to hand a row of datagrams for one receiver to the kernel.

use crate::{DATAGRAM_BYTES, Outcome, PACKETS_IN_A_ROW};
use nix::sys::socket::sockopt::UdpGroSegment;
use nix::sys::socket::{
    ControlMessage, MsgFlags, MultiHeaders, SockaddrStorage, sendmmsg, sendmsg, setsockopt,
};
use std::fmt;
use std::io::{ErrorKind, IoSlice};
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

/// How datagrams are sent.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Not at all.
    Protect,
    /// One call for each.
    Sendto,
    /// One call for the row.
    Sendmmsg,
    /// Batches of so many, each sent as one and cut up by the kernel (UDP GSO).
    Gso { size: usize },
}

impl Way {
    pub(crate) const ALL: [Self; 5] = [
        Self::Protect,
        Self::Sendto,
        Self::Sendmmsg,
        Self::Gso { size: 4 },
        Self::Gso {
            size: PACKETS_IN_A_ROW,
        },
    ];

    pub(crate) fn send(
        self,
        socket: &UdpSocket,
        to: SocketAddr,
        packets: &[[u8; DATAGRAM_BYTES]],
    ) -> Outcome<()> {
        match self {
            Self::Protect => {}
            Self::Sendto => {
                for packet in packets {
                    socket.send_to(packet, to)?;
                }
            }
            Self::Sendmmsg => {
                let slices: Vec<[IoSlice<'_>; 1]> = packets
                    .iter()
                    .map(|packet| [IoSlice::new(packet)])
                    .collect();
                let to = vec![Some(SockaddrStorage::from(to)); packets.len()];
                let mut headers = MultiHeaders::preallocate(packets.len(), None);
                let results = sendmmsg(
                    socket.as_raw_fd(),
                    &mut headers,
                    &slices,
                    &to,
                    [],
                    MsgFlags::empty(),
                )?;
                if results.count() < packets.len() {
                    return Err("the kernel did not take all".into());
                }
            }
            Self::Gso { size } => {
                let segment = u16::try_from(DATAGRAM_BYTES)?;
                for batch in packets.chunks(size) {
                    sendmsg(
                        socket.as_raw_fd(),
                        &[IoSlice::new(batch.as_flattened())],
                        &[ControlMessage::UdpGsoSegments(&segment)],
                        MsgFlags::empty(),
                        Some(&SockaddrStorage::from(to)),
                    )?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&match self {
            Self::Protect => "protect alone".to_owned(),
            Self::Sendto => "protect + sendto".to_owned(),
            Self::Sendmmsg => format!("protect + sendmmsg x {PACKETS_IN_A_ROW}"),
            Self::Gso { size } => format!("protect + GSO x {size}"),
        })
    }
}

/// A socket that gets datagrams.
pub(crate) struct Receiver {
    socket: UdpSocket,
    address: SocketAddr,
}

/// Binds `count` of them; with `glue` they take batches whole (UDP GRO).
pub(crate) fn receivers(count: usize, glue: bool) -> Outcome<Vec<Receiver>> {
    (0..count)
        .map(|_| {
            let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            socket.set_nonblocking(true)?;
            setsockopt(&socket, UdpGroSegment, &glue)?;
            let address = socket.local_addr()?;
            Ok(Receiver { socket, address })
        })
        .collect()
}

impl Receiver {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn empty(&self) -> Outcome<()> {
        let mut buffer = [0; 65_536];
        loop {
            match self.socket.recv(&mut buffer) {
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }
}
