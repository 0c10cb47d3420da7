//! The load process: all publishers and receivers on one thread.

use crate::Outcome;
use crate::client::{Client, ReceiveBuffers};
use crate::sender::Sender;
use crate::tally::{Delivery, Tally};
use mio::{Events, Interest, Poll, Token};
use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// Which client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ClientId(usize);

/// All clients, and the loop that drives them.
pub(crate) struct Load {
    ip: IpAddr,
    glue: bool,
    poll: Poll,
    events: Events,
    buffers: ReceiveBuffers,
    clients: Vec<Client>,
    /// When each client is looked at next, in `deadlines`.
    scheduled: Vec<Option<Instant>>,
    deadlines: BTreeSet<(Instant, ClientId)>,
    tally: Tally,
}

impl Load {
    /// `ip` is an address of this machine at which the clients have their sockets; `glue` as in
    /// [`Client::new`].
    pub(crate) fn new(ip: IpAddr, glue: bool) -> Outcome<Self> {
        Ok(Self {
            ip,
            glue,
            poll: Poll::new()?,
            events: Events::with_capacity(1_024),
            buffers: ReceiveBuffers::default(),
            clients: Vec::new(),
            scheduled: Vec::new(),
            deadlines: BTreeSet::new(),
            tally: Tally::default(),
        })
    }

    /// Makes a client and lets `negotiate` exchange SDP for it.
    pub(crate) fn add(
        &mut self,
        negotiate: impl FnOnce(&mut Client) -> Outcome<()>,
    ) -> Outcome<ClientId> {
        let mut client = Client::new(self.ip, self.glue, Instant::now())?;
        negotiate(&mut client)?;
        let id = ClientId(self.clients.len());
        self.poll
            .registry()
            .register(&mut client.socket, Token(id.0), Interest::READABLE)?;
        self.clients.push(client);
        self.scheduled.push(None);
        self.drive(id, Instant::now())?;
        Ok(id)
    }

    /// Runs until `clients` are connected.
    pub(crate) fn connect(&mut self, clients: &[ClientId]) -> Outcome<()> {
        /// DTLS of OpenSSL repeats a lost flight after 1 s, then after 2.
        const PATIENCE: Duration = Duration::from_secs(20);

        let until = Instant::now() + PATIENCE;
        while !clients.iter().all(|id| self.clients[id.0].connected) {
            if Instant::now() > until {
                let missing = clients.iter().filter(|id| !self.clients[id.0].connected);
                return Err(format!("{} clients did not connect", missing.count()).into());
            }
            self.step(Instant::now() + Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Runs for `time`.
    pub(crate) fn run(&mut self, time: Duration) -> Outcome<()> {
        let until = Instant::now() + time;
        while Instant::now() < until {
            self.step(until)?;
        }
        Ok(())
    }

    /// Runs until each of `clients` got a packet of media.
    pub(crate) fn hear(&mut self, clients: &[ClientId]) -> Outcome<()> {
        const PATIENCE: Duration = Duration::from_secs(10);

        let until = Instant::now() + PATIENCE;
        while clients.iter().any(|id| self.clients[id.0].received == 0) {
            if Instant::now() > until {
                return Err("some receivers get nothing".into());
            }
            self.step(Instant::now() + Duration::from_millis(10))?;
        }
        Ok(())
    }

    /// Runs for `time` and counts what arrives, each publisher having `receivers`. `at_end` is
    /// called when the time is over, before the last packets are waited for.
    pub(crate) fn measure<T>(
        &mut self,
        time: Duration,
        receivers: usize,
        at_end: impl FnOnce() -> T,
    ) -> Outcome<(Delivery, T)> {
        /// For what is on its way, and for repairs.
        const AFTERWARDS: Duration = Duration::from_millis(500);

        let from = self.next_numbers();
        self.tally.start(from);
        self.take_missing();
        self.run(time)?;
        let ended = at_end();
        let until = self.next_numbers();
        for client in &mut self.clients {
            client.sender = None;
        }
        self.run(AFTERWARDS)?;
        let lost = self.take_missing();
        Ok((self.tally.finish(&until, receivers, lost), ended))
    }

    fn take_missing(&mut self) -> u64 {
        self.clients.iter_mut().map(Client::take_missing).sum()
    }

    fn next_numbers(&self) -> Vec<u64> {
        let senders = self
            .clients
            .iter()
            .filter_map(|client| client.sender.as_ref());
        senders.map(Sender::next_number).collect()
    }

    /// Drives what is due and takes in what has come, waiting for it at most until `until`.
    fn step(&mut self, until: Instant) -> Outcome<()> {
        let next = self
            .deadlines
            .first()
            .map_or(until, |(at, _)| until.min(*at));
        let wait = next.saturating_duration_since(Instant::now());
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(error) if error.kind() != std::io::ErrorKind::Interrupted => {
                return Err(error.into());
            }
            _ => {}
        }
        let readable: Vec<ClientId> = self
            .events
            .iter()
            .map(|event| ClientId(event.token().0))
            .collect();
        // Packets that are due go out first: what arrived has its time from the kernel.
        let now = Instant::now();
        while let Some((at, id)) = self.deadlines.first().copied()
            && at <= now
        {
            self.deadlines.pop_first();
            self.scheduled[id.0] = None;
            self.drive(id, now)?;
        }
        for id in readable {
            self.clients[id.0].receive(&mut self.buffers, &mut self.tally)?;
            self.schedule(id);
        }
        Ok(())
    }

    fn drive(&mut self, id: ClientId, now: Instant) -> Outcome<()> {
        self.clients[id.0].drive(now, &mut self.tally)?;
        self.schedule(id);
        Ok(())
    }

    /// A deadline that moved later is left where it stands: looking too early is harmless.
    fn schedule(&mut self, id: ClientId) {
        let at = self.clients[id.0].next_at();
        if let Some(scheduled) = self.scheduled[id.0] {
            if scheduled <= at {
                return;
            }
            self.deadlines.remove(&(scheduled, id));
        }
        self.scheduled[id.0] = Some(at);
        self.deadlines.insert((at, id));
    }
}
