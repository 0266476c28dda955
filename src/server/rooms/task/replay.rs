//! What was said, again: for whoever comes back to a room, and page by page over HTTP.
use super::{Task, talk::TAIL_BYTES, unavailable, waits::START};
use crate::server::{
    msg::{Frame, Polled, Refusal},
    store::{Kept, Page, Store},
};
use crate::{
    hub::{cursor::Cursor, time::UnixMs},
    wire::{
        codec::text_frame,
        membership::Messages,
        message::{self, decode_said},
    },
};

/// How many messages one replay may have.
const REPLAY_MAX: usize = 1000;

impl Task {
    fn keeps(&self, kept: &Kept, head: Cursor, now: UnixMs) -> bool {
        let settings = self.home.rooms.deps().settings.load().messages;
        kept.at.rev.saturating_add(settings.keep_max) > head.rev && now.since(kept.said_at) <= settings.keep
    }

    fn frame_of(&self, kept: &Kept, skipped: bool) -> Option<Frame> {
        let said = decode_said(&kept.record).ok()?;
        Some(Frame(text_frame(&message::room_message(&self.home.id, kept.at, &said, skipped))))
    }

    /// Returns where the messages stand, and those that a client has missed since its own position, if it names one.
    pub(super) async fn missed_messages(&mut self, since: Option<Cursor>) -> (Messages, Vec<Frame>) {
        let rooms = self.home.rooms.clone();
        let store = &*rooms.deps().store;
        if !self.talking.load(store, &self.home.id).await {
            return (Messages::default(), Vec::new());
        }
        let head = self.talking.head;
        let (Some(since), Some(end)) = (since.filter(|since| Some(*since) != head), head) else {
            return (Messages { head, skipped: false }, Vec::new());
        };
        let settings = rooms.deps().settings.load().messages;
        let now = self.now();
        let too_old = |said_at: UnixMs, count: usize| count > settings.page && now.since(said_at) > settings.replay_max_age;
        if let Some(at) = self.talking.tail.iter().position(|recent| recent.at == since) {
            let missed = || self.talking.tail.iter().skip(at + 1);
            let first = missed().next().map(|recent| recent.said_at);
            if !first.is_some_and(|first| too_old(first, missed().count())) {
                return (Messages { head, skipped: false }, missed().map(|recent| recent.frame.clone()).collect());
            }
        } else if since.rev < end.rev
            && let Some(frames) = self.stored_since(store, since, end, now, &too_old).await
        {
            return (Messages { head, skipped: false }, frames);
        }
        let newest = store.messages(&self.home.id, Page::Before(u64::MAX), settings.page).await;
        let list = newest.map(|read| read.list).unwrap_or_default();
        let list: Vec<&Kept> = list.iter().filter(|kept| self.keeps(kept, end, now)).collect();
        let frames = list.iter().enumerate().filter_map(|(index, kept)| self.frame_of(kept, index == 0)).collect();
        (Messages { head, skipped: true }, frames)
    }

    /// Reads everything after a position. `None`: it is not in the stream any more, or too much follows.
    async fn stored_since(
        &self,
        store: &dyn Store,
        since: Cursor,
        end: Cursor,
        now: UnixMs,
        too_old: &(dyn Fn(UnixMs, usize) -> bool + Sync),
    ) -> Option<Vec<Frame>> {
        let from = since.rev.saturating_sub(1);
        let mut list = store.messages(&self.home.id, Page::After(from), REPLAY_MAX + 1).await.ok()?.list;
        if since.rev > 0 {
            let known = list.first().is_some_and(|kept| kept.at == since);
            list = if known { list.split_off(1) } else { return None };
        }
        let first = list.first()?;
        let bytes: usize = list.iter().map(|kept| kept.record.len()).sum();
        let whole = list.last().is_some_and(|last| last.at == end) && first.at.rev == since.rev + 1;
        if !whole || bytes > TAIL_BYTES || !self.keeps(first, end, now) || too_old(first.said_at, list.len()) {
            return None;
        }
        Some(list.iter().filter_map(|kept| self.frame_of(kept, false)).collect())
    }

    /// Writes a page for HTTP: after a position (unknown or gone: the newest page, `skipped`), before a number, or the newest.
    pub(super) async fn messages_page(
        &mut self,
        since: Option<Cursor>,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Polled, Refusal> {
        let rooms = self.home.rooms.clone();
        let store = &*rooms.deps().store;
        if !self.talking.load(store, &self.home.id).await {
            return Err(unavailable("none"));
        }
        let end = self.talking.head.unwrap_or(START);
        if since == Some(end) {
            let body = message::messages_page(&[], end, false, false).into();
            return Ok(Polled { cursor: end, news: false, body });
        }
        let read = async |page, limit| {
            let read = store.messages(&self.home.id, page, limit).await;
            read.map(|read| read.list).map_err(|fault| {
                tracing::error!(room = %self.home.id, %fault, "the messages of a room cannot be read");
                unavailable("none")
            })
        };
        let now = self.now();
        let mut skipped = false;
        let mut list = match since {
            None => read(Page::Before(before.unwrap_or(u64::MAX)), limit).await?,
            Some(since) => {
                let list = read(Page::After(since.rev.saturating_sub(1)), limit.saturating_add(1)).await?;
                let known = list.first().is_some_and(|kept| kept.at == since) || since == START;
                skipped = !known;
                match list {
                    mut list if known && since.rev > 0 => list.split_off(1),
                    list if known => list,
                    _ => read(Page::Before(u64::MAX), limit).await?,
                }
            }
        };
        list.truncate(limit);
        let count = list.len();
        list.retain(|kept| self.keeps(kept, end, now));
        skipped |= since.is_some() && list.len() < count;
        let cursor = list.last().map_or(end, |last| last.at);
        let frames: Vec<Frame> =
            list.iter().enumerate().filter_map(|(index, kept)| self.frame_of(kept, skipped && index == 0)).collect();
        let bodies: Vec<Vec<u8>> = frames.iter().map(|frame| frame.payload().to_vec()).collect();
        let body = message::messages_page(&bodies, cursor, cursor != end, skipped).into();
        Ok(Polled { cursor, news: true, body })
    }
}
