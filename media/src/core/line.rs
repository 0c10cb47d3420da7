//! What is known of one client's line, and how its bandwidth estimator is led.

use super::session::Session;
use crate::{Shown, TrackKey};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use str0m::bwe::Bitrate;

/// The estimator always looks for so much, in bit/s: three people in large pictures. A line of
/// which only that is known which is sent now would keep back for seconds whoever joins next.
const AMPLE_BPS: u64 = 2_500_000;

/// How long the probes take that a wish starts: the estimator waits a second for what one found, and
/// may then send the next (`ProbeController` of libwebrtc).
const PROBES: Duration = Duration::from_millis(1_500);

/// What is known of a client's line, and what its page does.
#[derive(Debug, Default)]
pub(super) struct Line {
    /// What the line carries to the client; nothing while nobody measured it.
    pub(super) estimate_bps: Option<u64>,
    /// What the line is believed to carry.
    pub(super) believed_bps: Option<u64>,
    /// What would be sent if the line carried it.
    pub(super) wished_bps: u64,
    /// What the estimator was told to look for.
    told_bps: u64,
    /// Until when the probes that this started may be under way.
    probed_until: Option<Instant>,
    /// The next look for more than the line was found to carry; nothing while it carries all that
    /// is wished.
    pub(super) look: Option<Look>,
    /// Whether it carries sound alone.
    pub(super) sound_only: bool,
    /// No larger layer before this moment: one was given up just now.
    pub(super) hold_until: Option<Instant>,
    /// When the estimator last began anew.
    pub(super) anew_at: Option<Instant>,
    /// What the page does with each picture.
    pub(super) shown: HashMap<TrackKey, Shown>,
}

/// When to look whether a line carries more.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    at: Instant,
    /// To the one after it.
    pause: Duration,
    /// What the line carried at the last look.
    found_bps: u64,
    /// Looks that found nothing.
    fruitless: u32,
}

impl Line {
    /// Whether the estimator may be probing the line.
    pub(super) fn is_probed(&self, now: Instant) -> bool {
        self.probed_until.is_some_and(|until| now < until)
    }

    /// Whether it has room for voices that are sent twice (RED). Below this rate the second copy
    /// of three voices would take the place of a picture, or of a first copy.
    pub(super) fn carries_twofold_sound(&self) -> bool {
        const FROM_BPS: u64 = 500_000;

        self.believed_bps.is_none_or(|bps| bps >= FROM_BPS)
    }

    /// What the line is believed to carry while `present_bps` are being sent. An estimate that
    /// falls while hardly anything is sent says little about the line: the page may have been
    /// hidden for a while. It is believed when it comes near to what is sent.
    pub(super) fn believed_bps(&mut self, present_bps: u64) -> Option<u64> {
        let estimate = self.estimate_bps?;
        let believed = self.believed_bps.unwrap_or(estimate);
        if estimate >= believed || estimate < present_bps * 3 / 2 {
            self.believed_bps = Some(estimate);
        }
        self.believed_bps
    }
}

impl Session {
    /// Lets the bandwidth estimator begin anew from what is known to arrive.
    pub(super) fn estimate_anew(&mut self, bps: u64) {
        self.line.estimate_bps = Some(bps);
        self.estimator().reset(Bitrate::from(bps));
    }

    /// Tells the bandwidth estimator what would be sent if the line carried it, so that it looks
    /// for that much.
    pub(super) fn wish_for(&mut self, bps: u64, now: Instant) {
        let bps = bps.max(AMPLE_BPS);
        // A changed wish may start a probe, which costs bandwidth: small changes do not matter.
        let told = self.line.told_bps;
        if bps.abs_diff(told) * 10 > told {
            self.line.told_bps = bps;
            self.line.probed_until = Some(now + PROBES);
            self.estimator()
                .set_bitrate(Bitrate::ZERO, Bitrate::from(bps));
        }
    }

    /// Looks again whether the line carries more, if it is time. The estimator probes when a wish
    /// grows: so it is made small, and told again by the next [`wish_for`](Self::wish_for).
    pub(super) fn look_for_more(&mut self, now: Instant) {
        /// A line that has become better is noticed in this time.
        const SHORTEST: Duration = Duration::from_secs(1);
        /// A line that stays narrow is not disturbed more often.
        const LONGEST: Duration = Duration::from_secs(8);

        /// After so many looks that found nothing the estimator begins anew: it may take the line
        /// for overused for as long as it does not send more, and does not send more for as long.
        const FRUITLESS: u32 = 2;

        let estimate = self.line.estimate_bps.unwrap_or_default();
        let look = self.line.look.unwrap_or(Look {
            at: now + SHORTEST,
            pause: SHORTEST,
            found_bps: estimate,
            fruitless: 0,
        });
        if now < look.at {
            self.line.look = Some(look);
            return;
        }
        // A probe finds at most twice of what was known: where one found something, the next may
        // find more.
        let found = estimate > look.found_bps * 6 / 5;
        let fruitless = if found { 0 } else { look.fruitless + 1 };
        let pause = if found { SHORTEST } else { look.pause };
        self.line.look = Some(Look {
            at: now + pause,
            pause: (pause * 3 / 2).min(LONGEST),
            found_bps: estimate,
            fruitless: fruitless % (FRUITLESS + 1),
        });
        self.line.told_bps = 0;
        self.estimator().set_bitrate(Bitrate::ZERO, Bitrate::ZERO);
        if fruitless > FRUITLESS {
            self.estimate_anew(estimate);
        }
    }
}
