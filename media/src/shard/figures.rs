//! What a shard does, told to operators from outside its thread.

use super::load::Strain;
use crate::{Counters, Load};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Upper bounds of the classes of [`ShardFigures::forwarding`]: around 1 ms and 5 ms, which are the
/// figures to reach for the median and for one packet in a hundred.
pub const FORWARDING_BOUNDS: [Duration; 10] = [
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(200),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(50),
    Duration::from_millis(200),
];

/// Counts of a shard since its start.
#[derive(Debug, Clone, PartialEq)]
pub struct ShardFigures {
    /// Sessions at present.
    pub sessions: u64,
    /// Packets.
    pub counters: Counters,
    /// Datagrams that the network card or the socket did not take.
    pub unsent: u64,
    /// Recorded packets that were dropped because the recorder did not keep up.
    pub unrecorded: u64,
    /// TCP connections that were refused because there were too many.
    pub tcp_refused: u64,
    /// Packets that were dropped because a TCP connection did not take them in time.
    pub tcp_dropped: u64,
    /// How busy the thread is.
    pub load: Load,
    /// The share of the last second, 0 to 1, in which it was at work.
    pub busy: f64,
    /// How long a datagram that came at any moment of that second waited on average until the
    /// thread took it.
    pub wait: Duration,
    /// How long forwarded packets were in the server, from the moment when the thread took the
    /// first of their batch from the socket to the moment when the last had been sent: an upper
    /// bound for each.
    pub forwarding: ForwardingTimes,
}

/// Packets by the time that they were in the server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ForwardingTimes {
    /// Packets in each class of [`FORWARDING_BOUNDS`], not cumulated; the last class has those
    /// above all bounds.
    pub classes: [u64; FORWARDING_BOUNDS.len() + 1],
    /// Of all packets together.
    pub sum: Duration,
}

/// The shared place of the figures: written by the shard's thread, read by anybody.
#[derive(Debug, Default)]
pub(super) struct Figures {
    sessions: AtomicU64,
    datagrams: AtomicU64,
    garbage: AtomicU64,
    over_rate: AtomicU64,
    over_bitrate: AtomicU64,
    forwarded: AtomicU64,
    recorded: AtomicU64,
    failed_sessions: AtomicU64,
    failed_rooms: AtomicU64,
    pub(super) unsent: AtomicU64,
    pub(super) unrecorded: AtomicU64,
    pub(super) tcp_refused: AtomicU64,
    pub(super) tcp_dropped: AtomicU64,
    load: AtomicU64,
    busy_permille: AtomicU64,
    wait_us: AtomicU64,
    classes: [AtomicU64; FORWARDING_BOUNDS.len() + 1],
    sum_ns: AtomicU64,
}

impl Figures {
    /// Shows what the core has counted.
    pub(super) fn count(&self, counters: Counters, sessions: usize) {
        // Each figure stands for itself: no order between them is promised.
        let set = |figure: &AtomicU64, value| figure.store(value, Ordering::Relaxed);
        set(&self.sessions, sessions as u64);
        set(&self.datagrams, counters.datagrams);
        set(&self.garbage, counters.garbage);
        set(&self.over_rate, counters.over_rate);
        set(&self.over_bitrate, counters.over_bitrate);
        set(&self.forwarded, counters.forwarded);
        set(&self.recorded, counters.recorded);
        set(&self.failed_sessions, counters.failed_sessions);
        set(&self.failed_rooms, counters.failed_rooms);
    }

    /// Shows how busy the thread is.
    pub(super) fn strained(&self, load: Load, strain: Strain) {
        let set = |figure: &AtomicU64, value| figure.store(value, Ordering::Relaxed);
        set(&self.load, load as u64);
        set(&self.busy_permille, (strain.busy * 1_000.0) as u64);
        let wait_us = u64::try_from(strain.wait.as_micros()).unwrap_or(u64::MAX);
        set(&self.wait_us, wait_us);
    }

    /// Counts packets that were forwarded within `time`.
    pub(super) fn forwarded_within(&self, time: Duration, packets: u64) {
        let class = FORWARDING_BOUNDS.partition_point(|bound| *bound < time);
        self.classes[class].fetch_add(packets, Ordering::Relaxed);
        let ns = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.sum_ns
            .fetch_add(ns.saturating_mul(packets), Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> ShardFigures {
        let get = |figure: &AtomicU64| figure.load(Ordering::Relaxed);
        ShardFigures {
            sessions: get(&self.sessions),
            counters: Counters {
                datagrams: get(&self.datagrams),
                garbage: get(&self.garbage),
                over_rate: get(&self.over_rate),
                over_bitrate: get(&self.over_bitrate),
                forwarded: get(&self.forwarded),
                recorded: get(&self.recorded),
                failed_sessions: get(&self.failed_sessions),
                failed_rooms: get(&self.failed_rooms),
            },
            unsent: get(&self.unsent),
            unrecorded: get(&self.unrecorded),
            tcp_refused: get(&self.tcp_refused),
            tcp_dropped: get(&self.tcp_dropped),
            load: Load::ALL
                .into_iter()
                .find(|load| *load as u64 == get(&self.load))
                .unwrap_or_default(),
            busy: get(&self.busy_permille) as f64 / 1_000.0,
            wait: Duration::from_micros(get(&self.wait_us)),
            forwarding: ForwardingTimes {
                classes: std::array::from_fn(|class| get(&self.classes[class])),
                sum: Duration::from_nanos(get(&self.sum_ns)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_counted_in_the_class_of_their_time() {
        let figures = Figures::default();
        figures.forwarded_within(Duration::from_millis(1), 3);
        figures.forwarded_within(Duration::from_micros(1_001), 2);
        figures.forwarded_within(Duration::from_secs(1), 1);
        let read = figures.read().forwarding;
        assert_eq!(read.classes, [0, 0, 0, 0, 3, 2, 0, 0, 0, 0, 1]);
        assert_eq!(read.sum, Duration::from_micros(3_000 + 2_002 + 1_000_000));
    }
}
