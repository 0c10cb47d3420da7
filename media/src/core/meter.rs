//! Figures of one client's line, gathered from the WebRTC stack.

use super::Core;
use super::egress::Egress;
use super::slot::Slot;
use crate::{
    DirectionReport, Event, Layer, LineReport, MAX_LAYERS, PictureReport, SessionId, TrackKind,
};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use str0m::stats::{MediaIngressStats, PeerStats};

/// How often lines are reported.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(2);
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
    /// Packets of the client's tracks that were dropped in this interval.
    pub(super) over_bitrate: u64,
    report: Option<(DirectionReport, DirectionReport)>,
}

type Key = (str0m::media::Mid, Option<str0m::media::Rid>);

#[derive(Debug, Clone, Copy, Default)]
struct TrackFigures {
    counts: Counts,
    jitter: Option<Duration>,
    loss: Option<f32>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    nacks: u64,
    plis: u64,
}

impl Meter {
    /// The figures of the whole line: what the stack received, and what was sent without it.
    pub(super) fn peer(&mut self, stats: &PeerStats, egress: &mut Egress, slots: &[Slot]) {
        let seconds = self
            .at
            .map(|at| stats.timestamp.saturating_duration_since(at).as_secs_f64())
            .filter(|seconds| *seconds > 0.0);
        let bps = |now: u64, before: u64| {
            seconds.map_or(0, |seconds| {
                (now.saturating_sub(before) as f64 * 8.0 / seconds) as u64
            })
        };
        self.round_trip = egress
            .round_trip
            .or(egress.estimator.round_trip())
            .or(stats.rtt)
            .or(self.round_trip);
        let up = direction(
            bps(stats.peer_bytes_rx, self.bytes_up),
            stats.ingress_loss_fraction,
            &mut self.counts_up,
            self.tracks_up.values().copied(),
        );
        let (lost, all) = egress.estimator.take_losses();
        let bytes_down = stats.peer_bytes_tx + egress.bytes;
        let down = direction(
            bps(bytes_down, self.bytes_down),
            (all > 0).then(|| lost as f32 / all as f32),
            &mut self.counts_down,
            slots.iter().map(|slot| {
                let heard = slot.outgoing.heard;
                TrackFigures {
                    counts: Counts {
                        nacks: heard.nacks,
                        plis: heard.plis,
                    },
                    jitter: heard.jitter,
                    loss: heard.loss,
                }
            }),
        );
        self.bytes_up = stats.peer_bytes_rx;
        self.bytes_down = bytes_down;
        self.at = Some(stats.timestamp);
        self.report = Some((up, down));
    }

    /// The figures of what the client sends on one section.
    pub(super) fn up(&mut self, stats: &MediaIngressStats, kind: TrackKind) {
        let micros = u64::from(stats.jitter) * 1_000_000 / u64::from(kind.clock_rate_hz());
        let figures = TrackFigures {
            counts: Counts {
                nacks: stats.nacks,
                plis: stats.plis,
            },
            jitter: Some(Duration::from_micros(micros)),
            loss: stats.loss,
        };
        self.tracks_up.insert((stats.mid, stats.rid), figures);
    }
}

fn direction(
    bitrate_bps: u64,
    loss: Option<f32>,
    before: &mut Counts,
    tracks: impl Iterator<Item = TrackFigures> + Clone,
) -> DirectionReport {
    let now = Counts {
        nacks: tracks.clone().map(|track| track.counts.nacks).sum(),
        plis: tracks.clone().map(|track| track.counts.plis).sum(),
    };
    let before = std::mem::replace(before, now);
    // Transport-wide feedback does not tell of what was lost between two reports, which on a line
    // that hardly lets anything through is nearly everything; receiver reports do.
    let loss = tracks
        .clone()
        .filter_map(|track| track.loss)
        .chain(loss)
        .max_by(f32::total_cmp);
    DirectionReport {
        bitrate_bps,
        loss_permille: loss.map(|loss| (loss.clamp(0.0, 1.0) * 1_000.0).round() as u16),
        jitter: tracks.filter_map(|track| track.jitter).max(),
        nacks: now.nacks.saturating_sub(before.nacks),
        plis: now.plis.saturating_sub(before.plis),
    }
}

impl Core {
    /// Tells what a line looked like.
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
            estimate_bps: session.egress.estimate_bps(),
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
        self.outputs.tell(Event::Line(report));
    }
}
