//! `make bench-record`: what it costs to record a track.
//!
//! The recorder of `otyrys serve`, with its muxing process, gets the packets of 10, 100 and 600
//! tracks at the real time: half of them voices, half of them pictures. Counted is the processor
//! time of its threads and of the muxing process; not the making of the packets, and no disk: the
//! chunks are thrown away. What a packet costs to forward to one receiver is given with
//! `--forward-us`, measured in the same run by bench-forward. The last line is
//! `record: cpu_per_track_10=X cpu_per_track_600=Y threads=T rss_mb=M`, in milliseconds of
//! processor time for a second of a track.

#![expect(clippy::print_stdout, reason = "a program whose output is its report")]

mod costs;
mod traffic;

use clap::Parser;
use costs::{Costs, Measured};
use otyrys_media::recorder::{
    ChunkSink, ChunkWriter, FeedId, Recorder, RecorderConfig, RecorderProgram, SegmentKey,
    run_recorder_process,
};
use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use traffic::{PACKETS_A_SECOND, Traffic};

/// What ends a bench: there is nothing that it could do about any of it but say so.
type Outcome<T> = Result<T, Box<dyn Error>>;

/// What the bench calls its own program with.
const MUXING: &str = "muxing";

/// Measures what it costs to record a track.
#[derive(Debug, Parser)]
#[command(name = "bench-record")]
struct Options {
    /// How often each case is measured; the medians are reported.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// For how long, each time.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Microseconds of processor time that a packet costs on this machine that is forwarded to one
    /// receiver: where few tracks are forwarded, and where many are.
    #[arg(long, num_args = 2, value_names = ["FEW", "MANY"])]
    forward_us: Vec<f64>,
    /// Cargo gives it to every bench.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> Outcome<()> {
    if std::env::args().nth(1).as_deref() == Some(MUXING) {
        return Ok(run_recorder_process()?);
    }
    let options = Options::parse();
    let length = Duration::from_secs(options.seconds);
    let mut of = Vec::new();
    println!("tracks  ms/s for a track  us for a packet  threads  MiB  chunks");
    for tracks in [10, 100, 600] {
        let mut rounds = Vec::new();
        for _ in 0..options.rounds.max(1) {
            rounds.push(measure(tracks, length)?);
        }
        rounds.sort_by(|one, other| one.per_track_ms.total_cmp(&other.per_track_ms));
        let median = rounds.swap_remove(rounds.len() / 2);
        println!(
            "{tracks:6}  {:16.3}  {:15.2}  {:7}  {:3.0}  {:6}",
            median.per_track_ms,
            per_packet_us(median.per_track_ms),
            median.threads,
            median.memory_mib,
            median.chunks
        );
        of.push(median);
    }
    let [few, _, many] = of.as_slice() else {
        return Err("a case is missing".into());
    };
    if let [few_us, many_us] = options.forward_us.as_slice() {
        println!(
            "of forwarding to one receiver: {:.0} % at 10 tracks ({few_us:.1} us for a packet), \
             {:.0} % at 600 ({many_us:.1} us)",
            100.0 * per_packet_us(few.per_track_ms) / few_us,
            100.0 * per_packet_us(many.per_track_ms) / many_us
        );
    }
    println!(
        "record: cpu_per_track_10={:.3} cpu_per_track_600={:.3} threads={} rss_mb={:.0}",
        few.per_track_ms, many.per_track_ms, many.threads, many.memory_mib
    );
    Ok(())
}

fn per_packet_us(per_track_ms: f64) -> f64 {
    per_track_ms * 1_000.0 / PACKETS_A_SECOND
}

fn measure(tracks: u64, length: Duration) -> Outcome<Measured> {
    let sink = Arc::new(Nowhere::default());
    let config = RecorderConfig::new(RecorderProgram::this(&[MUXING]));
    let (recorder, mut events) = Recorder::spawn(config, Arc::clone(&sink) as Arc<_>)?;
    let reader = std::thread::spawn(move || while events.blocking_recv().is_some() {});
    let traffic = Traffic::start(recorder.handle(), tracks)?;
    // Files are opened, and the order of packets is settled.
    let warm = traffic.run(Duration::from_secs(2))?;
    let before = (Costs::now()?, sink.chunks.load(Ordering::Relaxed));
    let made = warm.run(length)?;
    let costs = Costs::now()?.since(&before.0);
    let chunks = sink.chunks.load(Ordering::Relaxed) - before.1;
    let measured = Measured::of(costs, tracks, made.refused(), chunks)?;
    made.stop()?;
    recorder.shutdown();
    reader.join().map_err(|_| "the reader of events failed")?;
    Ok(measured)
}

/// A disk that costs nothing.
#[derive(Debug, Default)]
struct Nowhere {
    chunks: Arc<AtomicU64>,
}

struct Counting(Arc<AtomicU64>);

impl ChunkSink for Nowhere {
    fn open(&self, feed: FeedId, _: u64) -> io::Result<(SegmentKey, Box<dyn ChunkWriter>)> {
        let writer = Counting(Arc::clone(&self.chunks));
        Ok((SegmentKey(feed.0.into()), Box::new(writer)))
    }
}

impl ChunkWriter for Counting {
    fn append(&mut self, _: &[u8], _: u64) -> io::Result<()> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }

    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}
