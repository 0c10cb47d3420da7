//! How many datagrams each address may send, so that one of them does not take the whole shard.

use super::allowance::Allowance;
use crate::network_of;
use std::collections::HashMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// An address may send what it has not sent in this time all at once: key frames come in bursts,
/// and so does everything after the network stood still.
const BURST: Duration = Duration::from_secs(1);
/// Addresses of which it is known what they sent; half a megabyte. A flood under forged addresses
/// fills it, and what comes from further ones passes uncounted until the next sweep: forgetting
/// those who did send too much would help the flood, refusing whoever is new would be its success.
const ADDRESSES: usize = 16_384;
/// How often addresses that have sent no more than they may are looked for when all places are
/// taken: each look costs as much as there are places.
const SWEEP: Duration = Duration::from_millis(250);

/// The addresses that have been heard of late.
#[derive(Debug)]
pub(super) struct PacketRates {
    /// Of one datagram.
    cost: Duration,
    /// IPv6: by /64.
    by_address: HashMap<IpAddr, Allowance>,
    swept: Option<Instant>,
}

impl PacketRates {
    pub(super) fn new(packets_per_second: u32) -> Self {
        Self {
            cost: Duration::from_secs(1) / packets_per_second.max(1),
            by_address: HashMap::new(),
            swept: None,
        }
    }

    /// Whether one more datagram from an address is taken.
    pub(super) fn takes(&mut self, source: IpAddr, now: Instant) -> bool {
        let address = network_of(source);
        if self.by_address.len() >= ADDRESSES && !self.by_address.contains_key(&address) {
            self.sweep(now);
            if self.by_address.len() >= ADDRESSES {
                return true;
            }
        }
        let allowance = self
            .by_address
            .entry(address)
            .or_insert_with(|| Allowance::new(now));
        if allowance.overdrawn(now) >= BURST {
            return false;
        }
        allowance.spend(self.cost, now);
        true
    }

    /// Forgets whoever has nothing overdrawn: they begin as they stand.
    fn sweep(&mut self, now: Instant) {
        if self
            .swept
            .is_some_and(|at| now.saturating_duration_since(at) < SWEEP)
        {
            return;
        }
        self.swept = Some(now);
        self.by_address
            .retain(|_, allowance| !allowance.overdrawn(now).is_zero());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, Ipv6Addr};

    fn forged(number: u32) -> IpAddr {
        Ipv4Addr::from(0x0A00_0000 + number).into()
    }

    #[test]
    fn an_address_gets_a_burst_and_then_its_rate() {
        let mut rates = PacketRates::new(1_000);
        let start = Instant::now();
        let mut taken = |source: IpAddr, ms: u64| {
            let now = start + Duration::from_millis(ms);
            (0..5_000).filter(|_| rates.takes(source, now)).count()
        };
        assert_eq!(taken(forged(1), 0), 1_000);
        assert_eq!(taken(forged(1), 100), 100);
        assert_eq!(taken(forged(2), 100), 1_000);
        assert_eq!(taken(forged(1), 5_000), 1_000);
    }

    #[test]
    fn the_addresses_of_one_ipv6_host_are_one() {
        let mut rates = PacketRates::new(1_000);
        let now = Instant::now();
        let taken = (0..5_000_u16)
            .map(|host| Ipv6Addr::new(0x2001, 0xdb8, 0, 7, 0, 0, 0, host))
            .filter(|source| rates.takes((*source).into(), now))
            .count();
        assert_eq!(taken, 1_000);
    }

    #[test]
    fn a_flood_under_forged_addresses_takes_no_memory_and_frees_nobody() {
        let mut rates = PacketRates::new(1_000);
        let start = Instant::now();
        let flooder: IpAddr = Ipv4Addr::new(192, 0, 2, 66).into();
        while rates.takes(flooder, start) {}
        for number in 0..1_000_000 {
            rates.takes(forged(number), start + Duration::from_nanos(number.into()));
        }
        assert_eq!(rates.by_address.len(), ADDRESSES);
        let soon = start + Duration::from_micros(1_500);
        let taken = (0..100).filter(|_| rates.takes(flooder, soon)).count();
        assert_eq!(taken, 2, "what the flooder sent before is forgotten");
        // Whoever comes meanwhile gets in, and the places are free again when the flood is over.
        assert!(rates.takes(forged(2_000_000), start + Duration::from_millis(2)));
        assert!(rates.takes(forged(2_000_001), start + Duration::from_secs(2)));
        assert_eq!(rates.by_address.len(), 1);
    }
}
