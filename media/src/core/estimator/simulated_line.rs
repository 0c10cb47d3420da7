//! A line in virtual time, and the client at its end, which answers with feedback.

use std::collections::{BTreeMap, VecDeque};

/// What the world goes forward by.
pub(super) const STEP_US: u64 = 1_000;
/// IPv4 and UDP.
const HEADERS: u64 = 28;
/// The client's clock, whose reference time goes round after three seconds.
const CLOCK_US: u64 = (1 << 24) * 64_000 - 3_000_000;
/// Feedback that is repeated comes so much later.
const REPEATED_US: u64 = 120_000;

/// What a line is like.
#[derive(Clone, Copy)]
pub(super) struct Line {
    pub(super) bps: u64,
    /// What comes to a longer queue is dropped.
    pub(super) queue_ms: u64,
    pub(super) delay_ms: u64,
    /// Up to so much is added to the way of a packet; none overtakes another.
    pub(super) jitter_ms: u64,
    /// Packets arrive at multiples of this.
    pub(super) batch_ms: u64,
    pub(super) loss_percent: u64,
    pub(super) feedback_ms: u64,
    pub(super) feedback_loss_percent: u64,
    /// Feedback begins with the first packet that arrived, and not where the one before it ended.
    pub(super) feedback_leaves_gaps: bool,
    pub(super) feedback_repeats: bool,
    /// Nothing gets through either way.
    pub(super) cut: bool,
}

impl Line {
    pub(super) fn of(bps: u64) -> Self {
        Self {
            bps,
            queue_ms: 300,
            delay_ms: 20,
            jitter_ms: 0,
            batch_ms: 0,
            loss_percent: 0,
            feedback_ms: 50,
            feedback_loss_percent: 0,
            feedback_leaves_gaps: false,
            feedback_repeats: false,
            cut: false,
        }
    }
}

/// Random numbers that are the same for the same seed (SplitMix64).
pub(super) struct Dice(pub(crate) u64);

impl Dice {
    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (x ^ (x >> 31)) % limit.max(1)
    }
}

/// What is on its way.
#[derive(Default)]
pub(super) struct Traffic {
    /// Numbers and octets.
    queue: VecDeque<(u64, u64)>,
    queued: u64,
    /// Bits that the line could carry since a packet last left the queue.
    credit: u64,
    last_arrival_us: u64,
    arrivals: VecDeque<(u64, u64)>,
    /// What the client has not yet told of: numbers and times.
    received: BTreeMap<u64, u64>,
    next_feedback_us: u64,
    next_base: u64,
    feedback_count: u8,
    /// By the time at which it comes.
    feedback: BTreeMap<u64, Vec<u8>>,
}

impl Traffic {
    pub(super) fn queue_ms(&self, line: &Line) -> u64 {
        self.queued * 8_000 / line.bps
    }

    /// A packet leaves the server.
    pub(super) fn send(&mut self, number: u64, bytes: u64, line: &Line, dice: &mut Dice) {
        let lost = dice.below(100) < line.loss_percent;
        if !lost && !line.cut && self.queue_ms(line) <= line.queue_ms {
            self.queue.push_back((number, bytes + HEADERS));
            self.queued += bytes + HEADERS;
        }
    }

    /// What leaves the queue in a step, and what arrives.
    pub(super) fn step(&mut self, now_us: u64, line: &Line, dice: &mut Dice) {
        self.credit += line.bps * STEP_US / 1_000_000;
        while let Some((number, bytes)) = self.queue.front().copied()
            && self.credit >= bytes * 8
        {
            self.queue.pop_front();
            self.queued -= bytes;
            self.credit -= bytes * 8;
            let served_us = STEP_US.saturating_sub(self.credit * 1_000_000 / line.bps);
            let jitter_us = dice.below(line.jitter_ms * 1_000);
            let mut at_us = now_us + served_us + line.delay_ms * 1_000 + jitter_us;
            if line.batch_ms > 0 {
                at_us = at_us.next_multiple_of(line.batch_ms * 1_000);
            }
            self.last_arrival_us = self.last_arrival_us.max(at_us);
            self.arrivals.push_back((self.last_arrival_us, number));
        }
        if self.queue.is_empty() {
            self.credit = 0;
        }
        while let Some((at_us, number)) = self.arrivals.front().copied()
            && at_us <= now_us
        {
            self.arrivals.pop_front();
            self.received.insert(number, at_us + CLOCK_US);
        }
        if now_us >= self.next_feedback_us {
            self.next_feedback_us = now_us + line.feedback_ms * 1_000;
            self.answer(now_us, line, dice);
        }
    }

    /// Feedback that comes now.
    pub(super) fn feedback(&mut self, now_us: u64) -> Option<Vec<u8>> {
        let entry = self.feedback.first_entry()?;
        (*entry.key() <= now_us).then(|| entry.remove())
    }

    fn answer(&mut self, now_us: u64, line: &Line, dice: &mut Dice) {
        let (Some((&first, _)), Some((&last, _))) = (
            self.received.first_key_value(),
            self.received.last_key_value(),
        ) else {
            return;
        };
        let base = if line.feedback_leaves_gaps || self.next_base == 0 {
            first
        } else {
            self.next_base.min(first)
        };
        let fci = encode(base..=last, &self.received, self.feedback_count);
        self.feedback_count = self.feedback_count.wrapping_add(1);
        self.next_base = last + 1;
        self.received.clear();
        if line.cut || dice.below(100) < line.feedback_loss_percent {
            return;
        }
        let at_us = now_us + line.delay_ms * 1_000;
        if line.feedback_repeats {
            self.feedback.insert(at_us + REPEATED_US + 1, fci.clone());
        }
        self.feedback.insert(at_us, fci);
    }
}

/// Feedback on these packets.
fn encode(
    numbers: std::ops::RangeInclusive<u64>,
    received: &BTreeMap<u64, u64>,
    sequence: u8,
) -> Vec<u8> {
    let (base, last) = (*numbers.start(), *numbers.end());
    let count = u16::try_from(last - base + 1).expect("no more than that");
    let reference = received
        .first_key_value()
        .map_or(0, |(_, at_us)| at_us / 64_000);
    let mut fci = (base as u16).to_be_bytes().to_vec();
    fci.extend(count.to_be_bytes());
    fci.extend(&(reference as u32).to_be_bytes()[1..]);
    fci.push(sequence);
    let mut deltas = Vec::new();
    let mut before = reference * 256;
    let mut symbols = Vec::new();
    for number in numbers {
        let Some(at_us) = received.get(&number) else {
            symbols.push(0);
            continue;
        };
        let ticks = at_us / 250;
        let delta = ticks as i64 - before as i64;
        before = ticks;
        if let Ok(small) = u8::try_from(delta) {
            symbols.push(1);
            deltas.push(small);
        } else {
            symbols.push(2);
            let large = i16::try_from(delta).expect("feedback often enough");
            deltas.extend(large.to_be_bytes());
        }
    }
    let mut left = &symbols[..];
    while let Some(first) = left.first() {
        let run = left.iter().take_while(|symbol| *symbol == first).count();
        let told = if run >= 7 {
            let run = run.min(0x1FFF);
            fci.extend((first << 13 | run as u16).to_be_bytes());
            run
        } else {
            let symbol = |index| left.get(index).copied().unwrap_or(0);
            let word = (0..7).fold(0, |word, index| word << 2 | symbol(index));
            fci.extend((0xC000_u16 | word).to_be_bytes());
            left.len().min(7)
        };
        left = &left[told..];
    }
    fci.extend(deltas);
    fci
}
