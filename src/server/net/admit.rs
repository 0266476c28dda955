//! Who may open a connection: caps in total, per address and before authentication, and a rate per address.
use crate::server::{
    clock::{Clock, Mono},
    live::Live,
    telemetry::process,
};
use std::{
    cell::Cell,
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
};

/// What a connection that was let in a moment ago will soon take: itself, and one message that has begun.
const SOON_BYTES: u64 = 24 * 1024;

/// The bounds on open connections; 0 switches one off.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// All open sockets.
    pub total: usize,
    /// Open sockets per address.
    pub per_address: usize,
    /// New sockets per second and address.
    pub new_per_second: usize,
    /// Open sockets that have not proved who they are.
    pub unauthenticated: usize,
    /// Bytes of the whole process, of which four fifths may be in use when a socket is opened.
    pub memory_bytes: u64,
}

impl Caps {
    /// No cap at all.
    pub const NONE: Self = Self { total: 0, per_address: 0, new_per_second: 0, unauthenticated: 0, memory_bytes: 0 };
}

/// Counts the sockets of all shards.
#[derive(Clone)]
pub struct Admission(Arc<Shared>);

struct Shared {
    caps: Live<Caps>,
    clock: Clock,
    open: AtomicUsize,
    unauthenticated: AtomicUsize,
    memory_full: AtomicBool,
    memory_short: AtomicBool,
    /// What was in use when it was last looked at, and how many were let in since.
    resident: AtomicU64,
    fresh: AtomicU64,
    addresses: Mutex<Addresses>,
}

#[derive(Default)]
struct Addresses {
    by_address: HashMap<IpAddr, Address>,
    prune_at: usize,
}

struct Address {
    open: usize,
    /// Thousandths of a connection that may still be opened now.
    credit: u64,
    credited: Mono,
}

impl Admission {
    /// Starts with nobody.
    #[must_use]
    pub fn new(caps: Caps, clock: Clock) -> Self {
        Self(Arc::new(Shared {
            caps: Live::new(caps),
            clock,
            open: AtomicUsize::new(0),
            unauthenticated: AtomicUsize::new(0),
            memory_full: AtomicBool::new(false),
            memory_short: AtomicBool::new(false),
            resident: AtomicU64::new(0),
            fresh: AtomicU64::new(0),
            addresses: Mutex::default(),
        }))
    }

    /// Returns how many sockets are open.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.load(Relaxed)
    }

    /// Returns how many of them have not proved who they are.
    #[must_use]
    pub fn unauthenticated(&self) -> usize {
        self.0.unauthenticated.load(Relaxed)
    }

    /// Returns the cap on memory; 0 = off.
    #[must_use]
    pub fn memory_limit(&self) -> u64 {
        self.0.caps.load().memory_bytes
    }

    /// Changes the caps; nobody who is in is put out.
    pub fn set_caps(&self, caps: Caps) {
        self.0.caps.set(caps);
    }

    /// Looks how much memory the process has in use: over four fifths of the cap nobody is let in.
    pub fn look_at_memory(&self) {
        let cap = self.0.caps.load().memory_bytes;
        let resident = if cap > 0 { process::resident_bytes().unwrap_or(0) } else { 0 };
        self.0.resident.store(resident, Relaxed);
        self.0.fresh.store(0, Relaxed);
        self.0.memory_short.store(cap > 0 && resident / 9 >= cap / 10, Relaxed);
        let full = is_full(resident, cap);
        if self.0.memory_full.swap(full, Relaxed) != full {
            tracing::warn!(full, cap, "memory: new connections are refused while it is full");
        }
    }

    /// Tells whether nine tenths of the memory are in use: who takes more than others must give it back.
    #[must_use]
    pub fn is_memory_short(&self) -> bool {
        self.0.memory_short.load(Relaxed)
    }

    /// Takes a place, or `None` if there is none: it is given back when the answer is dropped. `by_address`: its caps count too.
    pub(in crate::server) fn admit(&self, address: IpAddr, by_address: bool) -> Option<Admitted> {
        let shared = &*self.0;
        let caps = **shared.caps.load();
        if shared.has_no_memory(caps.memory_bytes) || !take(&shared.open, caps.total) {
            return None;
        }
        if !take(&shared.unauthenticated, caps.unauthenticated) {
            shared.open.fetch_sub(1, Relaxed);
            return None;
        }
        let counted = by_address && (caps.per_address > 0 || caps.new_per_second > 0);
        if counted && !shared.take_address(address, caps) {
            shared.open.fetch_sub(1, Relaxed);
            shared.unauthenticated.fetch_sub(1, Relaxed);
            return None;
        }
        Some(Admitted { admission: self.clone(), address, counted, unauthenticated: Cell::new(true) })
    }
}

fn take(counter: &AtomicUsize, max: usize) -> bool {
    counter.fetch_update(Relaxed, Relaxed, |open| (max == 0 || open < max).then_some(open + 1)).is_ok()
}

/// Tells whether four fifths are in use.
const fn is_full(resident: u64, cap: u64) -> bool {
    cap > 0 && resident / 4 >= cap / 5
}

impl Shared {
    /// Tells whether there is none left for one more, those counted whose memory does not show yet.
    fn has_no_memory(&self, cap: u64) -> bool {
        if cap == 0 {
            return false;
        }
        let soon = self.fresh.fetch_add(1, Relaxed).saturating_mul(SOON_BYTES);
        self.memory_full.load(Relaxed) || is_full(self.resident.load(Relaxed).saturating_add(soon), cap)
    }

    fn take_address(&self, address: IpAddr, caps: Caps) -> bool {
        let now = self.clock.mono();
        let (max, rate) = (caps.per_address, caps.new_per_second as u64);
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if addresses.by_address.len() > addresses.prune_at {
            addresses.by_address.retain(|_, a| a.open > 0 || now.since(a.credited) < 1_000);
            addresses.prune_at = addresses.by_address.len() * 2 + 1024;
        }
        let fresh = Address { open: 0, credit: rate * 1_000, credited: now };
        let entry = addresses.by_address.entry(holder(address)).or_insert(fresh);
        entry.credit = (entry.credit + now.since(entry.credited).saturating_mul(rate)).min(rate * 1_000);
        entry.credited = now;
        if (max > 0 && entry.open >= max) || (rate > 0 && entry.credit < 1_000) {
            return false;
        }
        entry.open += 1;
        entry.credit = entry.credit.saturating_sub(1_000);
        true
    }
}

/// Returns by what an address is counted: whoever holds one of IPv6 holds its whole /64.
fn holder(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        other => other,
    }
}

/// A place among the open sockets.
pub(in crate::server) struct Admitted {
    admission: Admission,
    address: IpAddr,
    counted: bool,
    unauthenticated: Cell<bool>,
}

impl Admitted {
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    pub fn authenticated(&self) {
        if self.unauthenticated.replace(false) {
            self.admission.0.unauthenticated.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.authenticated();
        let shared = &*self.admission.0;
        shared.open.fetch_sub(1, Relaxed);
        if self.counted {
            let mut addresses = shared.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(entry) = addresses.by_address.get_mut(&holder(self.address)) {
                entry.open = entry.open.saturating_sub(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn admission(caps: Caps) -> Admission {
        Admission::new(caps, Clock::new())
    }

    #[test]
    fn a_place_is_given_back() {
        let all = admission(Caps { total: 2, per_address: 1, ..Caps::NONE });
        let (a, b) = (IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv4Addr::BROADCAST));
        let first = all.admit(a, true).unwrap();
        assert!(all.admit(a, true).is_none(), "one per address");
        assert!(all.admit(a, false).is_some(), "a proxy has no cap of its own");
        let second = all.admit(b, true).unwrap();
        assert_eq!(all.open(), 2);
        drop((first, second));
        assert_eq!(all.open(), 0);
        assert!(all.admit(a, true).is_some());
    }

    #[test]
    fn a_net_of_ipv6_is_one_client() {
        let all = admission(Caps { per_address: 1, ..Caps::NONE });
        let open = |address: &str| all.admit(address.parse().unwrap(), true);
        let first = open("2001:db8::1");
        assert!(first.is_some() && open("2001:db8::2").is_none() && open("2001:db8:0:1::1").is_some());
        let mapped = open("::ffff:1.2.3.4");
        assert!(mapped.is_some() && open("1.2.3.4").is_none() && open("1.2.3.5").is_some());
        drop((first, mapped));
        assert!(open("2001:db8::2").is_some() && open("1.2.3.4").is_some());
    }

    #[test]
    fn the_unauthenticated_have_their_own_cap() {
        let all = admission(Caps { unauthenticated: 1, ..Caps::NONE });
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        let first = all.admit(address, true).unwrap();
        assert!(all.admit(address, true).is_none());
        first.authenticated();
        assert!(all.admit(address, true).is_some());
    }

    #[test]
    fn memory_is_looked_at() {
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        for (cap, open) in [(1024, false), (1 << 50, true), (0, true)] {
            let all = admission(Caps { memory_bytes: cap, ..Caps::NONE });
            all.look_at_memory();
            assert_eq!(all.admit(address, true).is_some(), open, "{cap}");
        }
    }

    #[test]
    fn a_rate_is_a_rate_even_when_places_are_given_back() {
        let all = admission(Caps { new_per_second: 3, ..Caps::NONE });
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        assert_eq!((0..10).filter(|_| all.admit(address, true).is_some()).count(), 3);
    }
}
