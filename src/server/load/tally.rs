//! What one thread of the load generator has counted, and how those of all threads become one.
use super::client::Failure;
use hdrhistogram::Histogram;
use std::collections::BTreeMap;

/// The longest latency that is told apart, in microseconds.
const LATENCY_MAX_US: u64 = 600_000_000;

/// Counts, latencies in microseconds, and errors by their text.
#[derive(Default)]
pub(super) struct Tally {
    pub counts: BTreeMap<&'static str, u64>,
    pub latencies: BTreeMap<&'static str, Latency>,
    pub errors: BTreeMap<String, u64>,
    /// The latest delivery of each numbered message, by writer: microseconds.
    pub last: BTreeMap<u32, Vec<u32>>,
}

/// A histogram of three digits.
pub(super) struct Latency(pub Histogram<u64>);

impl Default for Latency {
    fn default() -> Self {
        let widest = Histogram::new_with_bounds(1, LATENCY_MAX_US, 3);
        #[expect(clippy::expect_used, reason = "the bounds are constants that the crate accepts")]
        Self(widest.expect("constant bounds"))
    }
}

impl Tally {
    /// Adds to a count.
    pub fn add(&mut self, what: &'static str, n: u64) {
        *self.counts.entry(what).or_default() += n;
    }

    /// Returns a count.
    pub fn count(&self, what: &str) -> u64 {
        self.counts.get(what).copied().unwrap_or(0)
    }

    /// Adds a latency.
    pub fn took(&mut self, what: &'static str, micros: u64) {
        self.latencies.entry(what).or_default().0.saturating_record(micros.max(1));
    }

    /// Notes that a writer's message came to somebody; the latest is kept.
    pub fn arrived(&mut self, writer: u32, number: usize, micros: u64) {
        let last = self.last.entry(writer).or_default();
        if last.len() <= number {
            last.resize(number + 1, 0);
        }
        if let Some(known) = last.get_mut(number) {
            *known = (*known).max(u32::try_from(micros).unwrap_or(u32::MAX));
        }
    }

    /// Notes a failure.
    pub fn failed(&mut self, failure: &Failure) {
        self.error(failure.to_string(), 1);
    }

    /// Notes errors.
    pub fn error(&mut self, what: String, n: u64) {
        *self.errors.entry(what).or_default() += n;
    }

    /// Takes another thread's tally in.
    pub fn merge(&mut self, other: Self) {
        for (what, n) in other.counts {
            self.add(what, n);
        }
        for (what, latency) in other.latencies {
            // The same bounds everywhere: adding cannot fail.
            let _ = self.latencies.entry(what).or_default().0.add(&latency.0);
        }
        for (what, n) in other.errors {
            self.error(what, n);
        }
        for (writer, last) in other.last {
            for (number, micros) in last.into_iter().enumerate().filter(|(_, micros)| *micros > 0) {
                self.arrived(writer, number, micros.into());
            }
        }
    }

    /// Turns the latest deliveries into a latency of their own.
    pub fn settle(&mut self) {
        for micros in std::mem::take(&mut self.last).into_values().flatten().filter(|micros| *micros > 0) {
            self.took("last subscriber", micros.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_delivery_of_all_threads_counts() {
        let (mut a, mut b) = (Tally::default(), Tally::default());
        a.arrived(0, 0, 10);
        a.arrived(0, 1, 50);
        b.arrived(0, 0, 30);
        b.add("frames", 2);
        b.error("lost".to_owned(), 1);
        a.merge(b);
        a.settle();
        let last = &a.latencies["last subscriber"].0;
        assert_eq!((last.len(), last.min(), last.max()), (2, 30, 50));
        assert_eq!((a.count("frames"), a.errors["lost"]), (2, 1));
    }
}
