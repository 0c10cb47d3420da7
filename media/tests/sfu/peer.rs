//! A client that reaches a shard over real sockets of this machine.

use crate::client::{Client, Got};
use otyrys_media::{
    MediaLimits, Offer, RoomId, SessionId, ShardConfig, ShardHandle, Source, Transport,
};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::net::{TcpSocket, TcpStream, UdpSocket};

pub(crate) const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// The room of all tests over sockets.
pub(crate) const COURT: RoomId = RoomId(7);

/// What carries the packets.
enum Line {
    Udp(UdpSocket),
    Tcp(Connection),
}

/// A TCP connection that cuts what it sends wherever it likes.
struct Connection {
    stream: TcpStream,
    unsent: Vec<u8>,
    received: Vec<u8>,
    /// The sizes of the pieces that are written, over and over.
    pieces: std::iter::Cycle<std::array::IntoIter<usize, 6>>,
}

impl Connection {
    async fn open(from: IpAddr, to: SocketAddr) -> Self {
        let socket = match from {
            IpAddr::V4(_) => TcpSocket::new_v4(),
            IpAddr::V6(_) => TcpSocket::new_v6(),
        }
        .expect("a socket");
        socket.bind(SocketAddr::new(from, 0)).expect("an address");
        let stream = socket.connect(to).await.expect("a connection");
        stream.set_nodelay(true).expect("a connection");
        Self {
            stream,
            unsent: Vec::new(),
            received: Vec::new(),
            // In the length, in the header, whole, and several packets at once.
            pieces: [1, 2, 7, 300, 1_203, 20_000].into_iter().cycle(),
        }
    }

    fn address(&self) -> SocketAddr {
        self.stream.local_addr().expect("an address")
    }

    fn send(&mut self, packet: &[u8]) {
        let length = u16::try_from(packet.len()).expect("a packet");
        self.unsent.extend(length.to_be_bytes());
        self.unsent.extend(packet);
    }

    fn flush(&mut self) {
        while !self.unsent.is_empty() {
            let piece = self.pieces.next().expect("endless").min(self.unsent.len());
            match self.stream.try_write(&self.unsent[..piece]) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(_) => return,
            }
        }
    }

    fn received(&mut self) -> Vec<Vec<u8>> {
        let mut buffer = [0; 5_000];
        while let Ok(length @ 1..) = self.stream.try_read(&mut buffer) {
            self.received.extend(&buffer[..length]);
        }
        let mut packets = Vec::new();
        while let Some(length) = self.received.first_chunk::<2>() {
            let end = 2 + usize::from(u16::from_be_bytes(*length));
            if self.received.len() < end {
                break;
            }
            packets.push(self.received[2..end].to_vec());
            self.received.drain(..end);
        }
        packets
    }
}

/// That a second of sound and picture came, and of neither a packet is missing.
pub(crate) fn assert_whole(got: &[Got]) {
    assert!(got.len() >= 90, "{}", got.len());
    let (sound, picture): (Vec<_>, Vec<_>) = got.iter().partition(|got| got.picture_id.is_none());
    for packets in [sound, picture] {
        assert!(
            packets
                .windows(2)
                .all(|pair| pair[1].seq == pair[0].seq + 1)
        );
    }
}

/// A client with its socket.
pub(crate) struct Peer {
    pub(crate) client: Client,
    line: Line,
    server: SocketAddr,
}

impl Peer {
    /// Joins over UDP from 127.0.0.1.
    pub(crate) async fn join(
        shard: &ShardHandle,
        session: u64,
        sources: &[Source],
        slots: (usize, usize),
    ) -> Self {
        Self::join_over(shard, Transport::Udp, LOOPBACK, session, sources, slots).await
    }

    /// Joins from one address of this machine to the same one.
    pub(crate) async fn join_over(
        shard: &ShardHandle,
        transport: Transport,
        ip: IpAddr,
        session: u64,
        sources: &[Source],
        (audio, video): (usize, usize),
    ) -> Self {
        let server = SocketAddr::new(ip, shard.local_addr().port());
        let (line, address) = match transport {
            Transport::Udp => {
                let socket = UdpSocket::bind(SocketAddr::new(ip, 0))
                    .await
                    .expect("a socket");
                let address = socket.local_addr().expect("an address");
                (Line::Udp(socket), address)
            }
            Transport::Tcp => {
                let connection = Connection::open(ip, server).await;
                let address = connection.address();
                (Line::Tcp(connection), address)
            }
        };
        let now = Instant::now();
        let mut client = Client::over(transport, address, SessionId(session), sources, now);
        let (sdp, pending) = client.make_offer(audio, video, false);
        let offer = Offer {
            room: COURT,
            session: client.session,
            sdp,
            sources: client.sources(),
            comes_back: false,
        };
        let answer = shard.offer(offer).await.expect("an answer");
        assert!(answer.contains("a=ice-lite"));
        for (protocol, kind) in [("udp", "typ host"), ("tcp", "typ host tcptype passive")] {
            let candidate = answer.lines().find(|line| {
                line.starts_with("a=candidate:")
                    && line.contains(&format!(" {protocol} "))
                    && line.contains(&format!(" {} {} {kind}", server.ip(), server.port()))
            });
            assert!(candidate.is_some(), "no {protocol} candidate in\n{answer}");
        }
        client.take_answer(pending, &answer, Instant::now());
        Self {
            client,
            line,
            server,
        }
    }

    /// Loses its TCP connection and opens another one, as a browser does.
    pub(crate) async fn reconnect(&mut self) {
        let connection = Connection::open(self.server.ip(), self.server).await;
        self.client.move_to(connection.address());
        self.line = Line::Tcp(connection);
    }

    async fn turn(&mut self) {
        let now = Instant::now();
        match &mut self.line {
            Line::Udp(socket) => {
                let mut buffer = [0; 2_000];
                while let Ok((length, source)) = socket.try_recv_from(&mut buffer) {
                    self.client.receive(now, source, &buffer[..length]);
                }
            }
            Line::Tcp(connection) => {
                for packet in connection.received() {
                    self.client.receive(now, self.server, &packet);
                }
            }
        }
        self.client.time_passed(now);
        for (source, destination, bytes) in self.client.poll(now) {
            match &mut self.line {
                Line::Udp(socket) => {
                    socket.send_to(&bytes, destination).await.expect("sent");
                }
                // What goes to a connection that is no more is lost.
                Line::Tcp(connection) if connection.address() == source => connection.send(&bytes),
                Line::Tcp(_) => {}
            }
        }
        if let Line::Tcp(connection) = &mut self.line {
            connection.flush();
        }
    }
}

/// Lets the peers do what they do for so long.
pub(crate) async fn run(peers: &mut [Peer], time: Duration) {
    let end = Instant::now() + time;
    while Instant::now() < end {
        for peer in peers.iter_mut() {
            peer.turn().await;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

/// A shard at a free port of 127.0.0.1.
pub(crate) fn config() -> ShardConfig {
    ShardConfig {
        bind: SocketAddr::new(LOOPBACK, 0),
        advertised: vec![LOOPBACK],
        limits: MediaLimits::default(),
    }
}
