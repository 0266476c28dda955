//! How fast a client may send: token buckets per connection and per user, and the strikes that end a flood.
use crate::hub::id::UserId;
use crate::server::clock::Mono;
use dashmap::DashMap;
use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

/// How many strikes end a connection.
const STRIKES: usize = 3;
/// Within which time.
const STRIKE_WINDOW_MS: u64 = 10_000;

/// How many refusals a connection hears in one second; what it sends beyond is read in the next one.
const REFUSALS: u32 = 1_000;

/// What reading costs, in thousandths of a frame.
const READ: u64 = 200;

/// A token bucket; a rate of 0 lets everything through.
#[derive(Clone, Debug)]
pub struct Bucket {
    per_second: u64,
    /// Thousandths of a frame.
    credit: u64,
    max: u64,
    at: Mono,
}

impl Bucket {
    /// Starts full.
    #[must_use]
    pub fn new(per_second: u64, burst: u64, now: Mono) -> Self {
        let max = burst.max(per_second).max(1).saturating_mul(1_000);
        Self { per_second, credit: max, max, at: now }
    }

    /// Starts anew, full, if the rate is another one.
    pub fn set_rate(&mut self, per_second: u64, now: Mono) {
        if self.per_second != per_second {
            *self = Self::new(per_second, per_second, now);
        }
    }

    fn earn(&mut self, now: Mono) {
        let earned = now.since(self.at).saturating_mul(self.per_second);
        self.credit = self.credit.saturating_add(earned).min(self.max);
        self.at = now;
    }

    /// Tells whether nothing has been taken out that is not back.
    pub fn is_full(&mut self, now: Mono) -> bool {
        self.earn(now);
        self.credit == self.max
    }

    /// Takes one out, if there is one.
    pub fn take(&mut self, now: Mono) -> bool {
        self.take_many(1, now)
    }

    /// Takes so many out, if they are there; more than the bucket holds count as all that it holds.
    pub fn take_many(&mut self, count: u64, now: Mono) -> bool {
        self.spend(count.saturating_mul(1_000), now)
    }

    fn spend(&mut self, thousandths: u64, now: Mono) -> bool {
        if self.per_second == 0 {
            return true;
        }
        let price = thousandths.min(self.max);
        self.earn(now);
        let enough = self.credit >= price;
        self.credit -= if enough { price } else { 0 };
        enough
    }
}

/// What a connection hears about a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is handled.
    Fine,
    /// It is refused.
    TooFast,
    /// It is refused, and the connection is closed.
    Enough,
}

/// The rate of one connection. A strike is a second in which a frame was refused.
#[derive(Debug)]
pub struct Rates {
    bucket: Bucket,
    strikes: VecDeque<u64>,
    /// Refusals in the second of the last strike.
    refused: u32,
}

impl Rates {
    /// Starts without strikes.
    #[must_use]
    pub fn new(per_second: u64, burst: u64, now: Mono) -> Self {
        Self { bucket: Bucket::new(per_second, burst, now), strikes: VecDeque::new(), refused: 0 }
    }

    /// Counts a frame; `user_ok` = the rate of its user lets it through.
    pub fn take(&mut self, now: Mono, user_ok: bool) -> Verdict {
        if self.bucket.take(now) && user_ok {
            return Verdict::Fine;
        }
        let second = now.0 / 1000;
        if self.strikes.back() != Some(&second) {
            self.strikes.push_back(second);
            self.refused = 0;
        }
        self.refused = self.refused.saturating_add(1);
        while self.strikes.front().is_some_and(|first| (second - first) * 1000 >= STRIKE_WINDOW_MS) {
            self.strikes.pop_front();
        }
        if self.strikes.len() >= STRIKES { Verdict::Enough } else { Verdict::TooFast }
    }

    /// Returns how long nothing more is read from a flood: until its next second. `None`: it is none.
    #[must_use]
    pub fn rest(&self, now: Mono) -> Option<Duration> {
        let floods = self.refused >= REFUSALS && self.strikes.back() == Some(&(now.0 / 1000));
        floods.then(|| Duration::from_millis(1000 - now.0 % 1000))
    }
}

/// The rates of users over all their devices.
#[derive(Clone, Debug)]
pub struct UserRates {
    per_second: Arc<AtomicU64>,
    by_user: Arc<DashMap<UserId, Bucket>>,
    prune_at: Arc<AtomicUsize>,
}

impl UserRates {
    /// Starts with nobody; 0 = no limit.
    #[must_use]
    pub fn new(per_second: u64) -> Self {
        Self { per_second: Arc::new(per_second.into()), by_user: Arc::default(), prune_at: Arc::default() }
    }

    /// Counts a frame of a user.
    #[must_use]
    pub fn take(&self, user: &UserId, now: Mono) -> bool {
        self.spend(user, 1_000, now)
    }

    /// Counts something that a user reads: whoever polls a busy room asks more often than he says something.
    #[must_use]
    pub fn take_read(&self, user: &UserId, now: Mono) -> bool {
        self.spend(user, READ, now)
    }

    fn spend(&self, user: &UserId, thousandths: u64, now: Mono) -> bool {
        let per_second = self.per_second.load(Relaxed);
        if per_second == 0 {
            return true;
        }
        if let Some(mut bucket) = self.by_user.get_mut(user) {
            bucket.set_rate(per_second, now);
            return bucket.spend(thousandths, now);
        }
        if self.by_user.len() >= self.prune_at.load(Relaxed) {
            self.by_user.retain(|_, bucket| !bucket.is_full(now));
            self.prune_at.store(self.by_user.len() * 2 + 1024, Relaxed);
        }
        let fresh = || Bucket::new(per_second, per_second, now);
        self.by_user.entry(user.clone()).or_insert_with(fresh).spend(thousandths, now)
    }

    /// Changes the rate for everybody; 0 = no limit.
    pub fn set(&self, per_second: u64) {
        self.per_second.store(per_second, Relaxed);
    }

    /// Forgets a user unless he has just sent something: coming again must not give a flood a fresh bucket.
    pub fn forget(&self, user: &UserId, now: Mono) {
        self.by_user.remove_if_mut(user, |_, bucket| bucket.is_full(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_fills_at_its_rate() {
        let mut bucket = Bucket::new(10, 20, Mono(0));
        assert_eq!((0..50).filter(|_| bucket.take(Mono(0))).count(), 20);
        assert_eq!((0..50).filter(|_| bucket.take(Mono(500))).count(), 5);
        assert_eq!((0..50).filter(|_| Bucket::new(0, 0, Mono(0)).take(Mono(0))).count(), 50);
    }

    #[test]
    fn coming_again_does_not_fill_a_users_bucket() {
        let (rates, user) = (UserRates::new(5), UserId::parse("u").unwrap());
        assert_eq!((0..9).filter(|_| rates.take(&user, Mono(0))).count(), 5);
        rates.forget(&user, Mono(10));
        assert!(!rates.take(&user, Mono(10)));
        assert_eq!((0..99).filter(|_| rates.take_read(&user, Mono(1_010))).count(), 25);
        rates.forget(&user, Mono(3_000));
        assert!(rates.by_user.is_empty());
        for n in 0..5000 {
            assert!(rates.take(&UserId::parse(&format!("u{n}")).unwrap(), Mono(3_000 + n * 10)));
        }
        assert!(rates.by_user.len() < 2000, "{}", rates.by_user.len());
    }

    #[test]
    fn a_flood_is_not_read_before_its_next_second() {
        let at = |ms| Mono(ms);
        let mut rates = Rates::new(1, 1, at(1_200));
        let said = (0..=REFUSALS).map(|_| (rates.take(at(1_200), true), rates.rest(at(1_200)))).last();
        assert_eq!(said, Some((Verdict::TooFast, Some(Duration::from_millis(800)))));
        assert_eq!(rates.rest(at(2_000)), None);
        assert_eq!(rates.take(at(2_000), true), Verdict::TooFast);
        assert_eq!(rates.rest(at(2_000)), None);
    }

    #[test]
    fn three_bad_seconds_out_of_ten_are_enough() {
        let flood = |seconds: &[u64]| {
            let mut rates = Rates::new(1, 1, Mono(0));
            let mut last = Verdict::Fine;
            for second in seconds {
                for _ in 0..5 {
                    last = rates.take(Mono(second * 1000), true);
                }
            }
            last
        };
        assert_eq!(flood(&[0]), Verdict::TooFast);
        assert_eq!(flood(&[0, 1]), Verdict::TooFast);
        assert_eq!(flood(&[0, 5, 9]), Verdict::Enough);
        assert_eq!(flood(&[0, 9, 18]), Verdict::TooFast);
    }
}
