//! A Redis that is not kinder than life: it falls back to what its replica has, forgets everything, keeps its answers and its messages to itself.
use michub::{
    hub::{
        chain::{GiveBack, Keep, Link, Marks, behind, give_back},
        cursor::Cursor,
        time::{Millis, UnixMs},
    },
    wire::record::commit_time,
};
use std::collections::{BTreeMap, VecDeque};

/// How much in front of a snapshot stays readable.
pub const KEEP: Keep = Keep { revs: 2, span: Millis(5_000), most: 100_000 };

/// One commit as it is kept.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub link: Link,
    pub record: Vec<u8>,
}

/// What happens to an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    None,
    /// It is done, and the answer is lost.
    LostReply,
    /// It never arrives, and nobody says so.
    LostOnTheWay,
}

/// What the store says; nothing at all = no answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    Ok,
    /// The head is another one: the log behind the expected position, if that is in it.
    Moved(Option<Vec<Entry>>),
    Nothing,
}

/// What came of giving it back what it has lost.
#[derive(Clone, Debug, PartialEq)]
pub enum Restored {
    Done,
    Behind(Vec<Entry>),
    Fork,
}

#[derive(Clone, Debug, Default)]
struct Kept {
    head: Option<Cursor>,
    snapshot: Option<(Cursor, Vec<u8>)>,
    log: Vec<Entry>,
    marks: Marks,
}

/// One room in it, its replica, and its subscribers.
pub struct Redis {
    now: Kept,
    replica: Kept,
    /// What waits for each node.
    pub inbox: Vec<VecDeque<Entry>>,
    /// Every entry that there ever was, by the position to which it leads.
    pub ever: BTreeMap<(u64, u64), Entry>,
    /// How often something was lost.
    pub losses: u64,
}

fn key(at: Cursor) -> (u64, u64) {
    (at.rev, at.commit.0)
}

impl Redis {
    /// A room that was just created.
    pub fn new(nodes: usize, at: Cursor, snapshot: Vec<u8>) -> Self {
        let now = Kept { head: Some(at), snapshot: Some((at, snapshot)), ..Kept::default() };
        Self { replica: now.clone(), now, inbox: vec![VecDeque::new(); nodes], ever: BTreeMap::new(), losses: 0 }
    }

    /// The log's head; nothing = the room is not there.
    pub const fn head(&self) -> Option<Cursor> {
        self.now.head
    }

    /// Appends a commit if the head is where it builds. `deaf` nodes miss the message.
    pub fn commit(&mut self, entry: &Entry, snapshot: Option<Vec<u8>>, deaf: &[usize], fault: Fault) -> Said {
        if fault == Fault::LostOnTheWay {
            return Said::Nothing;
        }
        let said = if self.now.head == Some(entry.link.prev) {
            self.append(entry.clone(), deaf);
            if let Some(snapshot) = snapshot {
                let at = entry.link.cursor;
                self.now.snapshot = Some((at, snapshot));
                let low = self.now.marks.note(at.rev, commit_time(&entry.record).unwrap_or(UnixMs(0)), KEEP);
                self.now.log.retain(|old| old.link.cursor.rev >= low);
            }
            Said::Ok
        } else {
            self.moved(entry.link.prev)
        };
        if fault == Fault::LostReply { Said::Nothing } else { said }
    }

    fn append(&mut self, entry: Entry, deaf: &[usize]) {
        self.now.head = Some(entry.link.cursor);
        self.ever.insert(key(entry.link.cursor), entry.clone());
        for (node, inbox) in self.inbox.iter_mut().enumerate() {
            if !deaf.contains(&node) {
                inbox.push_back(entry.clone());
            }
        }
        self.now.log.push(entry);
    }

    fn moved(&self, expected: Cursor) -> Said {
        let links: Vec<Link> = self.now.log.iter().map(|entry| entry.link).collect();
        let known = behind(expected, &links).map(|since| self.now.log[links.len() - since.len()..].to_vec());
        Said::Moved(known.filter(|_| self.now.head.is_some()))
    }

    /// Tells whether `at` is the head.
    pub fn confirm(&self, at: Cursor) -> Said {
        if self.now.head == Some(at) { Said::Ok } else { self.moved(at) }
    }

    /// Takes from a replica of the room what it has lost itself.
    pub fn restore(&mut self, at: Cursor, snapshot: Vec<u8>, entries: &[Entry]) -> Restored {
        let links: Vec<Link> = entries.iter().map(|entry| entry.link).collect();
        match give_back(self.now.head, at, &links) {
            GiveBack::Same => Restored::Done,
            GiveBack::Seed => {
                self.now =
                    Kept { head: Some(at), snapshot: Some((at, snapshot)), log: entries.to_vec(), marks: Marks::default() };
                Restored::Done
            }
            GiveBack::Append(from) => {
                for entry in &entries[from..] {
                    self.append(entry.clone(), &[]);
                }
                Restored::Done
            }
            GiveBack::Nothing => match self.moved(at) {
                Said::Moved(Some(since)) => Restored::Behind(since),
                _ => Restored::Fork,
            },
        }
    }

    /// Reads snapshot and log in one step.
    pub fn load(&self) -> Option<(Vec<u8>, Vec<Entry>)> {
        let (at, snapshot) = self.now.snapshot.clone()?;
        self.now.head?;
        Some((snapshot, self.now.log.iter().filter(|entry| entry.link.cursor.rev > at.rev).cloned().collect()))
    }

    /// The log from a position to the head, for clients that go on where they were.
    pub fn since(&self, at: Cursor) -> Option<Vec<Entry>> {
        let from = self.now.log.iter().position(|entry| entry.link.prev == at)?;
        Some(self.now.log[from..].to_vec())
    }

    /// The replica has caught up.
    pub fn replicate(&mut self) {
        self.replica = self.now.clone();
    }

    /// The server dies, and its replica takes over with what it has.
    pub fn fail_over(&mut self) {
        self.losses += u64::from(self.now.head != self.replica.head);
        self.now = self.replica.clone();
    }

    /// Everything is gone.
    pub fn wipe(&mut self) {
        self.losses += 1;
        self.now = Kept::default();
        self.replica = Kept::default();
    }

    /// Nobody's messages survive a change of the server.
    pub fn drop_messages(&mut self, node: usize) {
        self.inbox[node].clear();
    }

    /// The history that leads to the head, oldest first.
    pub fn history(&self) -> Vec<Entry> {
        let mut back = Vec::new();
        let mut at = self.now.head;
        while let Some(entry) = at.and_then(|at| self.ever.get(&key(at))) {
            back.push(entry.clone());
            at = Some(entry.link.prev);
        }
        back.reverse();
        back
    }
}
