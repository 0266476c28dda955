//! When a message that could not be delivered is tried again, and when it is given up.
use crate::hub::time::{Millis, UnixMs};
use rand::RngExt;

/// How much longer than its schedule a message may take: attempts take time, too.
const SLACK: Millis = Millis(60_000);
/// The longest wait that a receiver may ask for.
const ASKED_MAX: Millis = Millis(86_400_000);

/// The waits between attempts.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Behind the first attempt, the second and so on.
    pub waits: Vec<Millis>,
    /// How much a wait may differ, up or down, in percent.
    pub jitter_percent: u64,
}

impl Schedule {
    fn span(&self) -> Millis {
        Millis(self.waits.iter().map(|wait| wait.0).sum())
    }

    /// Returns how long to wait behind so many failed attempts (at least 1); `None` = give up.
    ///
    /// What is older than the whole schedule waits no more: a backlog that grew behind a dead receiver gets one attempt each.
    /// `asked` is what the receiver asked for; it is obeyed where it is longer.
    #[must_use]
    pub fn wait(&self, attempts: usize, at: UnixMs, now: UnixMs, asked: Option<Millis>) -> Option<Millis> {
        let wait = self.waits.get(attempts.saturating_sub(1)).filter(|_| now.since(at) <= self.span().plus(SLACK))?;
        let part = wait.0.saturating_mul(self.jitter_percent) / 100;
        let jittered = wait.0.saturating_sub(part).saturating_add(rand::rng().random_range(0..=part.saturating_mul(2)));
        Some(Millis(jittered).max(asked.unwrap_or_default().min(ASKED_MAX)))
    }
}

/// Reads the header `retry-after`: seconds or a date.
#[must_use]
pub fn asked_wait(header: &str, now_seconds: u64) -> Option<Millis> {
    if let Ok(seconds) = header.trim().parse::<u64>() {
        return Some(Millis(seconds.saturating_mul(1000)));
    }
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header.trim()).ok()?;
    let seconds = u64::try_from(date.as_second()).ok()?;
    Some(Millis(seconds.saturating_sub(now_seconds).saturating_mul(1000)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_follow_the_table_and_end() {
        let schedule = Schedule { waits: vec![Millis(1000), Millis(5000)], jitter_percent: 20 };
        let wait = |attempts, age| schedule.wait(attempts, UnixMs(0), UnixMs(age), None);
        for _ in 0..100 {
            assert!((800..=1200).contains(&wait(1, 0).unwrap().0));
            assert!((4000..=6000).contains(&wait(2, 6000).unwrap().0));
        }
        assert_eq!(wait(3, 0), None);
        assert!(wait(1, 66_000).is_some());
        assert_eq!(wait(1, 66_001), None, "older than the schedule");
        assert_eq!(schedule.wait(1, UnixMs(0), UnixMs(0), Some(Millis(9000))), Some(Millis(9000)));
        assert_eq!(schedule.wait(1, UnixMs(0), UnixMs(0), Some(Millis(u64::MAX))), Some(ASKED_MAX));
    }

    #[test]
    fn a_receiver_asks_in_seconds_or_by_date() {
        assert_eq!(asked_wait("120", 0), Some(Millis(120_000)));
        assert_eq!(asked_wait("Wed, 21 Oct 2015 07:28:00 GMT", 1_445_412_470), Some(Millis(10_000)));
        assert_eq!(asked_wait("Wed, 21 Oct 2015 07:28:00 GMT", 1_545_412_470), Some(Millis(0)));
        assert_eq!(asked_wait("soon", 0), None);
    }
}
