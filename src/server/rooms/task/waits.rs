//! Requests that wait: for the room's next update, or for the next message that is kept.
use super::{Task, parked::Parked};
use crate::hub::{
    cursor::Cursor,
    id::CommitId,
    time::{Millis, UnixMs},
};
use crate::server::msg::PollReply;

/// How many messages one answer has at most.
const PAGE_MAX: usize = 200;
/// Where every stream begins.
pub(super) const START: Cursor = Cursor { rev: 0, commit: CommitId(0) };

/// Who waits for messages. All of them stand at one position.
pub(super) struct Ears {
    parked: Parked,
    at: Cursor,
}

impl Default for Ears {
    fn default() -> Self {
        Self { parked: Parked::default(), at: START }
    }
}

impl Task {
    /// Returns when the first of those who wait has waited long enough.
    pub(super) fn next_wait(&self) -> Option<UnixMs> {
        self.parked.next_end().into_iter().chain(self.ears.parked.next_end()).min()
    }

    /// Tells whether anybody waits.
    pub(super) fn is_waited_for(&self) -> bool {
        !self.parked.is_empty() || !self.ears.parked.is_empty()
    }

    fn waits_max(&self) -> usize {
        self.home.rooms.deps().settings.load().long_polls_max.saturating_sub(self.parked.len() + self.ears.parked.len())
    }

    /// Lets a request wait for the next update.
    pub(super) fn wait_for_update(&mut self, reply: PollReply, wait: Millis) {
        let max = self.parked.len() + self.waits_max();
        self.parked.park(reply, self.now().plus(wait), max);
    }

    /// Lets a request wait for the next message, if it has every one that there is; else it is given back.
    pub(super) async fn wait_for_message(&mut self, since: Option<Cursor>, wait: Millis, reply: PollReply) -> Option<PollReply> {
        let rooms = self.home.rooms.clone();
        let known = self.talking.load(&*rooms.deps().store, &self.home.id).await;
        let head = self.talking.head.unwrap_or(START);
        if wait == Millis(0) || !known || since != Some(head) {
            return Some(reply);
        }
        self.tend_messages().await;
        self.ears.at = head;
        let max = self.ears.parked.len() + self.waits_max();
        self.ears.parked.park(reply, self.now().plus(wait), max);
        None
    }

    /// Answers everybody who waits for an update, because the room has moved on from `before`.
    pub(super) fn release(&mut self, before: Cursor) {
        if !self.parked.is_empty() {
            let answer = self.polled(Some(before));
            self.parked.release(&answer);
        }
    }

    /// Answers those who have waited long enough.
    pub(super) async fn tend_waits(&mut self) {
        if self.parked.next_end().is_some_and(|at| at <= self.now()) {
            let answer = self.polled(Some(self.room.head));
            self.parked.expire(self.now(), &answer);
        }
        self.tend_messages().await;
    }

    /// Answers everybody who waits for a message if there is one, and those who have waited long enough.
    async fn tend_messages(&mut self) {
        if self.ears.parked.is_empty() {
            return;
        }
        let (at, head) = (self.ears.at, self.talking.head.unwrap_or(START));
        let due = self.ears.parked.next_end().is_some_and(|end| end <= self.now());
        if at == head && !due {
            return;
        }
        match self.messages_page(Some(at), None, PAGE_MAX).await {
            Ok(page) if at != head => self.ears.parked.release(&page),
            Ok(page) => self.ears.parked.expire(self.now(), &page),
            Err(refused) => self.ears.parked.refuse(&refused),
        }
    }
}
