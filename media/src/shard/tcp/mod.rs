//! Connections of clients whose network blocks UDP, at the same port number (RFC 6544, RFC 4571).
//!
//! A connection belongs to nobody until STUN has proved whose it is. It is closed when its first
//! packet does not do so, when it breaks the framing, and when it has been nobody's for too long.

mod connection;
mod framing;

use crate::{Core, Datagram, Input, MediaError, MediaLimits, PeerAddress, network_of};
use connection::{Arrival, Connection, Patience};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Instant, Interval, MissedTickBehavior};

/// Reads that may wait for the thread. More makes the readers wait, and in the end the clients.
const ARRIVALS: usize = 1_024;
/// What the kernel may hold that is not on its way yet. More would only wait where it can no
/// longer be dropped; less would stop the line between two of our writes.
const KERNEL_UNSENT_BYTES: u32 = 16 * 1024;
/// How often connections are looked over, and how long accepting rests when the process has no
/// file left to give.
const SWEEP: Duration = Duration::from_secs(1);

/// What has happened on connections since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct TcpCounters {
    /// Connections taken.
    pub(super) accepted: u64,
    /// Connections over a limit, closed at once.
    pub(super) refused: u64,
    /// Connections closed for what came on them, or for being nobody's for too long.
    pub(super) expelled: u64,
    /// Packets dropped because the client reads too slowly or is no longer there.
    pub(super) dropped: u64,
}

/// The bound listener before it is given to a runtime.
#[derive(Debug)]
pub(super) struct MediaListener(TcpListener);

impl MediaListener {
    /// Listens at the port that the UDP socket has.
    pub(super) fn bind(address: SocketAddr) -> io::Result<Self> {
        /// Browsers of a whole courthouse that come back at once after a cut.
        const BACKLOG: i32 = 1_024;

        let socket = Socket::new(
            Domain::for_address(address),
            Type::STREAM,
            Some(Protocol::TCP),
        )?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // Connections of the server that ran before still linger at the port.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        Ok(Self(socket.into()))
    }
}

/// What woke the shard.
#[derive(Debug)]
pub(super) enum TcpWake {
    Arrival(Arrival),
    Sweep,
}

#[derive(Debug)]
struct Entry {
    connection: Arc<Connection>,
    task: AbortHandle,
    /// When it last belonged to a session.
    known_at: Option<Instant>,
    since: Instant,
}

/// The listener with all its connections.
#[derive(Debug)]
pub(super) struct Connections {
    /// None: connections are handed in.
    listener: Option<tokio::net::TcpListener>,
    by_peer: HashMap<PeerAddress, Entry>,
    by_network: HashMap<IpAddr, usize>,
    tasks: JoinSet<()>,
    arrivals: mpsc::Receiver<Arrival>,
    arrived: mpsc::Sender<Arrival>,
    sweep: Interval,
    /// The process has no file left: accepting rests until the next sweep.
    resting: bool,
    /// To be flushed.
    dirty: Vec<PeerAddress>,
    limits: MediaLimits,
    counters: TcpCounters,
}

impl Connections {
    /// Gives the listener, if there is one, to the runtime of the present thread.
    pub(super) fn new(listener: Option<MediaListener>, limits: MediaLimits) -> io::Result<Self> {
        let (arrived, arrivals) = mpsc::channel(ARRIVALS);
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Ok(Self {
            listener: listener
                .map(|listener| tokio::net::TcpListener::from_std(listener.0))
                .transpose()?,
            by_peer: HashMap::new(),
            by_network: HashMap::new(),
            tasks: JoinSet::new(),
            arrivals,
            arrived,
            sweep,
            resting: false,
            dirty: Vec::new(),
            limits,
            counters: TcpCounters::default(),
        })
    }

    /// What has happened since the start.
    pub(super) fn counters(&self) -> TcpCounters {
        self.counters
    }

    /// Waits until there is something to [`take`](Self::take). May be given up at any moment.
    pub(super) async fn wake(&mut self) -> TcpWake {
        loop {
            tokio::select! {
                Some(arrival) = self.arrivals.recv() => return TcpWake::Arrival(arrival),
                accepted = accept(self.listener.as_ref()), if !self.resting => match accepted {
                    Ok((stream, source)) => self.admit(stream, source),
                    // The client was gone before it was taken, or the process has no file left.
                    Err(error) => self.resting = error.kind() != io::ErrorKind::ConnectionAborted,
                },
                _ = self.sweep.tick() => return TcpWake::Sweep,
            }
        }
    }

    /// Takes a connection that came to somebody else who listens at the port.
    pub(super) fn adopt(&mut self, stream: std::net::TcpStream) {
        let stream = stream
            .set_nonblocking(true)
            .and_then(|()| TcpStream::from_std(stream));
        match stream.and_then(|stream| Ok((stream.peer_addr()?, stream))) {
            Ok((source, stream)) => self.admit(stream, source),
            // It has ended on the way.
            Err(_) => self.counters.refused += 1,
        }
    }

    fn admit(&mut self, stream: TcpStream, source: SocketAddr) {
        let peer = PeerAddress::tcp(SocketAddr::new(source.ip().to_canonical(), source.port()));
        let network = network_of(peer.socket.ip());
        let near = self.by_network.get(&network).copied().unwrap_or_default();
        let local_ip = stream.local_addr().map(|local| local.ip().to_canonical());
        let (Ok(local_ip), true) = (
            local_ip,
            self.by_peer.len() < self.limits.tcp_connections
                && near < self.limits.tcp_connections_per_address,
        ) else {
            self.counters.refused += 1;
            return;
        };
        // Packets go at once, not when there is more, and wait here rather than in the kernel.
        // Without either the connection works, only worse.
        let _ = stream.set_nodelay(true);
        let _ = socket2::SockRef::from(&stream).set_tcp_notsent_lowat(KERNEL_UNSENT_BYTES);
        let connection = Arc::new(Connection::new(
            stream,
            peer,
            local_ip,
            Patience {
                bytes: self.limits.tcp_unsent_bytes,
                age: self.limits.tcp_unsent_age,
            },
        ));
        let served =
            Arc::clone(&connection).serve(self.arrived.clone(), self.limits.datagram_bytes);
        let entry = Entry {
            task: self.tasks.spawn(served),
            connection,
            known_at: None,
            since: Instant::now(),
        };
        self.counters.accepted += 1;
        *self.by_network.entry(network).or_default() += 1;
        if let Some(before) = self.by_peer.insert(peer, entry) {
            // The kernel reuses a port only when its connection has ended.
            self.forget(&before);
        }
    }

    /// Gives the core what has come: what woke the shard, and what waits behind it.
    pub(super) fn take(
        &mut self,
        wake: TcpWake,
        core: &mut Core,
        candidates: &[SocketAddr],
    ) -> Result<(), MediaError> {
        /// As many reads as one batch of datagrams has.
        const READS: usize = 32;

        let mut arrival = match wake {
            TcpWake::Sweep => return self.look_over(core),
            TcpWake::Arrival(arrival) => arrival,
        };
        for _ in 0..READS {
            match arrival {
                Arrival::Packets { from, framed } => {
                    self.take_packets(from, &framed, core, candidates)?;
                }
                Arrival::Ended { from, garbage } => {
                    self.counters.expelled += u64::from(garbage);
                    self.close(from, core)?;
                }
            }
            match self.arrivals.try_recv() {
                Ok(next) => arrival = next,
                Err(_) => break,
            }
        }
        Ok(())
    }

    fn take_packets(
        &mut self,
        from: PeerAddress,
        framed: &[u8],
        core: &mut Core,
        candidates: &[SocketAddr],
    ) -> Result<(), MediaError> {
        for packet in framing::packets(framed) {
            // It may have been closed with packets still on the way here.
            let Some(entry) = self.by_peer.get_mut(&from) else {
                return Ok(());
            };
            let local_ip = Some(entry.connection.local_ip);
            let Some(destination) = super::advertised_for(candidates, local_ip, from.socket) else {
                return Ok(());
            };
            let now = Instant::now();
            core.handle(Input::Datagram(Datagram {
                now: now.into_std(),
                source: from,
                destination,
                bytes: packet,
            }))?;
            if entry.known_at.is_none() {
                if core.is_known(from) {
                    entry.known_at = Some(now);
                } else {
                    self.counters.expelled += 1;
                    return self.close(from, core);
                }
            }
        }
        Ok(())
    }

    /// Closes what has been nobody's for too long.
    fn look_over(&mut self, core: &mut Core) -> Result<(), MediaError> {
        self.resting = false;
        while self.tasks.try_join_next().is_some() {}
        let now = Instant::now();
        let mut nobodys = Vec::new();
        for (peer, entry) in &mut self.by_peer {
            if core.is_known(*peer) {
                entry.known_at = Some(now);
            }
            let quiet_since = entry.known_at.unwrap_or(entry.since);
            if now.duration_since(quiet_since) >= self.limits.tcp_unproved {
                nobodys.push(*peer);
            }
        }
        for peer in nobodys {
            self.counters.expelled += 1;
            self.close(peer, core)?;
        }
        Ok(())
    }

    fn close(&mut self, peer: PeerAddress, core: &mut Core) -> Result<(), MediaError> {
        let Some(entry) = self.by_peer.remove(&peer) else {
            return Ok(());
        };
        self.forget(&entry);
        core.handle(Input::Unreachable(Instant::now().into_std(), peer))
    }

    fn forget(&mut self, entry: &Entry) {
        entry.task.abort();
        let network = network_of(entry.connection.peer.socket.ip());
        if let Some(count) = self.by_network.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                self.by_network.remove(&network);
            }
        }
    }

    /// Queues a packet. It goes with the next [`flush`](Self::flush).
    pub(super) fn push(&mut self, peer: PeerAddress, packet: Vec<u8>) {
        let Some(entry) = self.by_peer.get(&peer) else {
            self.counters.dropped += 1;
            return;
        };
        self.counters.dropped += entry.connection.push(packet, Instant::now());
        if self.dirty.last() != Some(&peer) {
            self.dirty.push(peer);
        }
    }

    /// Sends what was queued.
    pub(super) fn flush(&mut self) {
        for peer in self.dirty.drain(..) {
            if let Some(entry) = self.by_peer.get(&peer) {
                entry.connection.flush();
            }
        }
    }
}

/// Never ends without a listener.
async fn accept(listener: Option<&tokio::net::TcpListener>) -> io::Result<(TcpStream, SocketAddr)> {
    match listener {
        Some(listener) => listener.accept().await,
        None => std::future::pending().await,
    }
}
