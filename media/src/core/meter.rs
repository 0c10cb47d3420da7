//! Figures of one client's line, gathered from the WebRTC stack.

use super::{Core, Output};
use crate::{
    DirectionReport, Event, Layer, LineReport, MAX_LAYERS, PictureReport, SessionId, TrackKind,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use str0m::stats::{MediaEgressStats, MediaIngressStats, PeerStats};

/// How often lines are reported.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(2);
/// Above this loss, in permille, the estimate is no longer believed: a queue that was full from one
/// moment to the next shows no growing delay, which is what the estimator looks for. The estimator
/// begins anew also when it sent nothing any more, by which it could learn that the line is better.
const COLLAPSED_PERMILLE: u16 = 400;
/// The estimator is left alone for so long after it began anew: reports of what was lost before
/// still come in.
const SETTLE: Duration = Duration::from_secs(5);
/// An estimate of nothing would never be corrected: a voice gets through on any line at all.
const LEAST_BPS: u64 = 50_000;

/// The counts of one client, and what they were an interval ago.
#[derive(Debug, Default)]
pub(super) struct Meter {
    at: Option<Instant>,
    bytes_up: u64,
    bytes_down: u64,
    counts_up: Counts,
    counts_down: Counts,
    round_trip: Option<Duration>,
    /// By section and layer, of the interval before: they follow the figures of the whole.
    tracks_up: HashMap<Key, TrackFigures>,
    tracks_down: HashMap<Key, TrackFigures>,
    /// Packets of the client's tracks that were dropped in this interval.
    pub(super) over_bitrate: u64,
    report: Option<(DirectionReport, DirectionReport)>,
}

type Key = (str0m::media::Mid, Option<str0m::media::Rid>);

#[derive(Debug, Clone, Copy, Default)]
struct TrackFigures {
    nacks: u64,
    plis: u64,
    jitter: Option<Duration>,
    loss: Option<f32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    nacks: u64,
    plis: u64,
}

impl Meter {
    /// The figures of the whole line.
    pub(super) fn peer(&mut self, stats: &PeerStats) {
        let seconds = self
            .at
            .map(|at| stats.timestamp.saturating_duration_since(at).as_secs_f64())
            .filter(|seconds| *seconds > 0.0);
        let bps = |now: u64, before: u64| {
            seconds.map_or(0, |seconds| {
                (now.saturating_sub(before) as f64 * 8.0 / seconds) as u64
            })
        };
        self.round_trip = stats.rtt.or(self.round_trip);
        let up = direction(
            bps(stats.peer_bytes_rx, self.bytes_up),
            stats.ingress_loss_fraction,
            &mut self.counts_up,
            &self.tracks_up,
        );
        let down = direction(
            bps(stats.peer_bytes_tx, self.bytes_down),
            stats.egress_loss_fraction,
            &mut self.counts_down,
            &self.tracks_down,
        );
        self.bytes_up = stats.peer_bytes_rx;
        self.bytes_down = stats.peer_bytes_tx;
        self.at = Some(stats.timestamp);
        self.report = Some((up, down));
    }

    /// The figures of what the client sends on one section.
    pub(super) fn up(&mut self, stats: &MediaIngressStats, kind: TrackKind) {
        let figures = TrackFigures {
            nacks: stats.nacks,
            plis: stats.plis,
            jitter: Some(ticks(stats.jitter, kind)),
            loss: stats.loss,
        };
        self.tracks_up.insert((stats.mid, stats.rid), figures);
    }

    /// The figures of what is sent to the client on one section.
    pub(super) fn down(&mut self, stats: &MediaEgressStats, kind: TrackKind) {
        let figures = TrackFigures {
            nacks: stats.nacks,
            plis: stats.plis,
            jitter: stats
                .remote
                .as_ref()
                .map(|remote| ticks(remote.jitter, kind)),
            loss: stats.loss,
        };
        self.tracks_down.insert((stats.mid, stats.rid), figures);
    }
}

fn direction(
    bitrate_bps: u64,
    loss: Option<f32>,
    before: &mut Counts,
    tracks: &HashMap<Key, TrackFigures>,
) -> DirectionReport {
    let now = Counts {
        nacks: tracks.values().map(|track| track.nacks).sum(),
        plis: tracks.values().map(|track| track.plis).sum(),
    };
    let before = std::mem::replace(before, now);
    // Transport-wide feedback does not tell of what was lost between two reports, which on a line
    // that hardly lets anything through is nearly everything; receiver reports do.
    let loss = tracks
        .values()
        .filter_map(|track| track.loss)
        .chain(loss)
        .max_by(f32::total_cmp);
    DirectionReport {
        bitrate_bps,
        loss_permille: loss.map(|loss| (loss.clamp(0.0, 1.0) * 1_000.0).round() as u16),
        jitter: tracks.values().filter_map(|track| track.jitter).max(),
        nacks: now.nacks.saturating_sub(before.nacks),
        plis: now.plis.saturating_sub(before.plis),
    }
}

fn ticks(jitter: u32, kind: TrackKind) -> Duration {
    let micros = u64::from(jitter) * 1_000_000 / u64::from(kind.clock_rate_hz());
    Duration::from_micros(micros)
}

impl Core {
    /// Tells what a line looked like, and draws the conclusion that the estimator cannot.
    pub(super) fn report(&mut self, id: SessionId) {
        let now = self.now;
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let Some((up, down)) = session.meter.report.take() else {
            return;
        };
        let report = LineReport {
            session: id,
            round_trip: session.meter.round_trip,
            up,
            down,
            estimate_bps: session.line.estimate_bps,
            wanted_bps: session.line.wished_bps,
            over_bitrate: std::mem::take(&mut session.meter.over_bitrate),
            sound_only: session.line.sound_only,
            pictures: session
                .slots
                .iter()
                .filter(|slot| slot.kind == TrackKind::Video)
                .filter_map(|slot| {
                    Some(PictureReport {
                        track: slot.track()?,
                        layer: slot.layer(),
                    })
                })
                .collect(),
            sent: session
                .tracks
                .iter()
                .filter(|(source, track)| source.kind() == TrackKind::Video && track.flowing)
                .map(|(source, track)| {
                    let largest = Layer::at(MAX_LAYERS - 1);
                    (*source, track.encodings.best(now).up_to(largest))
                })
                .collect(),
        };
        if let Some(estimate) = session.line.estimate_bps
            && session
                .line
                .anew_at
                .is_none_or(|at| now.saturating_duration_since(at) >= SETTLE)
        {
            let loss = down.loss_permille.unwrap_or_default();
            let arrives = down.bitrate_bps * u64::from(1_000_u16.saturating_sub(loss)) / 1_000;
            let collapsed = loss >= COLLAPSED_PERMILLE && arrives < estimate;
            let starved = session.line.sound_only && down.bitrate_bps < LEAST_BPS / 2;
            if collapsed || starved {
                session.line.anew_at = Some(now);
                session.line.believed_bps = None;
                session.estimate_anew(arrives.max(LEAST_BPS));
                let room = session.room;
                self.allocate_room(room);
            }
        }
        self.outputs.push_back(Output::Event(Event::Line(report)));
    }
}
