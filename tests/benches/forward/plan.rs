//! What is measured, in which order, and how often.

use crate::Outcome;
use crate::case::{self, Case, Figures, Method};
use crate::machine;
use crate::report;
use crate::sender::PACKETS_A_SECOND;
use crate::server::Kind;
use clap::Parser;
use std::time::Duration;

/// Measures what it costs to forward a packet.
#[derive(Debug, Parser)]
#[command(name = "bench-forward")]
pub(crate) struct Options {
    /// How often each case is measured; the medians are reported.
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// For how long, each time.
    #[arg(long, default_value_t = 6)]
    seconds: u64,
    /// Receivers take datagrams that were sent in one batch in one piece (GRO), so that the
    /// kernel does not cut the batch up: as with a network card that does it (USO).
    #[arg(long)]
    glue: bool,
    /// Only one server with `rooms` of one publisher and `receivers`, and no comparison: for a
    /// profiler, and for `bench-record`.
    #[arg(long, value_enum)]
    only: Option<Kind>,
    /// With `--only`.
    #[arg(long, default_value_t = 1)]
    rooms: u32,
    /// With `--only`.
    #[arg(long, default_value_t = 100)]
    receivers: u32,
    /// Cargo gives it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

/// Compared with Janus; the second one is the one of the last line.
const COMPARED: [Case; 3] = [
    Case::Fan {
        rooms: 1,
        receivers: 50,
    },
    Case::Fan {
        rooms: 1,
        receivers: 100,
    },
    Case::Everybody { people: 6 },
];
const HEADLINE: usize = 1;

/// Whether the cost of a packet depends on the number of receivers, together with the above.
const FLAT: [Case; 2] = [
    Case::Fan {
        rooms: 1,
        receivers: 10,
    },
    Case::Fan {
        rooms: 1,
        receivers: 200,
    },
];

/// Measures everything and prints it.
pub(crate) fn run(options: &Options) -> Outcome<()> {
    let method = Method {
        time: Duration::from_secs(options.seconds),
        glue: options.glue,
    };
    report::heading(&machine::description()?, options.rounds, method);
    if let Some(kind) = options.only {
        let case = Case::Fan {
            rooms: options.rooms,
            receivers: options.receivers,
        };
        for _ in 0..options.rounds {
            report::run(kind, case, &case::measure(kind, case, method)?);
        }
        return Ok(());
    }
    let compared: Vec<(Kind, Case)> = COMPARED
        .into_iter()
        .flat_map(|case| [(Kind::Otyrys, case), (Kind::Janus, case)])
        .collect();
    let flat = FLAT.into_iter().map(|case| (Kind::Otyrys, case));
    let mut runs: Vec<((Kind, Case), Vec<Figures>)> = compared
        .into_iter()
        .chain(flat)
        .map(|what| (what, Vec::new()))
        .collect();
    for _ in 0..options.rounds {
        for ((kind, case), figures) in &mut runs {
            let measured = case::measure(*kind, *case, method)?;
            report::run(*kind, *case, &measured);
            figures.push(measured);
        }
    }
    let medians: Vec<(Kind, Case, Figures)> = runs
        .into_iter()
        .map(|((kind, case), figures)| (kind, case, report::median(&figures)))
        .collect();
    let cost_us = |kind| {
        medians
            .iter()
            .find(|(measured, case, _)| *measured == kind && *case == COMPARED[HEADLINE])
            .map(|(_, _, figures)| figures.cpu_us)
            .ok_or("the headline was not measured")
    };
    let (ours, janus) = (cost_us(Kind::Otyrys)?, cost_us(Kind::Janus)?);

    let busy = busy_case(ours);
    let at_load = case::measure(Kind::Otyrys, busy, method)?;
    report::run(Kind::Otyrys, busy, &at_load);

    report::table(&medians, (busy, &at_load));
    report::last_line(ours, janus);
    Ok(())
}

/// As many rooms of 50 receivers as take the forwarding thread to 70 % at `cost_us` a packet.
fn busy_case(cost_us: f64) -> Case {
    const RECEIVERS: u32 = 50;
    const LOAD: f64 = 0.7;

    let of_a_room = cost_us * 1e-6 * f64::from(RECEIVERS) * PACKETS_A_SECOND as f64;
    Case::Fan {
        rooms: ((LOAD / of_a_room) as u32).max(1),
        receivers: RECEIVERS,
    }
}
