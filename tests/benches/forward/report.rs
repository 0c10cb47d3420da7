//! What the bench prints.

use crate::case::{Case, Figures, Method};
use crate::server::Kind;
use crate::tally::Delivery;
use std::time::Duration;

pub(crate) fn heading(machine: &str, rounds: u32, method: Method) {
    println!("{machine}");
    println!(
        "{rounds} rounds of {} s each; receivers {} batches whole\n",
        method.time.as_secs(),
        if method.glue { "take" } else { "do not take" }
    );
    println!("{COLUMNS}");
}

const COLUMNS: &str = "server  case             us CPU/packet  latency p50   p99 (ms)  MB/receiver     delivered  lost  held back  server and load (of a core)";

/// One measurement, as soon as it is there.
pub(crate) fn run(kind: Kind, case: Case, figures: &Figures) {
    let Figures {
        cpu_us,
        server_load,
        client_load,
        delivery,
        memory_bytes,
    } = figures;
    println!(
        "{:7} {case:16} {cpu_us:13.2}  {:11.2} {:10.2}  {:11.2}  {:12}  {:4}  {:9}  {:.0} % {:.0} %",
        kind.name(),
        milliseconds(delivery.latency_p50),
        milliseconds(delivery.latency_p99),
        memory_bytes / 1e6,
        delivery.delivered,
        delivery.lost,
        delivery.held_back(),
        server_load * 100.0,
        client_load * 100.0,
    );
}

/// The medians, and what was measured once at high load.
pub(crate) fn table(medians: &[(Kind, Case, Figures)], busy: (Case, &Figures)) {
    println!("\nmedians (packets: sums)\n{COLUMNS}");
    for (kind, case, figures) in medians {
        run(*kind, *case, figures);
    }
    println!("at 70 % load, once");
    run(Kind::Otyrys, busy.0, busy.1);
}

pub(crate) fn last_line(ours_us: f64, janus_us: f64) {
    println!(
        "\nforward: ours={ours_us:.2} us janus={janus_us:.2} us ratio={:.3}",
        ours_us / janus_us
    );
}

/// Each figure's median by itself; packets are added up, so that a loss is never out of sight.
pub(crate) fn median(all: &[Figures]) -> Figures {
    let of = |figure: fn(&Figures) -> f64| {
        let mut values: Vec<f64> = all.iter().map(figure).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
    };
    Figures {
        cpu_us: of(|figures| figures.cpu_us),
        server_load: of(|figures| figures.server_load),
        client_load: of(|figures| figures.client_load),
        delivery: Delivery {
            expected: all.iter().map(|figures| figures.delivery.expected).sum(),
            delivered: all.iter().map(|figures| figures.delivery.delivered).sum(),
            lost: all.iter().map(|figures| figures.delivery.lost).sum(),
            latency_p50: seconds(of(|figures| figures.delivery.latency_p50.as_secs_f64())),
            latency_p99: seconds(of(|figures| figures.delivery.latency_p99.as_secs_f64())),
        },
        memory_bytes: of(|figures| figures.memory_bytes),
    }
}

fn seconds(value: f64) -> Duration {
    Duration::try_from_secs_f64(value).unwrap_or_default()
}

fn milliseconds(latency: Duration) -> f64 {
    latency.as_secs_f64() * 1e3
}
