//! Somebody who watches a judge with a camera of three layers, and what of it arrives.

use crate::client::Got;
use crate::world::{World, edge, track};
use otyrys_media::{Command, MediaLimits, SessionId, Shown, Source, View};
use std::collections::{HashMap, VecDeque};
use std::time::Duration;

/// A judge with a camera of three layers, a microphone beside it, and a clerk who watches.
pub(crate) fn watched(seed: u64) -> (World, SessionId, SessionId) {
    watched_within(seed, MediaLimits::default())
}

/// As [`watched`], within these limits.
pub(crate) fn watched_within(seed: u64, limits: MediaLimits) -> (World, SessionId, SessionId) {
    let mut world = World::with_limits(seed, limits);
    let judge = world.join_simulcast(1);
    let clerk = world.join(2, &[], 1, 1);
    let now = world.now;
    world.client(judge).start(Source::Camera, now);
    world.client(judge).start(Source::Microphone, now);
    world.connect(&[
        edge(judge, Source::Microphone, clerk),
        edge(judge, Source::Camera, clerk),
    ]);
    (world, judge, clerk)
}

/// What a client got in the last `ms`, of each layer, in pictures of the whole.
pub(crate) fn layers_seen(world: &World, id: SessionId, ms: u64) -> [usize; 3] {
    let since = world.now - Duration::from_millis(ms);
    let mut seen = [0; 3];
    let mut last = None;
    for got in &world.clients[&id].got {
        if got.picture_id.is_some() && got.at >= since && last != Some(got.timestamp) {
            last = Some(got.timestamp);
            seen[got.layer] += 1;
        }
    }
    seen
}

pub(crate) fn show(world: &mut World, session: SessionId, of: SessionId, view: View) {
    let shown = Shown {
        view,
        pinned: false,
    };
    world.command(Command::SetShown {
        session,
        shown: HashMap::from([(track(of, Source::Camera), shown)]),
    });
}

/// Packets of somebody's voice that a client got so far.
pub(crate) fn sound_of(world: &World, id: SessionId, of: SessionId) -> usize {
    world.clients[&id]
        .got
        .iter()
        .filter(|got| got.from == of && got.picture_id.is_none())
        .count()
}

/// No number left out or sent twice, no clock that runs back, no picture id that jumps.
pub(crate) fn assert_one_stream(got: &[Got]) {
    let mut sorted: VecDeque<&Got> = got.iter().filter(|got| got.picture_id.is_some()).collect();
    sorted.make_contiguous().sort_by_key(|got| got.seq);
    for (a, b) in sorted.iter().zip(sorted.iter().skip(1)) {
        assert_eq!(b.seq, a.seq + 1, "from layer {} to {}", a.layer, b.layer);
        let step = b.timestamp.wrapping_sub(a.timestamp);
        let pause = b.at.saturating_duration_since(a.at).as_millis() as u32 * 90;
        assert!(step < pause + 90_000 / 2, "the clock moved by {step} ticks");
        let ids = [a, b].map(|got| got.picture_id.expect("VP8"));
        assert!(
            ids[1] == ids[0] || ids[1] == (ids[0] + 1) & 0x7fff,
            "pictures {ids:?}"
        );
        assert!(
            a.layer == b.layer || b.keyframe,
            "layer {} begins without a key frame",
            b.layer
        );
    }
}
