//! Who may be connected at once: a bound for all, for a client address, and a share that strangers cannot take.
//! It refuses to lose count: a place is given back when its connection ends, however it ends.

use crate::limits::Limits;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

/// The connections of a program.
#[derive(Debug, Default)]
pub(super) struct Places(Mutex<Taken>);

#[derive(Debug, Default)]
struct Taken {
    all: usize,
    clients: HashMap<IpAddr, usize>,
}

/// The place of one connection.
#[derive(Debug)]
pub(super) struct Place {
    places: Arc<Places>,
    ip: IpAddr,
}

impl Places {
    /// Connections open now.
    pub(super) fn taken(&self) -> usize {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

impl Taken {
    /// May one more of this client come, where `all` others are open? Mail servers and clients of the organisation (`trusted`) share what
    /// there is, but one alone leaves a quarter to the others; strangers have their bound each and leave the same quarter together.
    fn room(&self, ip: IpAddr, all: usize, trusted: bool, limits: &Limits) -> bool {
        let share = limits.connections - limits.connections / 4;
        let own = self.clients.get(&ip).copied().unwrap_or(0);
        if trusted {
            all < limits.connections && own < share
        } else {
            all < share && own < limits.connections_per_client
        }
    }

    fn add(&mut self, ip: IpAddr) {
        self.all += 1;
        *self.clients.entry(ip).or_default() += 1;
    }

    fn remove(&mut self, ip: IpAddr) {
        self.all -= 1;
        if let Some(count) = self.clients.get_mut(&ip) {
            *count -= 1;
            if *count == 0 {
                self.clients.remove(&ip);
            }
        }
    }
}

impl Place {
    /// A place for this client, if there is room.
    pub(super) fn take(places: &Arc<Places>, ip: IpAddr, trusted: bool, limits: &Limits) -> Option<Self> {
        let mut taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !taken.room(ip, taken.all, trusted, limits) {
            return None;
        }
        taken.add(ip);
        drop(taken);
        Some(Self { places: Arc::clone(places), ip })
    }

    /// The connection turned out to be of another client; false when there is no room for that one, and the place stays with the first.
    pub(super) fn give_to(&mut self, ip: IpAddr, trusted: bool, limits: &Limits) -> bool {
        let mut taken = self.places.0.lock().unwrap_or_else(PoisonError::into_inner);
        let room = taken.room(ip, taken.all - 1, trusted, limits);
        if room {
            taken.remove(self.ip);
            taken.add(ip);
            self.ip = ip;
        }
        room
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.places.0.lock().unwrap_or_else(PoisonError::into_inner).remove(self.ip);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn limits() -> Limits {
        Limits { connections: 8, connections_per_client: 2, ..Limits::default() }
    }

    #[test]
    fn one_trusted_client_leaves_a_quarter_to_the_others() {
        let places = Arc::new(Places::default());
        let mut held: Vec<Place> = (0..9).filter_map(|_| Place::take(&places, ip(1), true, &limits())).collect();
        assert_eq!(held.len(), 6);
        held.extend(Place::take(&places, ip(2), true, &limits()));
        held.extend(Place::take(&places, ip(3), true, &limits()));
        assert_eq!((held.len(), places.taken()), (8, 8));
        assert!(Place::take(&places, ip(4), true, &limits()).is_none());
        held.pop();
        assert!(Place::take(&places, ip(4), true, &limits()).is_some());
    }

    #[test]
    fn strangers_have_a_bound_each_and_leave_the_quarter_together() {
        let places = Arc::new(Places::default());
        let mut held: Vec<Place> = (1..9)
            .flat_map(|last| (0..3).map(move |_| last))
            .filter_map(|last| Place::take(&places, ip(last), false, &limits()))
            .collect();
        assert_eq!(held.len(), 6);
        held.extend(Place::take(&places, ip(200), true, &limits()));
        assert_eq!(places.taken(), 7);
        drop(held);
        assert_eq!(places.taken(), 0);
        let taken = places.0.lock().unwrap_or_else(PoisonError::into_inner);
        assert!(taken.clients.is_empty());
    }

    #[test]
    fn behind_a_balancer_the_client_counts() -> Result<(), &'static str> {
        let places = Arc::new(Places::default());
        let mut held = Vec::new();
        for fits in [true, true, false] {
            let mut place = Place::take(&places, ip(1), true, &limits()).ok_or("no place")?;
            assert_eq!(place.give_to(ip(9), false, &limits()), fits);
            held.push(place);
        }
        drop(held);
        assert_eq!(places.taken(), 0);
        Ok(())
    }
}
