//! Can this line carry a hearing?

use super::{
    super::{RehearseError, Trust, door::Door},
    histogram::Histogram,
    traffic::SOUND_BPS,
    verdict::{Checks, Direction, Fault, Verdict},
    visitor::{Interval, Visitor, VisitorConfig},
};
use crate::bad_line::Conditions;
use futures_util::future::{join_all, try_join_all};
use otyrys_media::{Cause, Grade, LineSample, grade};
use otyrys_signaling::wire::ErrorCode;
use reqwest::Url;
use std::time::{Duration, Instant};
use tokio::{
    net::TcpStream,
    time::{sleep, timeout},
};

/// How long a TCP connection may take: two lost first packets.
const TCP: Duration = Duration::from_secs(5);
/// How long a rate is tried, after a time to settle in.
const STEP: Duration = Duration::from_secs(3);
/// Until queues have filled and key frames are through.
const SETTLE: Duration = Duration::from_millis(1_500);
/// Sound only, until a line that was asked for too much has got over it: repairs of what was lost,
/// and key frames, keep it full otherwise.
const RECOVERY: Duration = Duration::from_secs(3);
/// Rates of a picture that are tried on the way to the one of a hearing, in bits a second.
const RATES_BPS: [u64; 3] = [150_000, 300_000, 500_000];
/// So much more than a rate is tried: key frames and repairs need room beside it.
const HEADROOM: f64 = 1.2;
/// A rate is carried as long as no more is lost than twice what sound alone loses, and this. In
/// the seconds of a step the share of few packets swings; what a line cannot carry is lost whole.
const MORE_LOSS: f32 = 0.05;
/// And nothing waits so much longer in a queue: half of what a fair line's round trip may be.
const MORE_DELAY: Duration = Duration::from_millis(150);
/// What a grade is given for.
const INTERVAL: Duration = Duration::from_secs(2);
/// A line is as good as it is in this share of all intervals, or better.
const SHARE: f64 = 0.8;

/// A test of a site's line against a server.
#[derive(Debug, Clone)]
pub struct SiteTest {
    /// The server.
    pub url: Url,
    /// Which server to believe.
    pub trust: Trust,
    /// People of this site in a hearing at once, each with a connection.
    pub people: u32,
    /// Bits a second of each one's picture.
    pub picture_bps: u64,
    /// How long sound and picture are watched, after the rates were tried.
    pub duration: Duration,
    /// A bad line to put between, to see what the test says of it.
    pub bad_line: Option<Conditions>,
    /// The seed of the bad line.
    pub seed: u64,
}

/// What trying the rates came to.
#[derive(Debug, Default)]
struct Tried {
    /// The highest rate of a picture that both directions carried; 0: sound only.
    picture_bps: u64,
    /// Most that a direction carried, of all people together: up, down.
    carried_bps: [u64; 2],
    /// Whether a direction did not carry a rate.
    limited: [bool; 2],
}

impl SiteTest {
    /// Tests the line. What fails is part of the verdict.
    pub async fn run(&self) -> Verdict {
        let mut verdict = Verdict::new(self.url.as_str(), self.people);
        if let Err(fault) = self.test(&mut verdict).await {
            verdict.fault = Some(fault);
        }
        verdict
    }

    async fn test(&self, verdict: &mut Verdict) -> Result<(), Fault> {
        let door = self.knock(&mut verdict.checks).await?;
        let mut visitors = self.enter(&door, &mut verdict.checks).await?;
        let tried = self.try_rates(&mut visitors).await;
        let intervals = self.watch(&mut visitors, tried.picture_bps).await;
        join_all(visitors.into_iter().map(Visitor::leave)).await;

        let mut transit = Histogram::default();
        let (mut sound, mut sent) = (0, 0);
        for interval in intervals.iter().flatten() {
            transit.merge(&interval.passed.transit);
            sound += interval.passed.sound;
            sent += interval.passed.sound_sent;
        }
        verdict.round_trip_ms = transit.percentile(0.5).map(|time| time.as_secs_f64() * 1e3);
        verdict.sound_missing = Some((1.0 - sound as f64 / sent.max(1) as f64).max(0.0));
        let samples: Vec<[LineSample; 2]> = intervals
            .iter()
            .flat_map(|all| (0..all.len()).map(|of| self.samples(all, of, &tried)))
            .collect();
        let direction = |which: usize| {
            let samples: Vec<LineSample> = samples.iter().map(|both| both[which]).collect();
            self.direction(&samples, tried.carried_bps[which], tried.limited[which])
        };
        verdict.conclude(direction(0), direction(1));
        Ok(())
    }

    /// TCP, TLS, and what speaks there.
    async fn knock(&self, checks: &mut Checks) -> Result<Door, Fault> {
        let host = self.url.host_str().ok_or(Fault::Unreachable)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let port = self.url.port_or_known_default().unwrap_or(443);
        let began = Instant::now();
        match timeout(TCP, TcpStream::connect((bare, port))).await {
            Ok(Ok(_)) => checks.tcp_ms = Some(began.elapsed().as_secs_f64() * 1e3),
            Ok(Err(_)) | Err(_) => return Err(Fault::Unreachable),
        }
        let door = Door::new(&self.url, &self.trust).map_err(|_| Fault::Tls)?;
        let began = Instant::now();
        door.about().await.map_err(|error| match error {
            RehearseError::Refused(_) | RehearseError::Protocol(_) => Fault::NotOtyrys,
            _ => Fault::Tls,
        })?;
        checks.https_ms = Some(began.elapsed().as_secs_f64() * 1e3);
        Ok(door)
    }

    async fn enter(&self, door: &Door, checks: &mut Checks) -> Result<Vec<Visitor>, Fault> {
        let fault = |error: RehearseError| match error {
            RehearseError::NoMedia => Fault::NoUdp,
            RehearseError::Refused(ErrorCode::LimitReached) => Fault::Busy,
            RehearseError::Refused(_) => Fault::NoTests,
            _ => Fault::Signalling,
        };
        let test = door.open_line_test().await.map_err(fault)?;
        let bad_line = self.bad_line.map(|line| (line, self.seed));
        let joining = (0..self.people).map(|number| {
            Visitor::join(VisitorConfig::one_of(
                self.people,
                door,
                &test,
                number,
                bad_line,
            ))
        });
        let visitors = try_join_all(joining).await.map_err(fault);
        checks.udp = match &visitors {
            Ok(_) => Some(true),
            Err(Fault::NoUdp) => Some(false),
            Err(_) => None,
        };
        let visitors = visitors?;
        let slowest = visitors.iter().map(|visitor| visitor.connected_in).max();
        checks.media_ms = slowest.map(|time| time.as_secs_f64() * 1e3);
        Ok(visitors)
    }

    /// Raises the rate until a direction does not carry it.
    async fn try_rates(&self, visitors: &mut [Visitor]) -> Tried {
        let mut tried = Tried::default();
        let alone = self.step(visitors, 0).await;
        let smaller = RATES_BPS
            .into_iter()
            .filter(|rate| *rate < self.picture_bps);
        for picture_bps in smaller.chain([self.picture_bps]) {
            let with = self
                .step(visitors, (picture_bps as f64 * HEADROOM) as u64)
                .await;
            let loses = |which: usize| with.loss[which] > 2.0 * alone.loss[which] + MORE_LOSS;
            for which in 0..2 {
                tried.carried_bps[which] = tried.carried_bps[which].max(with.bps[which]);
                // A full queue shows in both directions' round trip; loss says whose it is.
                let waits = with.round_trip > alone.round_trip + MORE_DELAY;
                tried.limited[which] = loses(which) || (waits && !loses(1 - which));
            }
            if tried.limited.contains(&true) {
                break;
            }
            tried.picture_bps = picture_bps;
        }
        tried
    }

    async fn step(&self, visitors: &mut [Visitor], picture_bps: u64) -> Step {
        for visitor in visitors.iter() {
            visitor.show(picture_bps);
        }
        listen(visitors, SETTLE).await;
        for visitor in visitors.iter_mut() {
            visitor.interval();
        }
        listen(visitors, STEP).await;
        let mut step = Step::default();
        let mut transit = Histogram::default();
        let count = visitors.len().max(1) as f32;
        for visitor in visitors.iter_mut() {
            let interval = visitor.interval();
            step.bps[0] += interval.up_bps;
            step.bps[1] += interval.down_bps;
            // No report at all: nothing came through.
            step.loss[0] += interval.up_loss.unwrap_or(1.0) / count;
            step.loss[1] += interval.down_loss.unwrap_or(1.0) / count;
            transit.merge(&interval.passed.transit);
        }
        step.round_trip = transit.percentile(0.5).unwrap_or_default();
        step
    }

    async fn watch(&self, visitors: &mut [Visitor], picture_bps: u64) -> Vec<Vec<Interval>> {
        for rate in [0, picture_bps] {
            for visitor in visitors.iter() {
                visitor.show(rate);
            }
            let settles = if rate == 0 { RECOVERY } else { SETTLE };
            listen(visitors, settles).await;
        }
        for visitor in visitors.iter_mut() {
            visitor.interval();
        }
        let rounds = (self.duration.as_secs_f64() / INTERVAL.as_secs_f64()).ceil() as u32;
        let mut intervals = Vec::new();
        for _ in 0..rounds.max(1) {
            listen(visitors, INTERVAL).await;
            intervals.push(visitors.iter_mut().map(Visitor::interval).collect());
        }
        intervals
    }

    /// Both directions of one of those who were there in an interval.
    fn samples(&self, all: &[Interval], of: usize, tried: &Tried) -> [LineSample; 2] {
        let alone = all.len() == 1;
        let others = || all.iter().enumerate().filter(|(at, _)| alone || *at != of);
        let wanted = self.picture_bps + SOUND_BPS;
        let others_bps = if tried.limited[1] {
            wanted * others().count() as u64
        } else {
            others().map(|(_, other)| other.up_bps).sum()
        };
        // Where only the other direction is too narrow, this one was not asked for more.
        let wanted_up = match tried.limited {
            [false, true] => tried.picture_bps,
            _ => self.picture_bps,
        };
        all[of].samples(wanted_up, others_bps)
    }

    fn direction(&self, samples: &[LineSample], carried_bps: u64, limited: bool) -> Direction {
        let mut grades: Vec<(Grade, Cause)> = samples.iter().map(grade).collect();
        grades.sort_by_key(|(grade, _)| *grade);
        let at = (grades.len() as f64 * SHARE).ceil() as usize;
        let worst = grades.get(at.saturating_sub(1)).copied();
        let (grade, first) = worst.unwrap_or((Grade::Poor, Cause::Silent));
        let of_grade = || grades.iter().filter(|(is, _)| *is == grade);
        let cause = of_grade()
            .map(|(_, cause)| *cause)
            .max_by_key(|cause| of_grade().filter(|(_, other)| other == cause).count())
            // A line that was seen to be too narrow explains what it also loses and delays.
            .map(|cause| match (limited, grade) {
                (true, Grade::Fair | Grade::Poor) => Cause::Bandwidth,
                _ => cause,
            })
            .unwrap_or(first);
        let known: Vec<f32> = samples.iter().filter_map(|sample| sample.loss).collect();
        let loss = known.iter().sum::<f32>() / known.len().max(1) as f32;
        let jitter = samples.iter().filter_map(|sample| sample.jitter).max();
        let seconds = samples.len() as f64 / f64::from(self.people.max(1));
        let bps: u64 = samples.iter().map(|sample| sample.bitrate_bps).sum();
        Direction {
            loss: (!known.is_empty()).then_some(loss),
            jitter_ms: jitter.map(|jitter| jitter.as_secs_f64() * 1e3),
            bitrate_bps: (bps as f64 / seconds.max(1.0)) as u64,
            carried_bps,
            limited,
            freezes: samples.iter().map(|sample| sample.freezes).sum(),
            grade,
            cause,
        }
    }
}

/// What one rate came to, of all visitors: up, down.
#[derive(Debug, Default)]
struct Step {
    bps: [u64; 2],
    loss: [f32; 2],
    round_trip: Duration,
}

/// Lets time pass, reading what the server says.
async fn listen(visitors: &mut [Visitor], time: Duration) {
    let began = Instant::now();
    let reading = join_all(visitors.iter_mut().map(Visitor::listen));
    // All ended: the server has closed them, and what follows is silence.
    let _ = timeout(time, reading).await;
    sleep(time.saturating_sub(began.elapsed())).await;
}
