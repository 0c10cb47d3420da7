//! Looks whether a line carries more: for a moment more is sent than what is to be sent.

use super::cluster::{Cluster, Found, LENGTH_US};
use super::rate::{LEAST_BPS, MOST_BPS};

/// A look is not made longer than so many times for packets that arrive in batches.
const LONGEST_TIMES: u64 = 4;
/// After so long nothing is told any more of a look's packets.
const TOLD_WITHIN_US: u64 = 1_000_000;
/// While a line was never filled, the next look is for so many times the estimate.
const FIRST_TIMES: u64 = 3;
/// Afterwards, for so many times.
const TIMES: u64 = 2;
/// It is for no more than this of what is wished: a little less is measured than is looked for.
const WISHED_PERCENT: u64 = 115;
/// After a look that found nothing the next one waits so long.
const SHORTEST_PAUSE_US: u64 = 1_000_000;
/// And longer each time, up to this.
const LONGEST_PAUSE_US: u64 = 8_000_000;
/// A look that could not be judged is repeated after this; after twice as long the next time.
const AGAIN_US: u64 = 200_000;
/// An estimate must have grown to so much for a look to have found something, in percent.
const FOUND_PERCENT: u64 = 110;

#[derive(Debug)]
enum State {
    Idle,
    Sending(Cluster),
    /// All is sent; until this moment it is awaited what feedback tells.
    Awaiting(Cluster, u64),
}

/// When to look for more, and what came of it.
#[derive(Debug)]
pub(super) struct Probe {
    state: State,
    /// Of the next look.
    next_us: u64,
    pause_us: u64,
    /// To the next look after one of which nothing was learnt.
    again_us: u64,
    times: u64,
    length_us: u64,
    /// The estimate before looks in succession found more, and when the last of them did.
    series: Option<(u64, u64)>,
    /// The wish since which looks are counted.
    wish_bps: u64,
    /// When the line was last found to carry no more.
    fruitless_us: Option<u64>,
}

impl Probe {
    /// Nothing was looked for.
    pub(super) fn new() -> Self {
        Self {
            state: State::Idle,
            next_us: 0,
            pause_us: SHORTEST_PAUSE_US,
            again_us: AGAIN_US,
            times: FIRST_TIMES,
            length_us: LENGTH_US,
            series: None,
            wish_bps: 0,
            fruitless_us: None,
        }
    }

    /// What is wished changed.
    pub(super) fn wish(&mut self, bps: u64, now_us: u64) {
        if bps / 11 > self.wish_bps / 10 {
            let earliest = self.fruitless_us.map_or(0, |at| at + SHORTEST_PAUSE_US);
            self.next_us = self.next_us.min(now_us.max(earliest));
            self.pause_us = SHORTEST_PAUSE_US;
            self.wish_bps = bps;
        }
        self.wish_bps = self.wish_bps.min(bps);
    }

    /// The line was found to carry less: no look for a while, and none goes on.
    pub(super) fn put_off(&mut self, now_us: u64) {
        self.state = State::Idle;
        self.series = None;
        self.times = TIMES;
        self.fruitless_us = Some(now_us);
        self.next_us = self.next_us.max(now_us + self.pause_us);
    }

    /// The line may carry more again: looks begin anew.
    pub(super) fn anew(&mut self, now_us: u64) {
        self.state = State::Idle;
        self.series = None;
        self.times = FIRST_TIMES;
        self.length_us = LENGTH_US;
        self.pause_us = SHORTEST_PAUSE_US;
        self.next_us = now_us;
    }

    /// Looks for more if it is time to.
    pub(super) fn begin(&mut self, estimate_bps: u64, wish_bps: u64, now_us: u64) {
        if !matches!(self.state, State::Idle) || now_us < self.next_us {
            return;
        }
        let most = wish_bps.min(MOST_BPS) * WISHED_PERCENT / 100;
        let target_bps = (estimate_bps * self.times)
            .min(most)
            .clamp(LEAST_BPS, MOST_BPS);
        self.state = State::Sending(Cluster::new(target_bps, self.length_us, now_us));
    }

    /// No look can begin now.
    pub(super) fn wait(&mut self, now_us: u64) {
        self.next_us = self.next_us.max(now_us + AGAIN_US);
    }

    /// Nothing is to be sent for a look.
    pub(super) fn stop(&mut self, now_us: u64) {
        if let State::Sending(_) = self.state {
            self.state = State::Idle;
            self.wait(now_us);
        }
    }

    /// A packet left.
    pub(super) fn sent(&mut self, number: u64, bytes: u16, now_us: u64) {
        if let State::Sending(cluster) = &mut self.state {
            cluster.sent(number, u64::from(bytes));
            if cluster.is_sent(now_us) {
                self.state = State::Awaiting(*cluster, now_us + TOLD_WITHIN_US);
            }
        }
    }

    /// Octets of padding to send now.
    pub(super) fn padding(&mut self, now_us: u64) -> usize {
        match &mut self.state {
            State::Sending(cluster) if !cluster.is_late(now_us) => {
                return cluster.padding(now_us);
            }
            State::Awaiting(_, until_us) if now_us < *until_us => {}
            State::Sending(_) | State::Awaiting(..) => self.repeat(now_us),
            State::Idle => {}
        }
        0
    }

    /// Nothing was learnt of a look.
    fn repeat(&mut self, now_us: u64) {
        self.state = State::Idle;
        self.next_us = now_us + self.again_us;
        self.again_us = (self.again_us * 2).min(LONGEST_PAUSE_US);
    }

    /// When to ask for padding again. Of the next look only if one can begin.
    pub(super) fn deadline_us(&self, can_begin: bool) -> Option<u64> {
        match &self.state {
            State::Idle => can_begin.then_some(self.next_us),
            State::Sending(cluster) => Some(cluster.tick_us()),
            State::Awaiting(_, until_us) => Some(*until_us),
        }
    }

    /// Feedback told of a packet.
    pub(super) fn told(&mut self, number: u64, bytes: u16, sent_us: u64, arrival_us: Option<i64>) {
        if let State::Sending(cluster) | State::Awaiting(cluster, _) = &mut self.state {
            cluster.told(number, u64::from(bytes), sent_us, arrival_us);
        }
    }

    /// The estimate that follows, in bit/s, if a look is over and taught anything.
    pub(super) fn result(&mut self, present_bps: u64, now_us: u64) -> Option<u64> {
        let State::Awaiting(cluster, _) = &self.state else {
            return None;
        };
        if !cluster.is_told() {
            return None;
        }
        let first_bps = match self.series {
            Some((bps, at_us)) if now_us.saturating_sub(at_us) < SHORTEST_PAUSE_US => bps,
            _ => present_bps,
        };
        let (estimate_bps, pause_us) = match cluster.found() {
            Found::Carried(bps) => (bps.max(present_bps), 0),
            // What the looks just before seemed to find, a line that was not yet full did not hold.
            Found::Filled(bps) => {
                self.times = TIMES;
                (bps.max(first_bps), AGAIN_US)
            }
            Found::Batches => {
                self.length_us = (self.length_us * 2).min(LENGTH_US * LONGEST_TIMES);
                self.repeat(now_us);
                return None;
            }
            Found::Nothing => {
                self.repeat(now_us);
                return None;
            }
        };
        self.state = State::Idle;
        self.again_us = AGAIN_US;
        if estimate_bps * 100 > present_bps * FOUND_PERCENT {
            self.series = Some((first_bps, now_us));
            self.next_us = now_us + pause_us;
            self.pause_us = SHORTEST_PAUSE_US;
        } else {
            self.series = None;
            self.times = TIMES;
            self.fruitless_us = Some(now_us);
            self.next_us = now_us + self.pause_us;
            self.pause_us = (self.pause_us * 5 / 4).min(LONGEST_PAUSE_US);
        }
        Some(estimate_bps)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WISH_BPS: u64 = 10_000_000;

    /// The packets of a look, of 500 octets: their numbers and when they were sent.
    struct Look {
        estimate_bps: u64,
        packets: Vec<(u64, u64)>,
    }

    impl Look {
        fn ended_us(&self) -> u64 {
            self.packets.last().map_or(0, |packet| packet.1)
        }
    }

    fn look(probe: &mut Probe, estimate_bps: u64, now_us: u64) -> Look {
        let mut packets = Vec::new();
        probe.begin(estimate_bps, WISH_BPS, now_us);
        while let State::Sending(cluster) = &probe.state {
            let at_us = cluster.tick_us();
            for _ in 0..probe.padding(at_us).div_ceil(500) {
                let number = at_us * 100 + packets.len() as u64;
                probe.sent(number, 500, at_us);
                packets.push((number, at_us));
            }
        }
        Look {
            estimate_bps,
            packets,
        }
    }

    /// What follows when the line lets through so much, and loses every `lost`th packet.
    fn result(probe: &mut Probe, look: &Look, line_bps: u64, lost: usize) -> Option<u64> {
        let mut free_us = 0;
        for (index, (number, sent_us)) in look.packets.iter().enumerate() {
            let early = probe.result(look.estimate_bps, *sent_us);
            assert_eq!(early, None, "not all is told of");
            let arrived = (index + 1) % lost != 0;
            if arrived {
                free_us = free_us.max(*sent_us) + 4_000_000_000 / line_bps;
            }
            probe.told(*number, 500, *sent_us, arrived.then_some(free_us as i64));
        }
        probe.result(look.estimate_bps, look.ended_us())
    }

    fn about(bps: Option<u64>, expected_bps: u64) -> bool {
        bps.is_some_and(|bps| bps.abs_diff(expected_bps) * 10 <= expected_bps)
    }

    #[test]
    fn looks_go_on_at_once_while_they_find_more() {
        let mut probe = Probe::new();
        let sent = look(&mut probe, 600_000, 0);
        let found = result(&mut probe, &sent, 100_000_000, 1_000);
        assert_eq!(found, Some(1_800_000));
        let sent = look(&mut probe, 1_800_000, 100_000);
        assert_eq!(sent.packets[0].1, 100_000);
        let found = result(&mut probe, &sent, 100_000_000, 1_000);
        assert_eq!(found, Some(5_400_000));
        let sent = look(&mut probe, 5_400_000, 200_000);
        let found = result(&mut probe, &sent, 100_000_000, 1_000);
        assert_eq!(found, Some(11_500_000), "a little more than is wished");
    }

    #[test]
    fn a_line_that_was_filled_is_measured_and_left_alone_for_longer_and_longer() {
        let mut probe = Probe::new();
        let sent = look(&mut probe, 600_000, 0);
        let found = result(&mut probe, &sent, 1_000_000, 1_000);
        assert!(about(found, 950_000), "{found:?}");
        let mut now_us = 1_000_000;
        for pause_us in [1_000_000, 1_250_000, 1_562_500] {
            let sent = look(&mut probe, 950_000, now_us);
            let found = result(&mut probe, &sent, 1_000_000, 1_000);
            assert!(about(found, 950_000), "{found:?}");
            let ended_us = sent.ended_us();
            assert_eq!(probe.deadline_us(true), Some(ended_us + pause_us));
            assert_eq!(
                look(&mut probe, 950_000, ended_us + pause_us - 1).packets,
                []
            );
            now_us = ended_us + pause_us;
        }
    }

    #[test]
    fn what_a_look_seemed_to_find_the_next_one_corrects() {
        let mut probe = Probe::new();
        let sent = look(&mut probe, 600_000, 0);
        assert_eq!(
            result(&mut probe, &sent, 100_000_000, 1_000),
            Some(1_800_000)
        );
        let sent = look(&mut probe, 1_800_000, 100_000);
        let found = result(&mut probe, &sent, 1_000_000, 1_000);
        assert!(about(found, 950_000), "{found:?}");
        // Later looks do not: their packets may have met others.
        let sent = look(&mut probe, 1_800_000, 3_000_000);
        let found = result(&mut probe, &sent, 1_000_000, 1_000);
        assert_eq!(found, Some(1_800_000));
    }

    #[test]
    fn of_what_is_lost_nothing_is_counted() {
        let mut probe = Probe::new();
        let sent = look(&mut probe, 600_000, 0);
        let found = result(&mut probe, &sent, 100_000_000, 3);
        assert!(found.is_some_and(|bps| bps < 1_300_000), "{found:?}");
        let mut probe = Probe::new();
        let sent = look(&mut probe, 600_000, 0);
        assert_eq!(result(&mut probe, &sent, 100_000_000, 1), None);
    }

    #[test]
    fn packets_that_come_in_batches_make_the_next_look_longer() {
        let mut probe = Probe::new();
        let sent = look(&mut probe, 600_000, 0);
        for (number, sent_us) in &sent.packets {
            probe.told(*number, 500, *sent_us, Some(70_000));
        }
        assert_eq!(probe.result(600_000, 100_000), None);
        let longer = look(&mut probe, 600_000, 100_000 + AGAIN_US);
        assert!(longer.packets.len() >= sent.packets.len() * 2 - 2);
        let found = result(&mut probe, &longer, 100_000_000, 1_000);
        assert_eq!(found, Some(1_800_000));
    }

    #[test]
    fn media_that_is_sent_anyway_needs_no_padding() {
        let mut probe = Probe::new();
        probe.begin(600_000, WISH_BPS, 0);
        probe.sent(1, 1_200, 0);
        assert_eq!(probe.padding(0), 0);
        probe.sent(2, 1_200, 5_000);
        assert_eq!(probe.padding(5_000), 0);
        assert!(probe.padding(20_000) > 0);
    }

    #[test]
    fn a_look_of_which_nothing_is_told_is_repeated_more_and_more_seldom() {
        let mut probe = Probe::new();
        let mut now_us = 0;
        for pause_us in [200_000, 400_000, 800_000] {
            look(&mut probe, 600_000, now_us);
            let ends_us = probe.deadline_us(true).expect("it is awaited");
            assert_eq!(probe.padding(ends_us), 0);
            assert_eq!(probe.deadline_us(true), Some(ends_us + pause_us));
            now_us = ends_us + pause_us;
        }
    }

    #[test]
    fn a_look_that_its_sender_held_up_is_given_up() {
        let mut probe = Probe::new();
        probe.begin(600_000, WISH_BPS, 0);
        assert!(probe.padding(0) > 0);
        assert_eq!(probe.padding(1_000_000), 0);
        assert_eq!(probe.deadline_us(false), None);
    }
}
