//! Whether a media server lives: by its signs of life, and by whether it answers. A silent one is suspected first, asked, and only then dead.
use crate::{
    hub::time::{Millis, UnixMs},
    wire::media::Sign,
};

/// So many signs of life must be missing before a server is suspected.
const MISSED: u64 = 3;
/// So many lists in a row must fail before a suspected server is dead.
const FAILED: u8 = 2;
/// For how long a suspected server that cannot be asked may still show that it lives.
const UNASKED: Millis = Millis(10_000);
/// A server that nobody reaches for so long is dead, also if it never gave a sign of life; so many lists must have failed by then.
const UNREACHED: Millis = Millis(5 * 60_000);
const UNREACHED_LISTS: u32 = 3;
/// What was under way when a server took leave is no sign that it lives.
const LAST_WORDS: Millis = Millis(5_000);

/// What is known of one server's life.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// When it last showed that it lives; 0 = it is not watched, as it gives no signs.
    alive_at: UnixMs,
    suspect_since: Option<UnixMs>,
    failed: u8,
    /// Since when it cannot be reached, and how often that was tried.
    unreached: Option<(UnixMs, u32)>,
}

impl Pulse {
    /// The server said something of itself.
    pub fn heard(&mut self, sign: Sign, at: UnixMs) {
        match sign {
            Sign::Alive | Sign::Started => {
                self.unreached = None;
                self.alive_at = self.alive_at.max(at);
                if self.suspect_since.is_some_and(|since| since <= at) {
                    self.suspect_since = None;
                    self.failed = 0;
                }
            }
            Sign::Exited => _ = self.suspect_since.get_or_insert(at),
        }
    }

    /// It reported a stream, so it lives, if it is watched at all.
    pub fn reported(&mut self, at: UnixMs) {
        self.unreached = None;
        let last_words = self.suspect_since.is_some_and(|since| at < since.plus(LAST_WORDS));
        if self.alive_at > UnixMs(0) && !last_words {
            self.heard(Sign::Alive, at);
        }
    }

    /// It answered a question put then, or did not. What was asked before it took leave says nothing of now.
    pub fn asked(&mut self, answered: bool, at: UnixMs) {
        if answered {
            self.unreached = None;
            if self.suspect_since.is_none_or(|since| since <= at) {
                self.suspect_since = None;
                self.failed = 0;
            }
            if self.alive_at > UnixMs(0) {
                self.alive_at = self.alive_at.max(at);
            }
        } else if self.suspect_since.is_some() {
            self.failed = self.failed.saturating_add(1);
        }
    }

    /// There was no answer at all to a question put then.
    pub fn unreached(&mut self, at: UnixMs) {
        let (since, lists) = self.unreached.unwrap_or((at, 0));
        self.unreached = Some((since, lists.saturating_add(1)));
        if lists + 1 >= UNREACHED_LISTS && since.plus(UNREACHED) <= at {
            self.suspect_since.get_or_insert(since);
            self.failed = FAILED;
        }
    }

    /// Tells whether it is to be asked soon: it is suspected.
    pub fn look(&mut self, now: UnixMs, every: Millis) -> bool {
        let silent = every.0 > 0 && self.alive_at > UnixMs(0) && self.alive_at.plus(Millis(every.0.saturating_mul(MISSED))) < now;
        if silent {
            self.suspect_since.get_or_insert(now);
        }
        self.suspect_since.is_some()
    }

    /// Returns since when it has been dead, once.
    pub fn take_death(&mut self, now: UnixMs, asked: bool) -> Option<UnixMs> {
        let since = self.suspect_since?;
        let dead = if asked { self.failed >= FAILED } else { since.plus(UNASKED) <= now };
        dead.then(|| {
            *self = Self::default();
            since
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const EVERY: Millis = Millis(10_000);

    #[test]
    fn a_silent_server_is_suspected_asked_and_then_dead() {
        let mut pulse = Pulse::default();
        assert!(!pulse.look(UnixMs(1_000_000), EVERY), "one that never gave a sign is not watched");
        pulse.heard(Sign::Alive, UnixMs(1_000));
        assert!(!pulse.look(UnixMs(31_000), EVERY));
        assert!(pulse.look(UnixMs(31_001), EVERY));
        pulse.asked(true, UnixMs(32_000));
        assert!(!pulse.look(UnixMs(33_000), EVERY), "it answers");
        assert!(pulse.look(UnixMs(70_000), EVERY));
        pulse.asked(false, UnixMs(71_000));
        assert_eq!(pulse.take_death(UnixMs(71_000), true), None);
        pulse.asked(false, UnixMs(72_000));
        assert_eq!(pulse.take_death(UnixMs(72_000), true), Some(UnixMs(70_000)));
        assert_eq!(pulse.take_death(UnixMs(99_000), true), None, "once");
    }

    #[test]
    fn a_server_that_nobody_reaches_is_dead_in_the_end() {
        const LIST: u64 = 30_000;
        let mut pulse = Pulse::default();
        let fail = |pulse: &mut Pulse, list: u64| {
            pulse.asked(false, UnixMs(list * LIST));
            pulse.unreached(UnixMs(list * LIST));
            pulse.take_death(UnixMs(list * LIST), true)
        };
        assert!((1..=10).all(|list| fail(&mut pulse, list).is_none()));
        pulse.reported(UnixMs(10 * LIST + 1));
        assert!((11..=20).all(|list| fail(&mut pulse, list).is_none()), "a callback has come");
        assert_eq!(fail(&mut pulse, 21), Some(UnixMs(11 * LIST)));
        assert_eq!(fail(&mut pulse, 22), None, "once");
        assert_eq!(fail(&mut pulse, 600), None, "two lists in five minutes are too few");
    }

    #[test]
    fn whoever_took_leave_may_come_back() {
        let mut pulse = Pulse::default();
        pulse.heard(Sign::Alive, UnixMs(1_000));
        pulse.heard(Sign::Exited, UnixMs(2_000));
        pulse.reported(UnixMs(3_000));
        assert!(pulse.look(UnixMs(3_000), EVERY), "a last word");
        pulse.heard(Sign::Started, UnixMs(4_000));
        assert!(!pulse.look(UnixMs(4_000), EVERY));
        pulse.heard(Sign::Exited, UnixMs(5_000));
        assert_eq!(pulse.take_death(UnixMs(14_999), false), None);
        assert_eq!(pulse.take_death(UnixMs(15_000), false), Some(UnixMs(5_000)));
    }
}
