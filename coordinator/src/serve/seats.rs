//! Connections whose peer is not known (yet): a half of all, and an eighth of all for one address, so that whoever opens
//! many and says nothing keeps neither workers nor other people out.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

#[derive(Debug, Clone)]
pub(super) struct Seats {
    most: usize,
    of_one: usize,
    seated: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

/// Given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    address: IpAddr,
    seated: Arc<Mutex<HashMap<IpAddr, usize>>>,
}

impl Seats {
    /// Of so many connections in all.
    pub(super) fn of(connections: usize) -> Self {
        Self { most: (connections / 2).max(1), of_one: (connections / 8).max(1), seated: Arc::default() }
    }

    /// Nothing: there are too many already.
    pub(super) fn seat(&self, address: IpAddr) -> Option<Seat> {
        let mut seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner);
        let own = seated.get(&address).copied().unwrap_or(0);
        if own >= self.of_one || seated.values().sum::<usize>() >= self.most {
            return None;
        }
        seated.insert(address, own + 1);
        Some(Seat { address, seated: self.seated.clone() })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut seated = self.seated.lock().unwrap_or_else(PoisonError::into_inner);
        match seated.get_mut(&self.address) {
            Some(many) if *many > 1 => *many -= 1,
            Some(_) | None => drop(seated.remove(&self.address)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_address_and_all_of_them_have_a_part_each_and_a_seat_is_given_back() {
        let seats = Seats::of(16);
        let address = |last: u8| IpAddr::from([10, 0, 0, last]);
        let first: Vec<Seat> = (0..2).filter_map(|_| seats.seat(address(1))).collect();
        assert_eq!((first.len(), seats.seat(address(1)).is_none()), (2, true), "an eighth for one");
        let others: Vec<Seat> = (2..9).filter_map(|last| seats.seat(address(last))).collect();
        assert_eq!(others.len(), 6, "a half for all");
        drop(first);
        assert!(seats.seat(address(1)).is_some());
        drop(others);
        assert!(seats.seated.lock().unwrap().is_empty());
    }
}
