//! Bad lines between UDP clients and a server.

use super::{BadLineError, Conditions, Wire};
use bytes::Bytes;
use serde::Serialize;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::UdpSocket,
    sync::{mpsc, oneshot},
    task::JoinSet,
    time::{Instant, sleep_until},
};

/// Largest datagram that the relay passes; WebRTC stays below an Ethernet frame.
const LARGEST: usize = 2_048;
/// Clients at once; a datagram of one more is dropped. Each holds a socket.
const CLIENTS: usize = 512;
/// Datagrams that may be on their way; more are dropped.
const ON_THE_WAY: usize = 65_536;
/// Datagrams from the server that wait to be put on the line. When full the reader waits, and the
/// kernel's buffer drops.
const INCOMING: usize = 4_096;
/// Orders that wait.
const ORDERS: usize = 16;

/// What passed a relay, for all its clients together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Traffic {
    /// Datagrams from clients.
    pub up: u64,
    /// Of these, lost.
    pub up_lost: u64,
    /// Datagrams from the server.
    pub down: u64,
    /// Of these, lost.
    pub down_lost: u64,
}

/// A relay that runs until it is dropped.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    handle: RelayHandle,
    _tasks: JoinSet<()>,
}

/// How a running relay is told what to do. Clones talk to the same one.
#[derive(Debug, Clone)]
pub struct RelayHandle {
    orders: mpsc::Sender<Order>,
}

#[derive(Debug)]
enum Order {
    Set {
        up: Option<Conditions>,
        down: Option<Conditions>,
    },
    Count(oneshot::Sender<Traffic>),
}

impl Relay {
    /// Listens at `listen` (port 0: a free one) and passes what comes to `server`, and back. Each
    /// client address has a line of its own in each direction, and a socket towards the server, so
    /// that the server sees as many addresses as there are clients. The n-th client's chance
    /// follows from `seed` and n.
    ///
    /// # Errors
    /// [`BadLineError::Socket`] when `listen` cannot be bound.
    pub async fn start(
        listen: SocketAddr,
        server: SocketAddr,
        seed: u64,
        up: Conditions,
        down: Conditions,
    ) -> Result<Self, BadLineError> {
        let socket = Arc::new(UdpSocket::bind(listen).await?);
        let address = socket.local_addr()?;
        let (orders, queue) = mpsc::channel(ORDERS);
        let (from_server, incoming) = mpsc::channel(INCOMING);
        let junction = Junction {
            socket,
            server,
            seed,
            up,
            down,
            clients: HashMap::new(),
            on_the_way: BinaryHeap::new(),
            order: 0,
            traffic: Traffic::default(),
            from_server,
            readers: JoinSet::new(),
        };
        let mut tasks = JoinSet::new();
        tasks.spawn(junction.run(queue, incoming));
        Ok(Self {
            address,
            handle: RelayHandle { orders },
            _tasks: tasks,
        })
    }

    /// Where clients reach it.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How it is told what to do.
    #[must_use]
    pub fn handle(&self) -> RelayHandle {
        self.handle.clone()
    }
}

impl RelayHandle {
    /// Changes all lines from now on; a direction without conditions stays as it is.
    ///
    /// # Errors
    /// [`BadLineError::Ended`].
    pub async fn set(
        &self,
        up: Option<Conditions>,
        down: Option<Conditions>,
    ) -> Result<(), BadLineError> {
        self.orders
            .send(Order::Set { up, down })
            .await
            .map_err(|_| BadLineError::Ended)
    }

    /// What passed so far.
    ///
    /// # Errors
    /// [`BadLineError::Ended`].
    pub async fn traffic(&self) -> Result<Traffic, BadLineError> {
        let (answer, counted) = oneshot::channel();
        self.orders
            .send(Order::Count(answer))
            .await
            .map_err(|_| BadLineError::Ended)?;
        counted.await.map_err(|_| BadLineError::Ended)
    }
}

/// A client's two directions and its way to the server.
struct Client {
    up: Wire,
    down: Wire,
    socket: Arc<UdpSocket>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Direction {
    Up,
    Down,
}

/// A datagram on its way; the earliest, then the first sent, arrives first.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct OnTheWay {
    at: Instant,
    order: u64,
    direction: Direction,
    client: SocketAddr,
    bytes: Bytes,
}

/// Everything of a relay, in one task.
struct Junction {
    socket: Arc<UdpSocket>,
    server: SocketAddr,
    seed: u64,
    up: Conditions,
    down: Conditions,
    clients: HashMap<SocketAddr, Client>,
    on_the_way: BinaryHeap<Reverse<OnTheWay>>,
    order: u64,
    traffic: Traffic,
    from_server: mpsc::Sender<(SocketAddr, Bytes)>,
    readers: JoinSet<()>,
}

impl Junction {
    async fn run(
        mut self,
        mut orders: mpsc::Receiver<Order>,
        mut incoming: mpsc::Receiver<(SocketAddr, Bytes)>,
    ) {
        let mut buffer = vec![0; LARGEST];
        let socket = self.socket.clone();
        loop {
            let far = Instant::now() + Duration::from_secs(3_600);
            let next = self.on_the_way.peek().map_or(far, |Reverse(next)| next.at);
            tokio::select! {
                order = orders.recv() => match order {
                    None => return,
                    Some(order) => self.obey(order),
                },
                received = socket.recv_from(&mut buffer) => {
                    // An ICMP error of an earlier datagram: that client is gone.
                    let Ok((length, client)) = received else { continue };
                    self.take_in(client, Bytes::copy_from_slice(&buffer[..length])).await;
                }
                Some((client, bytes)) = incoming.recv() => self.put(Direction::Down, client, bytes),
                () = sleep_until(next) => self.deliver().await,
            }
        }
    }

    fn obey(&mut self, order: Order) {
        match order {
            Order::Set { up, down } => {
                self.up = up.unwrap_or(self.up);
                self.down = down.unwrap_or(self.down);
                for client in self.clients.values_mut() {
                    if let Some(up) = up {
                        client.up.set(up);
                    }
                    if let Some(down) = down {
                        client.down.set(down);
                    }
                }
            }
            Order::Count(answer) => {
                // Whoever asked may have stopped waiting.
                let _ = answer.send(self.traffic);
            }
        }
    }

    async fn take_in(&mut self, client: SocketAddr, bytes: Bytes) {
        if !self.clients.contains_key(&client) {
            if self.clients.len() >= CLIENTS {
                return;
            }
            match self.welcome().await {
                Ok(new) => {
                    self.readers
                        .spawn(read(new.socket.clone(), client, self.from_server.clone()));
                    self.clients.insert(client, new);
                }
                Err(error) => {
                    tracing::warn!(%error, "the relay has no socket for another client");
                    return;
                }
            }
        }
        self.put(Direction::Up, client, bytes);
    }

    async fn welcome(&self) -> Result<Client, std::io::Error> {
        let any: IpAddr = match self.server {
            SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let socket = UdpSocket::bind((any, 0)).await?;
        socket.connect(self.server).await?;
        let seed = self.seed.wrapping_add(2 * self.clients.len() as u64);
        Ok(Client {
            up: Wire::new(self.up, seed),
            down: Wire::new(self.down, seed.wrapping_add(1)),
            socket: Arc::new(socket),
        })
    }

    /// Puts a datagram on its line.
    fn put(&mut self, direction: Direction, client: SocketAddr, bytes: Bytes) {
        let Some(line) = self.clients.get_mut(&client) else {
            return;
        };
        let (wire, sent, lost) = match direction {
            Direction::Up => (
                &mut line.up,
                &mut self.traffic.up,
                &mut self.traffic.up_lost,
            ),
            Direction::Down => (
                &mut line.down,
                &mut self.traffic.down,
                &mut self.traffic.down_lost,
            ),
        };
        *sent += 1;
        let mut arrives = false;
        for at in wire.send(std::time::Instant::now(), bytes.len()) {
            if self.on_the_way.len() >= ON_THE_WAY {
                break;
            }
            arrives = true;
            self.order += 1;
            self.on_the_way.push(Reverse(OnTheWay {
                at: at.into(),
                order: self.order,
                direction,
                client,
                bytes: bytes.clone(),
            }));
        }
        if !arrives {
            *lost += 1;
        }
    }

    /// Sends whatever has arrived by now.
    async fn deliver(&mut self) {
        let now = Instant::now();
        while let Some(Reverse(next)) = self.on_the_way.peek()
            && next.at <= now
            && let Some(Reverse(datagram)) = self.on_the_way.pop()
        {
            let Some(client) = self.clients.get(&datagram.client) else {
                continue;
            };
            // What the kernel refuses is lost, as on any line.
            let _ = match datagram.direction {
                Direction::Up => client.socket.send(&datagram.bytes).await,
                Direction::Down => {
                    let to = datagram.client;
                    self.socket.send_to(&datagram.bytes, to).await
                }
            };
        }
    }
}

/// Takes in what the server sends to one client, until the relay ends.
async fn read(socket: Arc<UdpSocket>, client: SocketAddr, to: mpsc::Sender<(SocketAddr, Bytes)>) {
    let mut buffer = vec![0; LARGEST];
    loop {
        match socket.recv(&mut buffer).await {
            Ok(length) => {
                let bytes = Bytes::copy_from_slice(&buffer[..length]);
                if to.send((client, bytes)).await.is_err() {
                    return;
                }
            }
            // The server is not there (ICMP): it may come back, and must not make this loop spin.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> SocketAddr {
        let server = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; LARGEST];
            while let Ok((length, from)) = server.recv_from(&mut buffer).await {
                let _ = server.send_to(&buffer[..length], from).await;
            }
        });
        address
    }

    async fn relay(conditions: Conditions) -> Relay {
        let any = "127.0.0.1:0".parse().unwrap();
        Relay::start(any, echo().await, 1, conditions, conditions)
            .await
            .unwrap()
    }

    /// Sends `count` datagrams and says how many came back within `wait` of the last.
    async fn round_trips(relay: &Relay, count: u32, wait: Duration) -> u32 {
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(relay.address()).await.unwrap();
        let mut back = 0;
        let mut buffer = [0; 64];
        for number in 0..count {
            client.send(&number.to_be_bytes()).await.unwrap();
            let pause = Duration::from_millis(1);
            while let Ok(Ok(_)) = tokio::time::timeout(pause, client.recv(&mut buffer)).await {
                back += 1;
            }
        }
        while let Ok(Ok(_)) = tokio::time::timeout(wait, client.recv(&mut buffer)).await {
            back += 1;
        }
        back
    }

    #[tokio::test]
    async fn datagrams_come_back_to_the_client_that_sent_them() {
        let relay = relay(Conditions::default()).await;
        let wait = Duration::from_millis(300);
        let (one, other) =
            tokio::join!(round_trips(&relay, 50, wait), round_trips(&relay, 80, wait));
        assert_eq!((one, other), (50, 80));
        let traffic = relay.handle().traffic().await.unwrap();
        let expected = Traffic {
            up: 130,
            down: 130,
            ..Traffic::default()
        };
        assert_eq!(traffic, expected);
    }

    #[tokio::test]
    async fn a_cut_is_a_cut_until_it_is_mended() {
        let relay = relay(Conditions::default()).await;
        let wait = Duration::from_millis(300);
        let cut = Conditions {
            cut: true,
            ..Conditions::default()
        };
        relay.handle().set(Some(cut), None).await.unwrap();
        assert_eq!(round_trips(&relay, 20, wait).await, 0);
        relay
            .handle()
            .set(Some(Conditions::default()), None)
            .await
            .unwrap();
        assert_eq!(round_trips(&relay, 20, wait).await, 20);
    }

    #[tokio::test]
    async fn delay_and_loss_are_those_asked_for() {
        let relay = relay(Conditions {
            loss: 0.5,
            delay_ms: 40,
            ..Conditions::default()
        })
        .await;
        let began = Instant::now();
        let back = round_trips(&relay, 200, Duration::from_millis(400)).await;
        // Half of a half: the seed's own number, the same each time.
        let traffic = relay.handle().traffic().await.unwrap();
        assert_eq!(u64::from(back), traffic.down - traffic.down_lost);
        assert!((30..=70).contains(&back), "{back}");
        assert!(began.elapsed() >= Duration::from_millis(80));
    }
}
