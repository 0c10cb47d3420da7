//! How many people each address has here, so that one of them does not take all places.

use otyrys_media::network_of;
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// The lines of signalling of each address (IPv6: each /64). They are counted before anybody says
/// hello. Bounded by the lines that there are.
#[derive(Debug, Clone)]
pub(crate) struct AddressPlaces {
    limit: u64,
    taken: Arc<Mutex<HashMap<IpAddr, u64>>>,
}

/// A place of an address; given back when dropped.
#[derive(Debug)]
pub(super) struct AddressPlace {
    places: AddressPlaces,
    address: IpAddr,
}

impl AddressPlaces {
    pub(super) fn new(limit: u64) -> Self {
        Self {
            limit,
            taken: Arc::default(),
        }
    }

    /// A place for one more, if the address has one left.
    pub(super) fn take(&self, ip: IpAddr) -> Option<AddressPlace> {
        let address = network_of(ip);
        let mut all = self.lock();
        let taken = all.entry(address).or_default();
        if *taken >= self.limit {
            return None;
        }
        *taken += 1;
        Some(AddressPlace {
            places: self.clone(),
            address,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, u64>> {
        // Each access leaves the map whole.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for AddressPlace {
    fn drop(&mut self) {
        let mut all = self.places.lock();
        if let Some(taken) = all.get_mut(&self.address) {
            *taken -= 1;
            if *taken == 0 {
                all.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_places_and_gets_them_back() {
        let places = AddressPlaces::new(2);
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let first = places.take(address("2001:db8::1")).unwrap();
        // The same host under another of its addresses.
        let _second = places.take(address("2001:db8::2")).unwrap();
        assert!(places.take(address("2001:db8::3")).is_none());
        assert!(places.take(address("2001:db8:0:1::3")).is_some());
        drop(first);
        assert!(places.take(address("2001:db8::3")).is_some());
        assert_eq!(places.lock().len(), 1, "who is gone is forgotten");
    }
}
