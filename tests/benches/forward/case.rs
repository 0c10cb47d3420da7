//! One measurement of one server.

use crate::Outcome;
use crate::janus::Janus;
use crate::load::{ClientId, Load};
use crate::machine;
use crate::otyrys::Otyrys;
use crate::process::Process;
use crate::server::{Kind, Publisher, Server};
use crate::tally::Delivery;
use std::fmt;
use std::time::{Duration, Instant};

/// Who sends to whom.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// In each of the rooms one person sends and the others receive.
    Fan { rooms: u32, receivers: u32 },
    /// Everybody sends, and receives everybody else.
    Everybody { people: u32 },
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Fan {
                rooms: 1,
                receivers,
            } => format!("1 -> {receivers}"),
            Self::Fan { rooms, receivers } => format!("{rooms} x (1 -> {receivers})"),
            Self::Everybody { people } => format!("{people} x {people}"),
        };
        f.pad(&name)
    }
}

/// How a case is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Method {
    /// How long.
    pub(crate) time: Duration,
    /// As in [`Client::new`](crate::client::Client::new).
    pub(crate) glue: bool,
}

/// What came out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    /// Time of the server's process for each delivered packet.
    pub(crate) cpu_us: f64,
    /// Of one core.
    pub(crate) server_load: f64,
    /// Of one core, of the load process.
    pub(crate) client_load: f64,
    pub(crate) delivery: Delivery,
    /// Resident memory that a receiver adds.
    pub(crate) memory_bytes: f64,
}

/// Starts the server, brings everybody in, measures, and ends it.
pub(crate) fn measure(kind: Kind, case: Case, method: Method) -> Outcome<Figures> {
    let ip = machine::address()?;
    let mut load = Load::new(ip, method.glue)?;
    match kind {
        Kind::Otyrys => measure_on(&mut Otyrys::start(ip)?, &mut load, case, method),
        Kind::Janus => measure_on(&mut Janus::start()?, &mut load, case, method),
    }
}

fn measure_on(
    server: &mut dyn Server,
    load: &mut Load,
    case: Case,
    method: Method,
) -> Outcome<Figures> {
    /// Until key frames have come and bandwidth estimators know the line.
    const WARM_UP: Duration = Duration::from_secs(4);
    /// For memory that a server takes when it first works.
    const SETTLE: Duration = Duration::from_millis(500);

    let before = server.process().memory()?;
    let (rooms, publishers, receives) = match case {
        Case::Fan { rooms, .. } => (rooms, 1, 0),
        Case::Everybody { people } => (1, people, people as usize - 1),
    };
    let mut clients = Vec::new();
    for room in 0..rooms {
        for publisher in 0..publishers {
            clients.push(server.publish(load, room, room + publisher, receives)?);
            load.run(Duration::from_millis(1))?;
        }
    }
    load.connect(&clients)?;
    load.run(SETTLE)?;

    let (receivers, joined, before) = match case {
        Case::Fan { rooms, receivers } => {
            let with_publishers = server.process().memory()?;
            let joined = fan_out(server, load, rooms, receivers)?;
            (receivers, joined, with_publishers)
        }
        Case::Everybody { people } => (people - 1, join_everybody(server, load, people)?, before),
    };
    load.connect(&joined)?;
    load.hear(&joined)?;
    load.run(WARM_UP)?;

    let started = Instant::now();
    let served = server.process().cpu_time()?;
    let loaded = Process::this().cpu_time()?;
    let (delivery, ended) = load.measure(method.time, receivers as usize, || {
        (
            started.elapsed(),
            server.process().cpu_time(),
            Process::this().cpu_time(),
            server.process().memory(),
        )
    })?;
    let (wall, served_until, loaded_until, after) = ended;
    let served = served_until?.saturating_sub(served).as_secs_f64();
    let loaded = loaded_until?.saturating_sub(loaded).as_secs_f64();
    Ok(Figures {
        cpu_us: served * 1e6 / delivery.delivered as f64,
        server_load: served / wall.as_secs_f64(),
        client_load: loaded / wall.as_secs_f64(),
        delivery,
        memory_bytes: after?.saturating_sub(before) as f64 / joined.len() as f64,
    })
}

fn fan_out(
    server: &mut dyn Server,
    load: &mut Load,
    rooms: u32,
    receivers: u32,
) -> Outcome<Vec<ClientId>> {
    let mut joined = Vec::new();
    for room in 0..rooms {
        for _ in 0..receivers {
            joined.push(server.receive(load, room, None, &[room])?);
            load.run(Duration::from_millis(1))?;
        }
    }
    Ok(joined)
}

fn join_everybody(server: &mut dyn Server, load: &mut Load, people: u32) -> Outcome<Vec<ClientId>> {
    (0..people)
        .map(|own| {
            let feeds: Vec<Publisher> = (0..people).filter(|feed| *feed != own).collect();
            let client = server.receive(load, 0, Some(own), &feeds)?;
            load.run(Duration::from_millis(1))?;
            Ok(client)
        })
        .collect()
}
