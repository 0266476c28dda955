//! What the operating system says about this process, and the guard that lets nobody in any more when memory runs short.
use super::admit::Admission;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// How often the memory is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Of the limit, in percent: from here on nobody is let in.
const FULL_PERCENT: u64 = 80;
/// Below this, in percent, everybody is let in again.
const FREE_PERCENT: u64 = 75;

/// Returns the bytes of memory that the process takes now; `None` where the system does not say.
#[must_use]
pub fn memory_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.saturating_mul(1024))
}

/// Returns how many descriptors are open, and how many may be.
#[must_use]
pub fn descriptors() -> Option<(u64, u64)> {
    let open = fs::read_dir("/proc/self/fd").ok()?.count();
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let max = line.split_whitespace().next()?.parse().unwrap_or(u64::MAX);
    Some((u64::try_from(open).ok()?, max))
}

/// `limits.memory_bytes`, which a reload may change; 0 = off.
#[derive(Clone, Debug, Default)]
pub struct MemoryLimit(Arc<AtomicU64>);

impl MemoryLimit {
    /// Changes the limit.
    pub fn set(&self, bytes: u64) {
        self.0.store(bytes, Relaxed);
    }

    /// Returns the limit.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.0.load(Relaxed)
    }

    /// Lets nobody in while the process takes more than 80 % of the limit. Never returns.
    pub async fn guard(self, admission: Admission) {
        let mut full = false;
        loop {
            let (limit, taken) = (self.bytes(), memory_bytes().unwrap_or(0));
            let now = is_full(full, limit, taken);
            if now != full {
                full = now;
                admission.set_full(full);
                if full {
                    tracing::warn!(memory_bytes = taken, limit, "memory runs short: new connections are refused");
                } else {
                    tracing::info!(memory_bytes = taken, limit, "new connections are let in again");
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

const fn is_full(was: bool, limit: u64, taken: u64) -> bool {
    let percent = if was { FREE_PERCENT } else { FULL_PERCENT };
    limit > 0 && taken / percent >= limit / 100
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_has_two_edges() {
        assert!(!is_full(false, 0, u64::MAX), "off");
        assert!(!is_full(false, 1_000_000, 799_000) && is_full(false, 1_000_000, 800_000));
        assert!(is_full(true, 1_000_000, 760_000) && !is_full(true, 1_000_000, 740_000));
    }

    #[test]
    fn the_system_says() {
        assert!(memory_bytes().unwrap() > 1_000_000);
        let (open, max) = descriptors().unwrap();
        assert!(open > 2 && open < max);
    }
}
