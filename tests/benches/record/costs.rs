//! What the recorder has cost.

use crate::Outcome;
use nix::time::{ClockId, clock_gettime};
use std::fs;
use std::time::{Duration, Instant};

/// At one moment, or between two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Costs {
    at: Instant,
    passed: Duration,
    /// Processor time of the recorder's threads and the muxing process.
    time: Duration,
}

/// What one round has shown.
#[derive(Debug)]
pub(crate) struct Measured {
    /// Milliseconds of processor time for a second of a track.
    pub(crate) per_track_ms: f64,
    /// Of the recorder and the muxing process.
    pub(crate) threads: usize,
    pub(crate) memory_mib: f64,
    pub(crate) chunks: u64,
}

impl Costs {
    /// Seen from the thread that makes the packets, whose own time does not count.
    pub(crate) fn now() -> Outcome<Self> {
        let all = Duration::from(clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID)?);
        let own = Duration::from(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?);
        let muxing = fs::read_to_string(format!("/proc/{}/schedstat", child()?))?;
        let nanos = muxing.split_whitespace().next().ok_or("an odd schedstat")?;
        Ok(Self {
            at: Instant::now(),
            passed: Duration::ZERO,
            time: all.saturating_sub(own) + Duration::from_nanos(nanos.parse()?),
        })
    }

    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            at: self.at,
            passed: self.at.duration_since(before.at),
            time: self.time - before.time,
        }
    }
}

impl Measured {
    pub(crate) fn of(costs: Costs, tracks: u64, refused: u64, chunks: u64) -> Outcome<Self> {
        if refused > 0 {
            return Err(format!("the recorder did not take {refused} packets").into());
        }
        let seconds = costs.passed.as_secs_f64() * tracks as f64;
        let child = child()?;
        let own = fs::read_dir("/proc/self/task")?.count();
        // Not the one that makes packets, nor the reader of events.
        let threads = own - 2 + fs::read_dir(format!("/proc/{child}/task"))?.count();
        let memory_mib = memory_mib("self")? + memory_mib(&child)?;
        Ok(Self {
            per_track_ms: costs.time.as_secs_f64() * 1_000.0 / seconds,
            threads,
            memory_mib,
            chunks,
        })
    }
}

/// The muxing process.
fn child() -> Outcome<String> {
    for task in fs::read_dir("/proc/self/task")? {
        let children = fs::read_to_string(task?.path().join("children"))?;
        if let Some(child) = children.split_whitespace().next() {
            return Ok(child.to_owned());
        }
    }
    Err("there is no muxing process".into())
}

fn memory_mib(process: &str) -> Outcome<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let kib: f64 = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|value| value.split_whitespace().next())
        .ok_or("no VmRSS in /proc/PID/status")?
        .parse()?;
    Ok(kib / 1_024.0)
}
