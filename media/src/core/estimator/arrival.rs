//! When packets arrived: the queue that they stood in.

/// Packets are looked at together that were sent in so long. A burst, which leaves at once and
/// arrives one by one, and the 30 ms by which Wi-Fi scatters arrivals, are shorter.
pub(super) const SLICE_US: u64 = 100_000;
/// Below this a queue says nothing: Wi-Fi holds back every packet of a slice for so long at times.
const NOTABLE_US: i64 = 25_000;
/// A queue that grows by so much from slice to slice grows: 2 % more is sent than the line carries.
const GROWTH_US: i64 = 2_000;
/// A queue that stands at this and does not become shorter is too long whatever it did before.
const LONG_US: i64 = 120_000;
/// By so much a queue must have become shorter since three slices ago to count as doing so.
const SHORTER_US: i64 = 10_000;
/// A delay that grew by so much is another clock.
const CLOCK_US: i64 = 5_000_000;
/// The shortest delay of so long is that of the line without a queue.
const FLOOR_WINDOW_US: u64 = 10_000_000;
/// After so many decisions that did not make it shorter, a delay is no queue of ours. After one, if
/// what is sent arrives as it was sent.
const FRUITLESS: u32 = 2;
/// Slices of which the growth is looked at.
const SLICES: usize = 6;

/// The packets sent in a [`SLICE_US`], as far as feedback told of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slice {
    /// When the first was sent, in microseconds.
    pub(super) begun_us: u64,
    /// When the first of the next slice was sent.
    pub(super) ended_us: u64,
    /// Packets told of.
    pub(super) packets: u32,
    /// Of them, those lost.
    pub(super) lost: u32,
    /// Octets told of.
    pub(super) bytes: u64,
    /// Of them, those that arrived.
    pub(super) arrived_bytes: u64,
    /// When the first and the last one arrived, in microseconds of the client.
    pub(super) arrivals_us: Option<(i64, i64)>,
    /// The shortest way that one took, in microseconds between two clocks that are not the same.
    pub(super) least_delay_us: Option<i64>,
}

impl Slice {
    /// A slice that begins with a packet sent at this moment.
    pub(super) fn begin(sent_us: u64) -> Self {
        Self {
            begun_us: sent_us,
            ..Self::default()
        }
    }

    /// It ended when a packet of the next one was sent.
    pub(super) fn end(self, ended_us: u64) -> Self {
        Self { ended_us, ..self }
    }

    /// Feedback told of a packet.
    pub(super) fn add(&mut self, sent_us: u64, bytes: u16, arrival_us: Option<i64>) {
        self.packets += 1;
        self.bytes += u64::from(bytes);
        let Some(arrival_us) = arrival_us else {
            self.lost += 1;
            return;
        };
        self.arrived_bytes += u64::from(bytes);
        let (first, last) = self.arrivals_us.unwrap_or((arrival_us, arrival_us));
        self.arrivals_us = Some((first.min(arrival_us), last.max(arrival_us)));
        let delay_us = arrival_us.saturating_sub_unsigned(sent_us);
        self.least_delay_us = Some(
            self.least_delay_us
                .map_or(delay_us, |least| least.min(delay_us)),
        );
    }
}

/// The least of what was seen in a window, and in the one before it.
#[derive(Debug)]
pub(super) struct Least {
    window_us: u64,
    since_us: u64,
    present: Option<i64>,
    former: Option<i64>,
}

impl Least {
    /// Nothing was seen.
    pub(super) fn new(window_us: u64) -> Self {
        Self {
            window_us,
            since_us: 0,
            present: None,
            former: None,
        }
    }

    /// Something was seen.
    pub(super) fn add(&mut self, value: i64, now_us: u64) {
        if now_us.saturating_sub(self.since_us) >= self.window_us {
            self.since_us = now_us;
            self.former = self.present.take();
        }
        self.present = Some(self.present.map_or(value, |least| least.min(value)));
    }

    /// Only this was seen.
    pub(super) fn set(&mut self, value: i64) {
        self.present = Some(value);
        self.former = None;
    }

    /// The least of it.
    pub(super) fn value(&self) -> Option<i64> {
        self.present.into_iter().chain(self.former).min()
    }
}

/// The queue before the narrowest place of a line, as the shortest delays of slices show it. The
/// shortest, because a packet that stands behind others of its own burst says nothing, and neither
/// does one that Wi-Fi held back. And the median of its growth, where libwebrtc takes the slope of
/// a line through the delays (its trendline estimator): a key frame, which nobody paces here, is
/// one step up, after which the queue becomes shorter.
#[derive(Debug)]
pub(super) struct Queue {
    floor: Least,
    /// The shortest delays of the last slices, the newest first.
    delays_us: [i64; SLICES],
    filled: usize,
    /// How long it was when it was last found too long, and how often in succession that had not
    /// made it shorter.
    found_us: i64,
    fruitless: u32,
}

impl Queue {
    /// Nothing is known.
    pub(super) fn new() -> Self {
        Self {
            floor: Least::new(FLOOR_WINDOW_US),
            delays_us: [0; SLICES],
            filled: 0,
            found_us: 0,
            fruitless: 0,
        }
    }

    /// Slices so far are no measure any more.
    pub(super) fn forget(&mut self) {
        self.filled = 0;
    }

    /// How long packets stood in it of late, in microseconds.
    pub(super) fn length_us(&self) -> i64 {
        let floor = self.floor.value().unwrap_or_default();
        let recent = &self.delays_us[..self.filled.min(2)];
        recent
            .iter()
            .min()
            .map_or(0, |least| least.saturating_sub(floor))
    }

    /// Whether it is too short to speak of.
    pub(super) fn is_short(&self) -> bool {
        self.length_us() < NOTABLE_US
    }

    /// Takes in a slice. Whether more is sent than the line carries.
    pub(super) fn grows_too_long(&mut self, slice: &Slice) -> bool {
        let Some(delay_us) = slice.least_delay_us else {
            return false;
        };
        self.floor.add(delay_us, slice.begun_us);
        if self
            .floor
            .value()
            .is_some_and(|floor| delay_us.saturating_sub(floor) > CLOCK_US)
        {
            self.floor.set(delay_us);
            self.filled = 0;
        }
        self.delays_us.rotate_right(1);
        self.delays_us[0] = delay_us;
        self.filled = (self.filled + 1).min(SLICES);
        let length_us = self.length_us();
        if length_us < NOTABLE_US {
            self.fruitless = 0;
            self.found_us = 0;
            return false;
        }
        let longer_us = delay_us.saturating_sub(self.delays_us[self.filled.min(4) - 1]);
        let stands = self.filled >= 3 && length_us > LONG_US && longer_us > -SHORTER_US;
        if !stands && self.growth_us() < GROWTH_US {
            return false;
        }
        self.fruitless += 1;
        if length_us < self.found_us - SHORTER_US {
            self.fruitless = 1;
        }
        self.found_us = length_us;
        // A line that leads another way now, or that others fill, does not become empty by our
        // sending less.
        let arrives_as_sent = longer_us < SHORTER_US && slice.lost == 0;
        if self.fruitless > if arrives_as_sent { 1 } else { FRUITLESS } {
            self.fruitless = 0;
            self.found_us = 0;
            self.floor.set(delay_us);
            return false;
        }
        true
    }

    /// The median of what it grew by from slice to slice.
    fn growth_us(&self) -> i64 {
        if self.filled < 4 {
            return 0;
        }
        let mut growth: [i64; SLICES - 1] = [0; SLICES - 1];
        let known = &mut growth[..self.filled - 1];
        for (growth, pair) in known.iter_mut().zip(self.delays_us.windows(2)) {
            *growth = pair[0].saturating_sub(pair[1]);
        }
        known.sort_unstable();
        // Of an even number the lower one: rather not too long.
        known[(known.len() - 1) / 2]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slices whose packets stood in queues of so many milliseconds.
    fn found_after(queue: &mut Queue, first: u64, lengths_ms: &[i64]) -> Option<usize> {
        lengths_ms.iter().zip(first..).position(|(ms, index)| {
            let sent_us = index * SLICE_US;
            let mut slice = Slice::begin(sent_us);
            let arrival_us = sent_us as i64 + 7_000_000 + ms * 1_000;
            // Behind others of its burst, and not.
            slice.add(sent_us, 1_000, Some(arrival_us + 40_000));
            slice.add(sent_us, 1_000, Some(arrival_us));
            queue.grows_too_long(&slice)
        })
    }

    #[test]
    fn a_queue_that_grows_is_found() {
        let mut queue = Queue::new();
        let lengths = [0, 0, 10, 20, 30, 40, 50, 60];
        assert_eq!(found_after(&mut queue, 0, &lengths), Some(5));
        assert_eq!(queue.length_us(), 30_000);
        assert!(!queue.is_short());
    }

    #[test]
    fn a_key_frame_and_scattered_arrivals_are_no_queue_that_grows() {
        let mut queue = Queue::new();
        let lengths = [0, 0, 0, 90, 80, 70, 60, 50, 40, 30, 20, 10, 0, 0];
        assert_eq!(found_after(&mut queue, 0, &lengths), None);
        let lengths = [5, 28, 0, 17, 29, 3, 9, 22, 14, 29, 1, 8, 30, 12];
        assert_eq!(found_after(&mut queue, 14, &lengths), None);
    }

    #[test]
    fn a_full_queue_is_found_though_it_does_not_grow() {
        let mut queue = Queue::new();
        let lengths = [0, 0, 300, 305];
        assert_eq!(found_after(&mut queue, 0, &lengths), Some(3));
        // While it becomes shorter, nothing more is to be done.
        queue.forget();
        let lengths = [280, 250, 220, 190, 160, 130, 100, 70, 40, 10];
        assert_eq!(found_after(&mut queue, 4, &lengths), None);
    }

    #[test]
    fn a_delay_that_stays_whatever_is_sent_is_that_of_the_line() {
        let mut queue = Queue::new();
        assert_eq!(found_after(&mut queue, 0, &[0, 0, 200, 200]), Some(3));
        queue.forget();
        assert_eq!(found_after(&mut queue, 4, &[200; 20]), None);
        assert!(queue.is_short());
    }

    #[test]
    fn another_clock_is_no_queue() {
        let mut queue = Queue::new();
        assert_eq!(found_after(&mut queue, 0, &[0, 0, 0, 0]), None);
        assert_eq!(found_after(&mut queue, 4, &[60_000; 10]), None);
        assert_eq!(found_after(&mut queue, 14, &[-60_000; 10]), None);
        assert!(queue.is_short());
    }

    #[test]
    fn the_least_of_two_windows_is_kept() {
        let mut least = Least::new(10);
        assert_eq!(least.value(), None);
        least.add(5, 0);
        least.add(7, 12);
        assert_eq!(least.value(), Some(5));
        least.add(8, 24);
        assert_eq!(least.value(), Some(7));
        least.set(9);
        assert_eq!(least.value(), Some(9));
    }
}
