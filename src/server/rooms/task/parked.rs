//! Requests that wait for something new.
use crate::{
    hub::{code::Code, time::UnixMs},
    server::msg::{PollReply, Polled, Refusal, refusal},
};
use std::collections::BTreeMap;

/// Who waits, in the order in which their time ends. All of them have everything that there is.
#[derive(Debug, Default)]
pub(super) struct Parked {
    by_end: BTreeMap<(UnixMs, u64), PollReply>,
    count: u64,
}

impl Parked {
    /// Lets a request wait, or answers it `busy` if `max` do already.
    pub fn park(&mut self, reply: PollReply, until: UnixMs, max: usize) {
        if self.by_end.len() >= max {
            self.by_end.retain(|_, reply| !reply.is_closed());
        }
        if self.by_end.len() >= max {
            let _ = reply.send(Err(refusal(Code::Busy)));
            return;
        }
        self.count += 1;
        self.by_end.insert((until, self.count), reply);
    }

    /// Refuses everybody.
    pub fn refuse(&mut self, refused: &Refusal) {
        for reply in std::mem::take(&mut self.by_end).into_values() {
            let _ = reply.send(Err(refused.clone()));
        }
    }

    /// Answers everybody.
    pub fn release(&mut self, answer: &Polled) {
        for reply in std::mem::take(&mut self.by_end).into_values() {
            let _ = reply.send(Ok(answer.clone()));
        }
    }

    /// Answers those whose time is over.
    pub fn expire(&mut self, now: UnixMs, answer: &Polled) {
        let later = self.by_end.split_off(&(now, u64::MAX));
        for reply in std::mem::replace(&mut self.by_end, later).into_values() {
            let _ = reply.send(Ok(answer.clone()));
        }
    }

    /// Returns when the first one's time is over.
    pub fn next_end(&self) -> Option<UnixMs> {
        self.by_end.keys().next().map(|(at, _)| *at)
    }

    /// Returns how many wait.
    pub fn len(&self) -> usize {
        self.by_end.len()
    }

    /// Tells whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.by_end.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::{cursor::Cursor, id::CommitId};
    use bytes::Bytes;
    use tokio::sync::oneshot;

    #[test]
    fn whoever_has_gone_makes_place() {
        let cursor = Cursor { rev: 1, commit: CommitId(1) };
        let (mut parked, answer) = (Parked::default(), Polled { cursor, news: true, body: Bytes::from_static(b"{}") });
        let (first, gone) = oneshot::channel();
        parked.park(first, UnixMs(5), 2);
        drop(gone);
        let (second, mut waits) = oneshot::channel();
        parked.park(second, UnixMs(9), 2);
        let (third, mut waits_too) = oneshot::channel();
        parked.park(third, UnixMs(7), 2);
        let (fourth, mut refused) = oneshot::channel();
        parked.park(fourth, UnixMs(8), 2);
        assert_eq!(refused.try_recv().unwrap().unwrap_err().code, Code::Busy);
        parked.expire(UnixMs(7), &answer);
        assert_eq!(waits_too.try_recv().unwrap().unwrap(), answer);
        assert!(waits.try_recv().is_err());
        assert_eq!(parked.next_end(), Some(UnixMs(9)));
        parked.release(&answer);
        assert_eq!(waits.try_recv().unwrap().unwrap(), answer);
        assert!(parked.is_empty());
    }
}
