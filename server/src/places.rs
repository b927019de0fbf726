//! How many connections there may be, in all and from one address. Each has a place from its accept to its close.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// The places of a listener.
#[derive(Debug)]
pub struct Places {
    most: usize,
    /// 0 is any.
    per_address: usize,
    taken: AtomicUsize,
    addresses: Mutex<HashMap<IpAddr, usize>>,
}

/// The place of one connection. Leaving is a drop.
#[derive(Debug)]
pub struct Place {
    places: Arc<Places>,
    /// Boxed, since most servers do not count by address, and a connection that rests shall be small.
    address: Option<Box<IpAddr>>,
}

impl Places {
    /// As many places in all, and for one address (0 is any number).
    pub fn new(most: usize, per_address: usize) -> Arc<Self> {
        Arc::new(Places { most, per_address, taken: AtomicUsize::new(0), addresses: Mutex::default() })
    }

    /// A place for one more connection, from an address that is counted if there is one.
    ///
    /// # Errors
    /// What is full, as metrics name it.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Place, &'static str> {
        // Nobody else counts up: each listener has one thread that accepts.
        if self.taken.load(Ordering::Relaxed) >= self.most {
            return Err("too_many_connections");
        }
        let address = address.filter(|_| self.per_address > 0).map(network);
        if let Some(address) = address {
            let mut addresses = self.addresses.lock().expect("nobody panics with this lock");
            let count = addresses.entry(address).or_default();
            if *count >= self.per_address {
                return Err("connections_per_address");
            }
            *count += 1;
        }
        self.taken.fetch_add(1, Ordering::Relaxed);
        Ok(Place { places: self.clone(), address: address.map(Box::new) })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.taken.fetch_sub(1, Ordering::Relaxed);
        let Some(address) = self.address.take() else { return };
        let mut addresses = self.places.addresses.lock().expect("nobody panics with this lock");
        if let Some(count) = addresses.get_mut(&*address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&*address);
            }
        }
    }
}

/// What is counted as one address: of IPv6 the first half, since whoever has one address has all with that half.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().expect("an address"))
    }

    #[test]
    fn a_place_that_is_left_can_be_taken() {
        let places = Places::new(2, 0);
        let first = places.take(address("192.0.2.1")).expect("a place");
        let _second = places.take(address("192.0.2.1")).expect("a place");
        assert_eq!(places.take(None).unwrap_err(), "too_many_connections");
        drop(first);
        assert!(places.take(None).is_ok());
    }

    #[test]
    fn addresses_are_counted_each_and_forgotten() {
        let places = Places::new(100, 1);
        let one = places.take(address("192.0.2.1")).expect("a place");
        for same in ["192.0.2.1", "::ffff:192.0.2.1"] {
            assert_eq!(places.take(address(same)).unwrap_err(), "connections_per_address");
        }
        let other = places.take(address("2001:db8::1")).expect("a place");
        assert_eq!(places.take(address("2001:db8::ffff:1")).unwrap_err(), "connections_per_address");
        let _elsewhere = places.take(address("2001:db8:0:1::1")).expect("a place");
        let _nowhere = [places.take(None), places.take(None)].map(|place| place.expect("a place"));
        drop((one, other));
        assert_eq!(places.addresses.lock().unwrap().len(), 1);
        assert_eq!(places.taken.load(Ordering::Relaxed), 3);
    }
}
