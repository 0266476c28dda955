//! What is written down of when sessions were last heard, and when: for whoever clears up after this node, should it die.
//! It is written for all sessions at once, so a heartbeat itself goes nowhere. The actor does the writing.
use crate::hub::{
    id::SessionId,
    time::{Millis, UnixMs},
};

/// The shortest time between two writes, where there are few sessions.
const WRITE_MIN: Millis = Millis(50);
/// How many sessions are looked at in a millisecond on average, until the time between two writes is the configured one.
const PER_MS: usize = 25;
/// How long the answer to a ping takes at most; until then it is expected at every moment.
const ANSWER: Millis = Millis(1_000);

/// What is written and what is not.
#[derive(Debug, Default)]
pub(super) struct SeenLog {
    pub look_at: UnixMs,
    pub writing: bool,
    /// Sessions that are written and not here any more.
    pub gone: Vec<SessionId>,
}

impl SeenLog {
    /// Returns when there is to be looked, if there are sessions.
    pub fn next_look(&self, sessions: usize) -> Option<UnixMs> {
        (!self.writing && sessions > 0).then_some(self.look_at)
    }

    /// Begins a look at so many sessions, if it is time for one. Returns when the next is due, at least: `most` where there are many.
    pub fn begin(&mut self, now: UnixMs, sessions: usize, most: Millis) -> Option<Millis> {
        if self.writing || self.look_at > now {
            return None;
        }
        let every = Millis(u64::try_from(sessions / PER_MS).unwrap_or(u64::MAX)).max(WRITE_MIN).min(most);
        self.look_at = now.plus(every);
        Some(every)
    }

    /// A session is not here any more.
    pub fn forget(&mut self, session: &SessionId) {
        self.gone.push(session.clone());
    }
}

/// Returns what is written of a session. Just when its answer to a ping is due it counts as given until the next write: somebody whose
/// answer is heard and not yet written must not be taken for one who has been silent since the ping before.
pub(super) fn written(at: UnixMs, now: UnixMs, every: Millis, ping: Millis) -> UnixMs {
    let (asked, until) = (at.plus(ping), now.plus(every));
    if asked <= until && now < asked.plus(ANSWER) { until } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_that_is_due_counts_as_given() {
        let at = |at, now| written(UnixMs(at), UnixMs(now), Millis(500), Millis(25_000)).0;
        assert_eq!(at(10_000, 11_000), 10_000, "heard a second ago");
        assert_eq!(at(10_000, 34_400), 10_000, "the ping is not sent before the next write");
        assert_eq!(at(10_000, 34_600), 35_100, "it is");
        assert_eq!(at(10_000, 35_900), 36_400, "the answer may be on its way");
        assert_eq!(at(10_000, 36_000), 10_000, "there is none");
    }
}
