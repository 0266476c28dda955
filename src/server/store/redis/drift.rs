//! The scripts repeat rules of `hub/chain.rs`, because they must hold in one step: the same random histories go through both, and whatever
//! the scripts say and keep must be what the functions say.
use super::{
    RedisStore,
    entries::id_text,
    rooms::{KEEP_REVS, KEEP_SPAN},
    testing,
};
use crate::hub::{
    chain::{self, GiveBack, Keep, Link, Marks},
    cursor::Cursor,
    id::{CommitId, RoomId},
    time::UnixMs,
};
use crate::server::store::{CommitError, LogEntry, Restored, Store};
use proptest::{prelude::*, test_runner::TestRunner};

/// What happens to a room; numbers choose among what there is, modulo how much that is.
#[derive(Clone, Debug)]
enum Step {
    /// A commit on the position `on` among all that there ever were; `snapshot` = with a state.
    Commit { on: usize, revs: u64, snapshot: bool },
    /// The newest offers again, as after a lost answer.
    Again { back: usize },
    /// Is this position the head still?
    Confirm { at: usize },
    /// A replica at `at` that remembers `deep` commits gives back what it has.
    Restore { at: usize, deep: usize },
    /// A failover takes the newest commits away.
    LoseTail { revs: usize },
    /// Everything is gone.
    Wipe,
}

fn step() -> impl Strategy<Value = Step> {
    let some = || 0..64_usize;
    prop_oneof![
        // The newest position is number 0.
        8 => (prop_oneof![4 => Just(0), 1 => some()], prop_oneof![1..4_u64, 1..200_u64], any::<bool>())
            .prop_map(|(on, revs, snapshot)| Step::Commit { on, revs, snapshot }),
        2 => (0..4_usize).prop_map(|back| Step::Again { back }),
        2 => some().prop_map(|at| Step::Confirm { at }),
        4 => (prop_oneof![2 => Just(0), 1 => some()], 0..12_usize).prop_map(|(at, deep)| Step::Restore { at, deep }),
        2 => (1..4_usize).prop_map(|revs| Step::LoseTail { revs }),
        1 => Just(Step::Wipe),
    ]
}

/// What the functions say that the store holds.
#[derive(Default)]
struct Model {
    head: Option<Cursor>,
    /// Where the snapshot is.
    at: Option<Cursor>,
    log: Vec<Link>,
    marks: Marks,
}

/// What is kept; the most that may be is little, so that it is reached.
const KEEP: Keep = Keep { revs: KEEP_REVS, span: KEEP_SPAN, most: 1_000 };

impl Model {
    fn commit(&mut self, link: Link, at: UnixMs, snapshot: bool) -> Result<(), Option<Vec<Link>>> {
        if self.head != Some(link.prev) {
            return Err(self.moved(link.prev));
        }
        self.log.push(link);
        self.head = Some(link.cursor);
        if snapshot {
            self.at = self.head;
            let low = self.marks.note(link.cursor.rev, at, KEEP);
            self.log.retain(|old| old.cursor.rev >= low);
        }
        Ok(())
    }

    fn moved(&self, expected: Cursor) -> Option<Vec<Link>> {
        self.head?;
        chain::behind(expected, &self.log).map(<[Link]>::to_vec)
    }
}

/// A history: the room in Redis, what the functions make of it, and every commit that was ever offered.
struct History<'a> {
    store: &'a RedisStore,
    server: &'a xtask::bed::Redis,
    room: RoomId,
    model: Model,
    /// Newest last; the first one leads to the creation and is never offered.
    ever: Vec<Link>,
    next: u64,
    /// How long a rev takes, in ms.
    pace: u64,
}

fn links(entries: &[LogEntry]) -> Vec<Link> {
    entries.iter().map(LogEntry::link).collect()
}

impl History<'_> {
    fn entry(&self, link: Link) -> LogEntry {
        let at = link.cursor.rev * self.pace;
        LogEntry { prev: link.prev, cursor: link.cursor, at: UnixMs(at), record: format!("{{\"at\":{at}}}").into() }
    }

    /// Returns the commit that was the `back`-th newest one, from the end of what is in the store.
    fn known(&self, back: usize) -> Link {
        let end = self.ever.iter().rposition(|link| Some(link.cursor) == self.model.head).unwrap_or(self.ever.len() - 1);
        let order: Vec<Link> = self.ever[..=end].iter().rev().chain(self.ever[end + 1..].iter()).copied().collect();
        order[back % order.len()]
    }

    async fn offer(&mut self, link: Link, snapshot: bool) {
        let entry = self.entry(link);
        let wanted = self.model.commit(link, entry.at, snapshot);
        let said = self.store.commit(&self.room, entry, snapshot.then(|| "state".into())).await;
        match (said, wanted) {
            (Ok(()), Ok(())) => {}
            (Err(CommitError::Mismatch { since }), Err(wanted)) => {
                // Its own commit among them means that it had landed.
                assert_eq!(since.as_deref().map(links), wanted, "behind {:?}", link.prev);
            }
            // The store looks for its own commit there, and says that it had landed.
            (Ok(()), Err(Some(since))) => assert!(since.contains(&link), "{link:?} is not in the log"),
            (said, wanted) => panic!("{link:?}: {said:?}, and by the functions {wanted:?}"),
        }
    }

    async fn take(&mut self, step: Step) {
        match step {
            Step::Commit { on, revs, snapshot } => {
                let prev = self.known(on).cursor;
                self.next += 1;
                let link = Link { prev, cursor: Cursor { rev: prev.rev + revs, commit: CommitId(self.next) } };
                self.ever.push(link);
                self.offer(link, snapshot).await;
            }
            Step::Again { back } => {
                let link = self.known(back);
                if link.prev != link.cursor {
                    self.offer(link, false).await;
                }
            }
            Step::Confirm { at } => {
                let at = self.known(at).cursor;
                let wanted = if self.model.head == Some(at) { Ok(()) } else { Err(self.model.moved(at)) };
                let said = match self.store.audit(&self.room, at).await {
                    Ok(()) => Ok(()),
                    Err(CommitError::Mismatch { since }) => Err(since.as_deref().map(links)),
                    Err(error) => panic!("{error}"),
                };
                assert_eq!(said, wanted, "at {at:?}");
            }
            Step::Restore { at, deep } => self.restore(at, deep).await,
            Step::LoseTail { revs } => self.lose(revs),
            Step::Wipe => {
                self.server.ask("FLUSHALL").unwrap();
                self.model = Model::default();
            }
        }
        self.compare().await;
    }

    async fn restore(&mut self, at: usize, deep: usize) {
        let mut chain = vec![self.known(at)];
        while chain.len() <= deep
            && let Some(before) = self.ever.iter().find(|link| link.cursor == chain[chain.len() - 1].prev)
            && before.prev != before.cursor
        {
            chain.push(*before);
        }
        chain.reverse();
        chain.retain(|link| link.prev != link.cursor);
        let mine = self.known(at).cursor;
        let entries = chain.iter().map(|link| self.entry(*link)).collect();
        let said = self.store.restore(&self.room, mine, "state".into(), entries).await.unwrap();
        let wanted = match chain::give_back(self.model.head, mine, &chain) {
            GiveBack::Seed => {
                // Nobody else has anything to give back: it takes commits at once.
                self.server.ask(&format!("HDEL {{r:{}}}:m g", self.room)).unwrap();
                self.model = Model { head: Some(mine), at: Some(mine), log: chain.clone(), marks: Marks::default() };
                Restored::Seeded
            }
            GiveBack::Same => Restored::Same,
            GiveBack::Append(from) => {
                self.model.log.extend(&chain[from..]);
                self.model.head = Some(mine);
                Restored::Appended
            }
            GiveBack::Nothing => match self.model.moved(mine) {
                Some(since) => Restored::Behind(since.into_iter().map(|link| self.entry(link)).collect()),
                None => Restored::Fork,
            },
        };
        assert_eq!(said, wanted, "a replica at {mine:?} with {chain:?}");
    }

    /// As a failover does: head and log are what they were some commits ago.
    fn lose(&mut self, revs: usize) {
        let before = self.model.log.len();
        for _ in 0..revs {
            let Some(last) =
                self.model.log.last().copied().filter(|last| self.model.at.is_some_and(|at| at.rev < last.cursor.rev))
            else {
                break;
            };
            self.model.log.pop();
            self.model.head = Some(last.prev);
        }
        let Some(head) = self.model.head.filter(|_| self.model.log.len() < before) else { return };
        let (log, heads) = (format!("{{r:{}}}:l", self.room), format!("{{r:{}}}:m", self.room));
        // A deleted entry would stay as a stone in the stream's way: it is written anew.
        self.server.ask(&format!("DEL {log}")).unwrap();
        for link in &self.model.log {
            let record = String::from_utf8(self.entry(*link).record.to_vec()).unwrap();
            let (Link { prev, cursor }, id) = (link, id_text);
            let ids = (id(prev.commit), id(cursor.commit));
            let add = format!("XADD {log} {}-0 p {} f {} t {} d {record}", cursor.rev, ids.0, prev.rev, ids.1);
            self.server.ask(&add).unwrap();
        }
        self.server.ask(&format!("HSET {heads} v {} t {}", head.rev, id_text(head.commit))).unwrap();
    }

    async fn compare(&self) {
        let loaded = self.store.load(&self.room).await.unwrap();
        assert_eq!(loaded.is_some(), self.model.head.is_some());
        let Some(loaded) = loaded else { return };
        assert_eq!(Some(loaded.at), self.model.at);
        let all = [links(&loaded.before), links(&loaded.log)].concat();
        assert_eq!(all, self.model.log);
        assert_eq!(loaded.log.last().map_or(loaded.at, |entry| entry.cursor), self.model.head.unwrap());
    }
}

#[test]
fn the_scripts_say_what_the_functions_say() {
    let dir = tempfile::tempdir().unwrap();
    let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let store = runtime.block_on(async { testing::store(&server.url(), |settings| settings.log_revs_max = KEEP.most) });
    let mut runner = TestRunner::new(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() });
    let outcome = runner.run(&(prop_oneof![Just(1), 1..600_u64], proptest::collection::vec(step(), 1..40)), |(pace, steps)| {
        server.ask("FLUSHALL").unwrap();
        let begin = Cursor { rev: 0, commit: CommitId(0) };
        let room = RoomId::parse("r").unwrap();
        runtime.block_on(async {
            assert!(store.create(&room, begin, "state".into()).await.unwrap());
            let model = Model { head: Some(begin), at: Some(begin), ..Model::default() };
            let ever = vec![Link { prev: begin, cursor: begin }];
            let mut history = History { store: &store, server: &server, room, model, ever, next: 0, pace };
            for step in steps {
                history.take(step).await;
            }
        });
        Ok(())
    });
    outcome.unwrap();
}
