//! One peer connection of the load process, with its own UDP socket.

use crate::Outcome;
use crate::mark::{self, Mark};
use crate::sender::Sender;
use crate::tally::Tally;
use mio::net::UdpSocket;
use nix::sys::socket::{setsockopt, sockopt::UdpGroSegment};
use quinn_udp::{BATCH_SIZE, RecvMeta, UdpSockRef, UdpSocketState};
use socket2::SockRef;
use std::collections::HashMap;
use std::io::{ErrorKind, IoSliceMut};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};
use str0m::net::{Protocol, Receive};
use str0m::rtp::Ssrc;
use str0m::{Candidate, Event, Input, Output, Rtc};

/// Datagrams that the kernel may glue into one come as up to 64 KiB.
const RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
/// One second of a picture that comes all at once.
const KERNEL_BUFFER_BYTES: usize = 1024 * 1024;

/// Room for what one call to the kernel receives, shared by all clients.
pub(crate) struct ReceiveBuffers {
    bytes: Vec<u8>,
    metas: Vec<RecvMeta>,
}

impl Default for ReceiveBuffers {
    fn default() -> Self {
        Self {
            bytes: vec![0; RECEIVE_BUFFER_BYTES * BATCH_SIZE],
            metas: vec![RecvMeta::default(); BATCH_SIZE],
        }
    }
}

/// The numbers of one stream's packets.
#[derive(Debug, Default)]
struct Sequence {
    span: Option<(u64, u64)>,
    count: u64,
}

impl Sequence {
    fn note(&mut self, number: u64) {
        let (first, last) = self.span.unwrap_or((number, number));
        self.span = Some((first.min(number), last.max(number)));
        self.count += 1;
    }

    fn missing(self) -> u64 {
        let (first, last) = match self.span {
            Some(span) => span,
            None => return 0,
        };
        (last - first + 1).saturating_sub(self.count)
    }
}

/// A publisher, a receiver, or both.
pub(crate) struct Client {
    pub(crate) rtc: Rtc,
    pub(crate) socket: UdpSocket,
    pub(crate) sender: Option<Sender>,
    pub(crate) connected: bool,
    /// RTP packets that came, of whatever kind.
    pub(crate) received: u64,
    sequences: HashMap<Ssrc, Sequence>,
    address: SocketAddr,
    state: UdpSocketState,
    deadline: Instant,
}

impl Client {
    /// Binds a socket at `ip`. With `glue`, the kernel hands datagrams that were sent in one
    /// batch over as one (GRO).
    pub(crate) fn new(ip: IpAddr, glue: bool, now: Instant) -> Outcome<Self> {
        let socket = UdpSocket::bind(SocketAddr::new(ip, 0))?;
        // Which asks for the kernel's receive timestamps, too.
        let state = UdpSocketState::new(UdpSockRef::from(&socket))?;
        setsockopt(&socket, UdpGroSegment, &glue)?;
        SockRef::from(&socket).set_recv_buffer_size(KERNEL_BUFFER_BYTES)?;
        let address = socket.local_addr()?;
        let mut rtc = Rtc::builder()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true)
            .build(now);
        rtc.add_local_candidate(Candidate::host(address, "udp")?);
        Ok(Self {
            rtc,
            socket,
            sender: None,
            connected: false,
            received: 0,
            sequences: HashMap::new(),
            address,
            state,
            deadline: now,
        })
    }

    /// Packets that did not come although the server numbered them, since the last call.
    pub(crate) fn take_missing(&mut self) -> u64 {
        let sequences = std::mem::take(&mut self.sequences);
        sequences.into_values().map(Sequence::missing).sum()
    }

    /// When the client wants to be driven at the latest.
    pub(crate) fn next_at(&self) -> Instant {
        self.sender
            .iter()
            .filter(|_| self.connected)
            .map(Sender::next_at)
            .chain([self.deadline])
            .min()
            .unwrap_or(self.deadline)
    }

    /// Sends what is due.
    pub(crate) fn drive(&mut self, now: Instant, tally: &mut Tally) -> Outcome<()> {
        if let Some(sender) = &mut self.sender
            && self.connected
        {
            sender.write_due(&mut self.rtc, now);
        }
        self.rtc.handle_input(Input::Timeout(now))?;
        self.drain(now, mark::now(), tally)
    }

    /// Takes in everything that the socket has.
    pub(crate) fn receive(
        &mut self,
        buffers: &mut ReceiveBuffers,
        tally: &mut Tally,
    ) -> Outcome<()> {
        loop {
            let ReceiveBuffers { bytes, metas } = buffers;
            let mut slices: Vec<IoSliceMut<'_>> = bytes
                .chunks_mut(RECEIVE_BUFFER_BYTES)
                .map(IoSliceMut::new)
                .collect();
            let socket = UdpSockRef::from(&self.socket);
            let count = match self.state.recv(socket, &mut slices, metas) {
                Ok(count) => count,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                // An ICMP error of an earlier datagram.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => continue,
                Err(error) => return Err(error.into()),
            };
            let now = Instant::now();
            for (slice, meta) in slices.iter().zip(metas.iter()).take(count) {
                let arrived = meta.timestamp.unwrap_or_else(mark::now);
                for datagram in slice[..meta.len].chunks(meta.stride.max(1)) {
                    let received = Receive::new(Protocol::Udp, meta.addr, self.address, datagram)?;
                    self.rtc.handle_input(Input::Receive(now, received))?;
                    self.drain(now, arrived, tally)?;
                }
            }
        }
    }

    fn drain(&mut self, now: Instant, arrived: Duration, tally: &mut Tally) -> Outcome<()> {
        loop {
            match self.rtc.poll_output()? {
                // A stack that wants to be driven again at once has packets that were just
                // written.
                Output::Timeout(at) if at <= now => {
                    self.rtc.handle_input(Input::Timeout(now))?;
                }
                Output::Timeout(at) => {
                    self.deadline = at;
                    return Ok(());
                }
                Output::Transmit(transmit) => {
                    // A full buffer loses the packet, which the receivers will miss.
                    let _ = self
                        .socket
                        .send_to(&transmit.contents, transmit.destination);
                }
                Output::Event(Event::RtpPacket(packet)) => {
                    self.received += 1;
                    let sequence = self.sequences.entry(packet.header.ssrc).or_default();
                    sequence.note(*packet.seq_no);
                    if let Some(mark) = Mark::read(&packet.payload) {
                        tally.note(mark, arrived);
                    }
                }
                Output::Event(Event::Connected) => {
                    self.connected = true;
                    if let Some(sender) = &mut self.sender {
                        sender.catch_up(now);
                    }
                }
                Output::Event(Event::KeyframeRequest(_)) => {
                    if let Some(sender) = &mut self.sender {
                        sender.want_keyframe();
                    }
                }
                Output::Event(_) => {}
            }
        }
    }
}
