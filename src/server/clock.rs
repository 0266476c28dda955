//! The only place that reads time: the hub clock, the monotonic clock behind it, and wall time for tokens.
use crate::hub::time::UnixMs;
use std::{
    fmt,
    sync::atomic::{AtomicI64, Ordering::Relaxed},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// By how many milliseconds the hub's time may differ from the shared one until it judges nothing by it.
pub const OFF_MAX_MS: u64 = 2_000;

/// A point on the monotonic clock: milliseconds since the start of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mono(pub u64);

impl Mono {
    /// Returns the milliseconds since `earlier`, zero if that lies ahead.
    #[must_use]
    pub const fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Returns the point `millis` later.
    #[must_use]
    pub const fn plus(self, millis: u64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

/// A handle to the clocks; copies agree with each other.
#[derive(Clone, Copy)]
pub struct Clock {
    started: Instant,
    wall_at_start: Duration,
    /// Milliseconds by which the hub's time is moved towards that of the other nodes; lives as long as the process.
    shift: &'static Shift,
}

#[derive(Default)]
struct Shift {
    now: AtomicI64,
    off: AtomicI64,
    begun: AtomicI64,
}

impl Clock {
    /// Starts the hub clock: wall time now, and from here on monotonic.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
    pub fn new() -> Self {
        let wall_at_start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), wall_at_start, shift: Box::leak(Box::default()) }
    }

    /// Returns the hub's time: never stepped, whatever happens to the wall clock.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        let own = millis(self.wall_at_start.saturating_add(self.started.elapsed()));
        UnixMs(own.saturating_add_signed(self.shift.now.load(Relaxed)))
    }

    /// Hears the time that all nodes share. The first time is taken over; from then on the hub's time is never stepped: it is moved by one
    /// millisecond at a time, by whoever calls [`Self::creep`]. A difference below `slack_ms` is left alone.
    pub fn follow(&self, shared: UnixMs, slack_ms: i64) {
        let off = i64::try_from(shared.0).unwrap_or(i64::MAX).saturating_sub(i64::try_from(self.now().0).unwrap_or(i64::MAX));
        if self.shift.begun.swap(1, Relaxed) == 0 {
            self.shift.now.store(off, Relaxed);
        } else {
            self.shift.off.store(if off.abs() <= slack_ms { 0 } else { off }, Relaxed);
        }
    }

    /// Moves the hub's time by a millisecond towards the shared one. Returns whether there is more to move.
    #[must_use]
    pub fn creep(&self) -> bool {
        let off = self.shift.off.load(Relaxed);
        self.shift.now.fetch_add(off.signum(), Relaxed);
        self.shift.off.fetch_sub(off.signum(), Relaxed);
        off.abs() > 1
    }

    /// Tells whether the hub's time is near enough to the shared one that what it says is due is due.
    #[must_use]
    pub fn is_in_time(&self) -> bool {
        self.off().unsigned_abs() <= OFF_MAX_MS
    }

    /// Returns by how many milliseconds the hub's time differs from the shared one.
    #[must_use]
    pub fn off(&self) -> i64 {
        self.shift.off.load(Relaxed)
    }

    /// Returns the monotonic time since the start.
    #[must_use]
    pub fn mono(&self) -> Mono {
        Mono(millis(self.started.elapsed()))
    }

    /// Returns the microseconds since the start: for measuring only.
    #[must_use]
    pub fn micros(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Returns the wall clock's Unix milliseconds: for tokens and signatures of others only.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
    pub fn wall_ms(&self) -> u64 {
        millis(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    /// Returns the wall clock's Unix seconds: for tokens only.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
    pub fn wall_seconds(&self) -> u64 {
        SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Clock({})", self.now().0)
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_time_is_taken_over_once_and_then_crept_to() {
        let clock = Clock::new();
        let start = clock.now().0;
        clock.follow(UnixMs(start + 5_000), 20);
        let moved = clock.now().0;
        assert!((start + 5_000..start + 8_000).contains(&moved));
        clock.follow(UnixMs(moved - 3_000), 20);
        assert!(clock.off() < -20 && clock.now().0 >= moved, "the clock was stepped");
        let off = clock.off();
        assert!(clock.creep());
        assert_eq!(clock.off(), off + 1);
        assert!(!clock.is_in_time(), "3 s are too much");
        clock.follow(UnixMs(clock.now().0 + 1_900), 20);
        assert!(clock.is_in_time());
        clock.follow(UnixMs(clock.now().0), 20);
        assert_eq!(clock.off(), 0);
        assert!(!clock.creep());
    }
}
