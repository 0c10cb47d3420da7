//! Load: so many line tests at once, to find a server's limits.

use super::{
    super::{RehearseError, Trust},
    histogram::Histogram,
    traffic::SOUND_BPS,
    visitor::{Interval, Visitor, VisitorConfig, open},
};
use crate::bad_line::Conditions;
use futures_util::{StreamExt, stream};
use otyrys_media::{Grade, grade};
use reqwest::Url;
use serde::Serialize;
use std::{collections::BTreeMap, fmt, time::Duration};
use tokio::{task::JoinSet, time::sleep};

/// Visitors that join at the same time.
const AT_ONCE: usize = 16;
/// How long everybody may settle before anything is counted: key frames, jitter's mean.
const SETTLE: Duration = Duration::from_secs(3);
/// What a grade is given for.
const INTERVAL: Duration = Duration::from_secs(2);

/// What to load a server with.
#[derive(Debug, Clone)]
pub struct LoadTest {
    /// The server. It must allow as many line tests (`media.line_tests`).
    pub url: Url,
    /// Which server to believe.
    pub trust: Trust,
    /// Hearings at once.
    pub hearings: u32,
    /// People in each, who all send.
    pub people: u32,
    /// Bits a second of each one's picture; 0: sound only.
    pub picture_bps: u64,
    /// How long.
    pub duration: Duration,
    /// A bad line for everybody.
    pub bad_line: Option<Conditions>,
    /// The seed of the bad lines.
    pub seed: u64,
    /// A process on this machine whose CPU time is reported, too: the server.
    pub server_pid: Option<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct LoadReport {
    /// Who was there.
    pub visitors: usize,
    /// Who could not join.
    pub refused: usize,
    /// Packets of other visitors that came, all together in a second.
    pub delivered_per_second: f64,
    /// Bits a second of payload that all received together.
    pub delivered_bps: u64,
    /// Share lost on the way to the server.
    pub up_loss: f64,
    /// Share lost on the way from the server.
    pub down_loss: f64,
    /// Share of the sound that was sent and did not come.
    pub sound_missing: f64,
    /// From sender to receiver, through the server: the half, in milliseconds.
    pub latency_p50_ms: f64,
    /// 99 of 100.
    pub latency_p99_ms: f64,
    /// Freezes of a picture, for each receiver and minute.
    pub freezes_per_minute: f64,
    /// How many 2 s of somebody's direction had which grade.
    pub grades: BTreeMap<&'static str, u64>,
    /// Processor cores that this load kept busy.
    pub load_cores: Option<f64>,
    /// Processor cores that the server kept busy.
    pub server_cores: Option<f64>,
    /// Of the server, for each packet delivered, in microseconds.
    pub server_us_per_packet: Option<f64>,
}

impl fmt::Display for LoadReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores =
            |cores: Option<f64>| cores.map_or("not known".to_owned(), |c| format!("{c:.2}"));
        writeln!(
            f,
            "visitors                {} ({} could not join)",
            self.visitors, self.refused
        )?;
        writeln!(
            f,
            "delivered               {:.0} packets/s, {:.2} Mbit/s",
            self.delivered_per_second,
            self.delivered_bps as f64 / 1e6
        )?;
        writeln!(
            f,
            "lost                    {:.2} % up, {:.2} % down; {:.2} % of the sound missing",
            self.up_loss * 100.0,
            self.down_loss * 100.0,
            self.sound_missing * 100.0
        )?;
        writeln!(
            f,
            "sender to receiver      p50 {:.1} ms, p99 {:.1} ms",
            self.latency_p50_ms, self.latency_p99_ms
        )?;
        writeln!(
            f,
            "freezes                 {:.2} for each receiver and minute",
            self.freezes_per_minute
        )?;
        writeln!(f, "grades (2 s, each way)  {:?}", self.grades)?;
        writeln!(f, "cores of this load      {}", cores(self.load_cores))?;
        write!(f, "cores of the server     {}", cores(self.server_cores))?;
        if let Some(us) = self.server_us_per_packet {
            write!(f, ", {us:.1} us for each packet delivered")?;
        }
        Ok(())
    }
}

impl LoadTest {
    /// Runs it to its end.
    ///
    /// # Errors
    /// Those of opening a test; visitors who cannot join are counted instead.
    pub async fn run(&self) -> Result<LoadReport, RehearseError> {
        let mut report = LoadReport::default();
        let mut configs = Vec::new();
        for _ in 0..self.hearings {
            let (door, test) = open(&self.url, &self.trust).await?;
            for _ in 0..self.people {
                let number = configs.len() as u32;
                let bad_line = self.bad_line.map(|line| (line, self.seed));
                configs.push(VisitorConfig::one_of(
                    self.people,
                    &door,
                    &test,
                    number,
                    bad_line,
                ));
            }
        }
        let joining = stream::iter(configs.into_iter().map(Visitor::join));
        let joined: Vec<_> = joining.buffer_unordered(AT_ONCE).collect().await;
        let mut visitors = JoinSet::new();
        let cpu = || {
            (
                cores_used(None),
                self.server_pid.map(|pid| cores_used(Some(pid))),
            )
        };
        for visitor in joined {
            match visitor {
                Ok(visitor) => {
                    report.visitors += 1;
                    visitors.spawn(self.clone().watch(visitor));
                }
                Err(error) => {
                    tracing::warn!(%error, "a visitor could not join");
                    report.refused += 1;
                }
            }
        }
        sleep(SETTLE).await;
        let before = cpu();
        sleep(self.duration).await;
        let after = cpu();
        let mut total = Total::default();
        while let Some(intervals) = visitors.join_next().await {
            total.add(
                &intervals.map_err(RehearseError::encoder)?,
                self.picture_bps,
            );
        }
        total.report(&mut report);
        let seconds = self.duration.as_secs_f64();
        report.load_cores = difference(before.0, after.0).map(|used| used / seconds);
        let server = difference(before.1.flatten(), after.1.flatten());
        report.server_cores = server.map(|used| used / seconds);
        let delivered = report.delivered_per_second * seconds;
        report.server_us_per_packet = server
            .filter(|_| delivered > 0.0)
            .map(|used| used * 1e6 / delivered);
        Ok(report)
    }

    async fn watch(self, mut visitor: Visitor) -> Vec<Interval> {
        visitor.show(self.picture_bps);
        let mut intervals = Vec::new();
        let _ = tokio::time::timeout(SETTLE, visitor.listen()).await;
        visitor.interval();
        let rounds = (self.duration.as_secs_f64() / INTERVAL.as_secs_f64()).ceil() as u32;
        for _ in 0..rounds.max(1) {
            if tokio::time::timeout(INTERVAL, visitor.listen())
                .await
                .is_ok()
            {
                // The server ended the line: what follows is silence.
                sleep(INTERVAL).await;
            }
            intervals.push(visitor.interval());
        }
        visitor.leave().await;
        intervals
    }
}

#[derive(Default)]
struct Total {
    receivers: u32,
    seconds: f64,
    packets_per_second: f64,
    down_bps: f64,
    up_loss: Mean,
    down_loss: Mean,
    sound: u64,
    sound_sent: u64,
    transit: Histogram,
    freezes: u64,
    grades: BTreeMap<&'static str, u64>,
}

#[derive(Default)]
struct Mean {
    sum: f64,
    count: u64,
}

impl Mean {
    fn add(&mut self, value: Option<f32>) {
        if let Some(value) = value {
            self.sum += f64::from(value);
            self.count += 1;
        }
    }

    fn value(&self) -> f64 {
        self.sum / self.count.max(1) as f64
    }
}

impl Total {
    fn add(&mut self, intervals: &[Interval], picture_bps: u64) {
        self.receivers += 1;
        let took: f64 = intervals.iter().map(|i| i.took.as_secs_f64()).sum();
        self.seconds = self.seconds.max(took);
        for interval in intervals {
            let passed = &interval.passed;
            self.packets_per_second += passed.packets as f64 / took;
            self.down_bps += interval.down_bps as f64 * interval.took.as_secs_f64() / took;
            self.up_loss.add(interval.up_loss);
            self.down_loss.add(interval.down_loss);
            self.sound += passed.sound;
            self.sound_sent += passed.sound_sent;
            self.transit.merge(&passed.transit);
            self.freezes += u64::from(passed.freezes);
            // What the others' lines lost is not this one's fault: their wish is not asked.
            let [up, mut down] = interval.samples(picture_bps, SOUND_BPS);
            down.wanted_bps = None;
            for sample in [up, down] {
                let grade = match grade(&sample).0 {
                    Grade::Good => "good",
                    Grade::Fair => "fair",
                    Grade::Poor => "poor",
                };
                *self.grades.entry(grade).or_default() += 1;
            }
        }
    }

    fn report(self, report: &mut LoadReport) {
        let ms = |share| {
            let latency = self.transit.percentile(share).unwrap_or_default();
            latency.as_secs_f64() * 1_000.0
        };
        report.delivered_per_second = self.packets_per_second;
        report.delivered_bps = self.down_bps as u64;
        report.up_loss = self.up_loss.value();
        report.down_loss = self.down_loss.value();
        let missing = self.sound_sent.saturating_sub(self.sound);
        report.sound_missing = missing as f64 / self.sound_sent.max(1) as f64;
        report.latency_p50_ms = ms(0.5);
        report.latency_p99_ms = ms(0.99);
        let minutes = self.seconds / 60.0 * f64::from(self.receivers.max(1));
        report.freezes_per_minute = self.freezes as f64 / minutes.max(1e-9);
        report.grades = self.grades;
    }
}

/// Seconds of processor time that a process has used, by Linux' proc(5); this one without a pid.
/// Nothing on other systems.
fn cores_used(pid: Option<u32>) -> Option<f64> {
    /// USER_HZ, which Linux fixes at 100 for user space on all its platforms of today.
    const TICKS_PER_SECOND: f64 = 100.0;
    let path = pid.map_or("/proc/self/stat".to_owned(), |pid| {
        format!("/proc/{pid}/stat")
    });
    let stat = std::fs::read_to_string(path).ok()?;
    // The second field, the name in brackets, may have spaces.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |field: usize| fields.get(field)?.parse::<f64>().ok();
    Some((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn difference(before: Option<f64>, after: Option<f64>) -> Option<f64> {
    Some(after? - before?)
}
