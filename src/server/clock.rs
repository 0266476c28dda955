//! The only place that reads time: the hub clock, the monotonic clock behind it, and wall time for tokens.
use crate::hub::time::UnixMs;
use std::{
    fmt,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

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
}

impl Clock {
    /// Starts the hub clock: wall time now, and from here on monotonic.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this file is where time is read")]
    pub fn new() -> Self {
        Self { started: Instant::now(), wall_at_start: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default() }
    }

    /// Returns the hub's time: never stepped, whatever happens to the wall clock.
    #[must_use]
    pub fn now(&self) -> UnixMs {
        UnixMs(millis(self.wall_at_start.saturating_add(self.started.elapsed())))
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
