//! How a replica keeps to one history while others write to it too: what a commit that is heard means, what a refused offer means, what a
//! store that has lost something gets back. Positions only: it reads no records and asks nobody.
use super::{
    cursor::Cursor,
    time::{Millis, UnixMs},
};

/// A commit's place in a history: the position on which it builds, and the one to which it leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// On which position it builds.
    pub prev: Cursor,
    /// To which it leads.
    pub cursor: Cursor,
}

/// What a commit is to a replica that hears of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The replica has it.
    Known,
    /// It follows the head: apply it.
    Next,
    /// Something is missing in between, or it belongs to another history: look at the store.
    Gap,
}

/// Says what a commit is to a replica at `head`. `holds` = whether a position is among the replica's newest.
pub fn heard(head: Cursor, link: Link, holds: impl FnOnce(Cursor) -> bool) -> Heard {
    if link.cursor == head {
        Heard::Known
    } else if link.prev == head {
        Heard::Next
    } else if link.cursor.rev <= head.rev && holds(link.cursor) {
        Heard::Known
    } else {
        Heard::Gap
    }
}

/// What became of a commit when the store's head is not the position on which it builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offered {
    /// It is in the log: an earlier offer of it has arrived.
    Landed,
    /// It is not, and the log goes on from the replica's head: apply that, and decide again.
    Race,
    /// It is not, and the replica's head is not in the log: look closer, and decide again.
    Lost,
    /// It may have been written to a log that is not there any more: nobody can say.
    Unknown,
}

/// Judges a refused offer. `since` = the log behind the position on which it builds, `None` = that position is not in it;
/// `uncertain` = an earlier offer of the same commit had no answer.
#[must_use]
pub fn offered(mine: Cursor, since: Option<&[Link]>, uncertain: bool) -> Offered {
    match since {
        Some(links) if links.iter().any(|link| link.cursor == mine) => Offered::Landed,
        Some(_) => Offered::Race,
        None if uncertain => Offered::Unknown,
        None => Offered::Lost,
    }
}

/// Returns what a log (oldest first) holds behind a position, if the position is in it: what a store tells whoever took it for the head.
/// The Redis store's script reads the entries, and says so by the same test.
#[must_use]
pub fn behind(expected: Cursor, log: &[Link]) -> Option<&[Link]> {
    let since = log.get(log.partition_point(|link| link.cursor.rev <= expected.rev)..)?;
    since.first().is_some_and(|first| first.prev == expected).then_some(since)
}

/// What a store takes from a replica whose head it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GiveBack {
    /// It has lost the room: everything, and the state.
    Seed,
    /// It has lost nothing.
    Same,
    /// It has lost its newest commits: the replica's, from this index on.
    Append(usize),
    /// Nothing: it is ahead, or its history is another one.
    Nothing,
}

/// Says what a store at `store` takes of a replica at `mine` that still has `links`, oldest first. The Redis store's script does the same in one step.
#[must_use]
pub fn give_back(store: Option<Cursor>, mine: Cursor, links: &[Link]) -> GiveBack {
    match store {
        None => GiveBack::Seed,
        Some(head) if head == mine => GiveBack::Same,
        Some(head) => links.iter().position(|link| link.prev == head).map_or(GiveBack::Nothing, GiveBack::Append),
    }
}

/// How much of a log is kept, counted back from its head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// These many revs in any case.
    pub revs: u64,
    /// What is younger than this, so that a replica that was away goes on where it was.
    pub span: Millis,
    /// But never more revs than these.
    pub most: u64,
}

/// When which rev was reached, oldest first: noted with every snapshot, forgotten when it is of no use any more.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks(Vec<(u64, UnixMs)>);

impl Marks {
    /// Notes that the head is at `rev` since `at`. Returns the lowest rev that is kept. The Redis store's script does the same in one step.
    pub fn note(&mut self, rev: u64, at: UnixMs, keep: Keep) -> u64 {
        let floor = rev.saturating_sub(keep.most);
        self.0.retain(|(earlier, _)| *earlier < rev);
        let old = self.0.iter().rposition(|(_, then)| at.since(*then) >= keep.span);
        let low = old.and_then(|old| self.0.drain(..=old).next_back());
        self.0.splice(0..0, low);
        self.0.retain(|(earlier, _)| *earlier >= floor);
        self.0.push((rev, at));
        low.map_or(0, |(low, _)| low).max(floor).min(rev.saturating_sub(keep.revs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_as_old_as_the_span_need_not_stay() {
        let keep = Keep { revs: 0, span: Millis(100), most: 10 };
        for (at, low) in [(99, 0), (100, 1)] {
            let mut marks = Marks::default();
            assert_eq!(marks.note(1, UnixMs(0), keep), 0);
            assert_eq!(marks.note(2, UnixMs(at), keep), low, "{at}");
        }
    }
}
