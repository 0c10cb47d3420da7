//! The packets sent of late, of which feedback may still tell.

/// Packets remembered at first: 1.3 s of a client that gets sound alone, in 4 KiB.
const FIRST: usize = 256;
/// Packets remembered at most, in 32 KiB: 2 s of 10 Mbit/s in packets of 1200 octets.
const MOST: usize = 2_048;
/// A packet that nobody told of for so long makes room for others. Feedback comes at least four
/// times a second, and hardly any round trip takes longer than a second.
const FORGOTTEN_AFTER_US: u64 = 2_000_000;

/// A packet that was sent.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Packet {
    /// When it left, in microseconds.
    pub(super) sent_us: u64,
    /// The low half of its number: the upper one is known from the place.
    number: u32,
    /// The UDP payload.
    pub(super) bytes: u16,
    fate: Fate,
}

/// What is known of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    /// There is no such packet.
    #[default]
    None,
    Unknown,
    Lost,
    Arrived,
}

/// What feedback tells of a packet for the first time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It arrived, or is lost, and nothing was known of it.
    First,
    /// It had been taken for lost, and has arrived.
    Late,
}

/// A ring of the packets sent last, by their numbers.
#[derive(Debug)]
pub(super) struct History {
    packets: Vec<Packet>,
    newest: Option<u64>,
}

impl History {
    /// Nothing was sent.
    pub(super) fn new() -> Self {
        Self {
            packets: vec![Packet::default(); FIRST],
            newest: None,
        }
    }

    /// A packet left.
    pub(super) fn push(&mut self, number: u64, bytes: u16, now_us: u64) {
        let held = self.packets[self.place(number)];
        if held.fate == Fate::Unknown
            && self.packets.len() < MOST
            && now_us.saturating_sub(held.sent_us) < FORGOTTEN_AFTER_US
        {
            self.grow();
        }
        let place = self.place(number);
        self.packets[place] = Packet {
            sent_us: now_us,
            number: number as u32,
            bytes,
            fate: Fate::Unknown,
        };
        self.newest = self.newest.max(Some(number));
    }

    /// The number that these 16 bits stand for: the last one sent that ends in them.
    pub(super) fn number(&self, low: u16) -> Option<u64> {
        let newest = self.newest?;
        newest.checked_sub(u64::from((newest as u16).wrapping_sub(low)))
    }

    /// Of `count` numbers from `first` on, those that may be remembered.
    pub(super) fn remembered(&self, first: u64, count: u64) -> std::ops::Range<u64> {
        let end = self.newest.map_or(0, |newest| newest.saturating_add(1));
        let oldest = end.saturating_sub(self.packets.len() as u64);
        first.max(oldest)..first.saturating_add(count).min(end)
    }

    /// Feedback told that a packet arrived; nothing if it is not known or was told before.
    pub(super) fn arrived(&mut self, number: u64) -> Option<(Packet, News)> {
        let packet = self.find(number)?;
        let news = match packet.fate {
            Fate::Unknown => News::First,
            Fate::Lost => News::Late,
            Fate::None | Fate::Arrived => return None,
        };
        packet.fate = Fate::Arrived;
        Some((*packet, news))
    }

    /// Feedback told that a packet had not arrived; nothing if it is not known or was told before.
    pub(super) fn lost(&mut self, number: u64) -> Option<Packet> {
        let packet = self.find(number)?;
        (packet.fate == Fate::Unknown).then(|| {
            packet.fate = Fate::Lost;
            *packet
        })
    }

    /// What it takes beside itself.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        size_of_val(&self.packets[..])
    }

    fn find(&mut self, number: u64) -> Option<&mut Packet> {
        let place = self.place(number);
        let packet = &mut self.packets[place];
        (packet.number == number as u32).then_some(packet)
    }

    fn place(&self, number: u64) -> usize {
        // The length is a power of two.
        number as usize & (self.packets.len() - 1)
    }

    fn grow(&mut self) {
        let size = self.packets.len() * 2;
        let former = std::mem::replace(&mut self.packets, vec![Packet::default(); size]);
        for packet in former {
            let place = self.place(u64::from(packet.number));
            if packet.fate != Fate::None {
                self.packets[place] = packet;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packet_is_told_of_once() {
        let mut history = History::new();
        history.push(70_000, 1_200, 5);
        assert_eq!(history.number(70_000_u64 as u16), Some(70_000));
        let (packet, news) = history.arrived(70_000).expect("it was sent");
        assert_eq!(
            (packet.sent_us, packet.bytes, news),
            (5, 1_200, News::First)
        );
        assert!(history.arrived(70_000).is_none());
        assert!(history.lost(70_000).is_none());
        assert!(history.arrived(69_999).is_none());
    }

    #[test]
    fn a_packet_taken_for_lost_may_come_late() {
        let mut history = History::new();
        history.push(1, 100, 0);
        assert!(history.lost(1).is_some());
        assert!(history.lost(1).is_none());
        assert_eq!(history.arrived(1).map(|(_, news)| news), Some(News::Late));
    }

    #[test]
    fn low_numbers_mean_the_packets_sent_last() {
        let mut history = History::new();
        assert_eq!(history.number(3), None);
        history.push(65_537, 100, 0);
        assert_eq!(history.number(1), Some(65_537));
        assert_eq!(history.number(0), Some(65_536));
        assert_eq!(history.number(65_535), Some(65_535));
        // Nothing was ever sent that far back.
        history = History::new();
        history.push(1, 100, 0);
        assert_eq!(history.number(2), None);
    }

    #[test]
    fn it_grows_to_its_bound_while_packets_are_awaited() {
        let mut history = History::new();
        for number in 0..10_000 {
            history.push(number, 100, number);
        }
        assert_eq!(history.packets.len(), MOST);
        assert!(history.arrived(10_000 - MOST as u64).is_some());
        assert!(history.arrived(10_000 - MOST as u64 - 1).is_none());
        assert_eq!(
            history.remembered(0, u64::MAX),
            10_000 - MOST as u64..10_000
        );
    }

    #[test]
    fn it_does_not_grow_for_packets_long_forgotten() {
        let mut history = History::new();
        for number in 0..10_000 {
            history.push(number, 100, number * 20_000);
        }
        assert_eq!(history.packets.len(), FIRST);
    }
}
