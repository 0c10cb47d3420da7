//! One thread that drives a [`Core`](crate::Core): one UDP socket, and TCP at the same port number.

mod driver;
mod figures;
mod load;
mod outbox;
mod socket;
mod tcp;

use crate::{
    Command, Event, Graph, MediaError, MediaLimits, Offer, RecordedPacket, RoomId, SessionId,
    Shown, TrackKey,
};
use driver::{Driver, Ends, Request};
use figures::Figures;
use socket::MediaSocket;
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use tcp::MediaListener;
use tokio::sync::{mpsc, oneshot};

pub use figures::{FORWARDING_BOUNDS, ForwardingTimes, ShardFigures};

/// Where a shard listens and what it bears.
#[derive(Debug, Clone)]
pub struct ShardConfig {
    /// The address of the UDP socket and of the TCP listener. Port 0 takes one that is free for
    /// both. `[::]` listens on IPv4 too.
    pub bind: SocketAddr,
    /// The addresses at which clients reach the sockets, at their own port; each becomes a UDP and
    /// a TCP candidate of every answer. At least one.
    pub advertised: Vec<IpAddr>,
    /// What the shard bears.
    pub limits: MediaLimits,
}

/// What comes out of a shard. **Both must be read all the time**, or events wait and recorded
/// packets are dropped. They end when the shard has ended, or its thread has panicked: see
/// [`ShardHandle::shutdown`].
#[derive(Debug)]
pub struct ShardOutputs {
    /// In the order in which things happened.
    pub events: mpsc::Receiver<Event>,
    /// Packets of the tracks that a graph connects to [`Sink::Recorder`](crate::Sink::Recorder).
    pub recorded: mpsc::Receiver<RecordedPacket>,
}

/// Starts shards.
#[derive(Debug)]
pub struct Shard;

impl Shard {
    /// Binds the sockets and starts the thread.
    ///
    /// # Errors
    /// If there is nothing to advertise, the addresses cannot be bound or the thread not started.
    pub fn spawn(config: ShardConfig) -> Result<(ShardHandle, ShardOutputs), MediaError> {
        let (socket, listener) = bind(config.bind).map_err(MediaError::Start)?;
        Self::start(config, socket, Some(listener))
    }

    /// As [`spawn`](Self::spawn), for when somebody else listens at the TCP port and hands over
    /// the connections by [`ShardHandle::adopt`].
    ///
    /// # Errors
    /// As [`spawn`](Self::spawn).
    pub fn spawn_without_listener(
        config: ShardConfig,
    ) -> Result<(ShardHandle, ShardOutputs), MediaError> {
        let socket = MediaSocket::bind(config.bind).map_err(MediaError::Start)?;
        Self::start(config, socket, None)
    }

    fn start(
        config: ShardConfig,
        socket: MediaSocket,
        listener: Option<MediaListener>,
    ) -> Result<(ShardHandle, ShardOutputs), MediaError> {
        if config.advertised.is_empty() {
            return Err(MediaError::NoAddress);
        }
        let limits = config.limits;
        let local_addr = socket.local_addr();
        let candidates: Vec<SocketAddr> = config
            .advertised
            .iter()
            .map(|ip| SocketAddr::new(*ip, local_addr.port()))
            .collect();
        let (requests, inbox) = mpsc::channel(limits.commands);
        let (events_in, events) = mpsc::channel(limits.events);
        let (recorded_in, recorded) = mpsc::channel(limits.recorded);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(MediaError::Start)?;
        let figures = Arc::new(Figures::default());
        let ends = Ends {
            inbox,
            events: events_in,
            recorded: recorded_in,
            figures: Arc::clone(&figures),
        };
        let run = move || {
            ended(|| {
                runtime.block_on(async {
                    Driver::new(socket, listener, candidates, limits, ends)?
                        .run()
                        .await
                })
            })
        };
        let thread = std::thread::Builder::new()
            .name("media-shard".to_owned())
            .spawn(run)
            .map_err(MediaError::Start)?;
        let handle = ShardHandle {
            requests,
            local_addr,
            figures,
            thread: Arc::new(Mutex::new(Some(thread))),
        };
        Ok((handle, ShardOutputs { events, recorded }))
    }
}

/// Both at one port number. A port that is free for UDP may be taken for TCP: then another one is
/// tried, if any will do.
fn bind(address: SocketAddr) -> io::Result<(MediaSocket, MediaListener)> {
    const ATTEMPTS: usize = 16;

    let mut attempt = 1;
    loop {
        let socket = MediaSocket::bind(address)?;
        match MediaListener::bind(socket.local_addr()) {
            Ok(listener) => return Ok((socket, listener)),
            Err(error)
                if error.kind() == io::ErrorKind::AddrInUse
                    && address.port() == 0
                    && attempt < ATTEMPTS =>
            {
                attempt += 1;
            }
            Err(error) => return Err(error),
        }
    }
}

/// How a shard's thread ended: a panic is logged and told, and ends no other thread.
fn ended(run: impl FnOnce() -> Result<(), MediaError>) -> Result<(), MediaError> {
    match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => {
            tracing::error!(
                error = &error as &dyn std::error::Error,
                "media shard stopped"
            );
            Err(error)
        }
        Err(_) => {
            tracing::error!("media shard panicked");
            Err(MediaError::Panicked)
        }
    }
}

/// Which of the advertised addresses a packet was sent to, by what this machine knows of it.
fn advertised_for(
    candidates: &[SocketAddr],
    local_ip: Option<IpAddr>,
    source: SocketAddr,
) -> Option<SocketAddr> {
    candidates
        .iter()
        .find(|candidate| Some(candidate.ip()) == local_ip)
        // Behind a NAT, packets come to an address that is not advertised.
        .or_else(|| {
            candidates
                .iter()
                .find(|candidate| candidate.is_ipv4() == source.is_ipv4())
        })
        .copied()
}

/// Ends with the reason if it was not told to.
type ShardThread = JoinHandle<Result<(), MediaError>>;

/// How the rest of the program talks to a shard. Clones talk to the same one.
#[derive(Debug, Clone)]
pub struct ShardHandle {
    requests: mpsc::Sender<Request>,
    local_addr: SocketAddr,
    figures: Arc<Figures>,
    /// Taken by whoever joins it.
    thread: Arc<Mutex<Option<ShardThread>>>,
}

impl ShardHandle {
    /// The address of the UDP socket and of the TCP listener, with their port.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.local_addr
    }

    /// What the shard has done so far.
    #[must_use]
    pub fn figures(&self) -> ShardFigures {
        self.figures.read()
    }

    /// Answers a client's offer with SDP; see [`Core::offer`](crate::Core::offer).
    ///
    /// # Errors
    /// As [`Core::offer`](crate::Core::offer), or if the shard has ended.
    pub async fn offer(&self, offer: Offer) -> Result<String, MediaError> {
        let (answer, answered) = oneshot::channel();
        self.requests
            .send(Request::Offer { offer, answer })
            .await
            .map_err(|_| MediaError::Stopped)?;
        answered.await.map_err(|_| MediaError::Stopped)?
    }

    /// Replaces the graph of a room. Commands and offers take effect in the order in which they
    /// were given.
    ///
    /// # Errors
    /// [`MediaError::Busy`] if too many commands wait, [`MediaError::Stopped`].
    pub fn set_graph(&self, room: RoomId, graph: Graph) -> Result<(), MediaError> {
        self.command(Command::SetGraph { room, graph })
    }

    /// Takes a TCP connection that a client has opened to the advertised port, with nothing read
    /// from it yet.
    ///
    /// # Errors
    /// [`MediaError::Busy`] if too many commands wait, [`MediaError::Stopped`]. The connection is
    /// then closed.
    pub fn adopt(&self, connection: TcpStream) -> Result<(), MediaError> {
        self.request(Request::Adopt(connection))
    }

    /// Ends a session.
    ///
    /// # Errors
    /// [`MediaError::Busy`] if too many commands wait, [`MediaError::Stopped`].
    pub fn close_session(&self, session: SessionId) -> Result<(), MediaError> {
        self.command(Command::CloseSession(session))
    }

    /// Ends all sessions of a room and forgets its graph.
    ///
    /// # Errors
    /// [`MediaError::Busy`] if too many commands wait, [`MediaError::Stopped`].
    pub fn close_room(&self, room: RoomId) -> Result<(), MediaError> {
        self.command(Command::CloseRoom(room))
    }

    /// Says what the page of a client does with each picture; see [`Command::SetShown`].
    ///
    /// # Errors
    /// [`MediaError::Busy`] if too many commands wait, [`MediaError::Stopped`].
    pub fn set_shown(
        &self,
        session: SessionId,
        shown: HashMap<TrackKey, Shown>,
    ) -> Result<(), MediaError> {
        self.command(Command::SetShown { session, shown })
    }

    /// Asks the sender of a picture for a key frame.
    ///
    /// # Errors
    /// [`MediaError::Busy`] if too many commands wait, [`MediaError::Stopped`].
    pub fn request_keyframe(&self, track: TrackKey) -> Result<(), MediaError> {
        self.command(Command::RequestKeyframe(track))
    }

    fn command(&self, command: Command) -> Result<(), MediaError> {
        self.request(Request::Command(command))
    }

    fn request(&self, request: Request) -> Result<(), MediaError> {
        self.requests
            .try_send(request)
            .map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => MediaError::Busy,
                mpsc::error::TrySendError::Closed(_) => MediaError::Stopped,
            })
    }

    /// Ends all sessions, telling their clients, and waits for the thread. Once only: further
    /// calls return at once.
    ///
    /// # Errors
    /// Why the thread had ended before, if it had: [`MediaError::Panicked`] or what its socket
    /// said.
    pub async fn shutdown(&self) -> Result<(), MediaError> {
        // A thread that has ended takes no request, and that is what is wanted.
        let _ = self.requests.send(Request::Shutdown).await;
        let thread = self
            .thread
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(thread) = thread else {
            return Ok(());
        };
        match tokio::task::spawn_blocking(move || thread.join()).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) | Err(_) => Err(MediaError::Panicked),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A shard whose thread does what `run` does.
    fn shard(
        run: impl FnOnce(mpsc::Receiver<Request>) -> Result<(), MediaError> + Send + 'static,
    ) -> ShardHandle {
        let (requests, inbox) = mpsc::channel(1);
        let thread = std::thread::spawn(move || ended(|| run(inbox)));
        ShardHandle {
            requests,
            local_addr: SocketAddr::from(([127, 0, 0, 1], 1)),
            figures: Arc::default(),
            thread: Arc::new(Mutex::new(Some(thread))),
        }
    }

    #[tokio::test]
    async fn a_shard_that_panicked_takes_nothing_more_and_says_why() {
        let shard = shard(|inbox| {
            drop(inbox);
            panic!("a bug")
        });
        let offer = Offer {
            room: RoomId(1),
            session: SessionId(1),
            sdp: String::new(),
            sources: std::collections::BTreeMap::new(),
            comes_back: false,
        };
        assert!(matches!(shard.offer(offer).await, Err(MediaError::Stopped)));
        assert!(matches!(
            shard.close_session(SessionId(1)),
            Err(MediaError::Stopped)
        ));
        assert!(matches!(shard.shutdown().await, Err(MediaError::Panicked)));
    }
}
