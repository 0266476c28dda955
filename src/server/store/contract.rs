//! What every store must pass, as one suite; run here against the embedded store in a folder of its own.
use super::{
    CommitError, Kept, LogEntry, NewMessage, Page, Retention, Store, StoreFault, UserChange, Waiting,
    fjall::{FjallSettings, FjallStore},
    memory::MemoryStore,
    notes::{Claim, Notes},
};
use crate::{
    hub::{
        cursor::Cursor,
        id::{CommitId, RoomId, UserId},
        time::{Millis, UnixMs},
    },
    server::clock::Clock,
};
use bytes::Bytes;
use std::{sync::Arc, time::Duration};

fn at(rev: u64, commit: u64) -> Cursor {
    Cursor { rev, commit: CommitId(commit) }
}

/// A rev takes a second: what is young is kept for longer where other nodes may have missed it.
fn entry(prev: Cursor, cursor: Cursor) -> LogEntry {
    let at = said(cursor.rev);
    LogEntry { prev, cursor, at, record: format!("{{\"at\":{},\"of\":\"{cursor}\"}}", at.0).into() }
}

fn room() -> RoomId {
    RoomId::parse("r1").unwrap()
}

/// When a message was said. A store may forget what is older than anything that is to be kept.
const fn said(number: u64) -> UnixMs {
    UnixMs(1_800_000_000_000 + number * 1_000)
}

/// Runs the suite; `reopen` gives the store as after a restart.
async fn suite(mut reopen: impl FnMut() -> Arc<dyn Store>) {
    let store = reopen();
    let room = room();
    assert!(store.load(&room).await.unwrap().is_none());
    assert!(matches!(store.commit(&room, entry(at(0, 1), at(1, 2)), None).await, Err(CommitError::Mismatch { since: None })));
    assert!(store.create(&room, at(0, 1), "first".into()).await.unwrap());
    assert!(!store.create(&room, at(0, 9), "second".into()).await.unwrap(), "created twice");

    store.commit(&room, entry(at(0, 1), at(2, 2)), None).await.unwrap();
    store.commit(&room, entry(at(2, 2), at(3, 3)), None).await.unwrap();
    let Err(CommitError::Mismatch { since: Some(since) }) = store.commit(&room, entry(at(2, 2), at(3, 4)), None).await else {
        panic!("an old position was accepted")
    };
    assert_eq!(since, [entry(at(2, 2), at(3, 3))], "what happened since");
    let forked = store.commit(&room, entry(at(3, 7), at(4, 8)), None).await;
    assert!(matches!(forked, Err(CommitError::Mismatch { since: None })), "another history was accepted");
    drop(store);

    let store = reopen();
    let loaded = store.load(&room).await.unwrap().unwrap();
    assert_eq!((loaded.at, &loaded.snapshot[..]), (at(0, 1), &b"first"[..]));
    assert_eq!(loaded.log, [entry(at(0, 1), at(2, 2)), entry(at(2, 2), at(3, 3))]);

    let mut head = at(3, 3);
    for rev in 4..=600 {
        let next = at(rev, rev + 1000);
        let snapshot = (rev % 64 == 0).then(|| Bytes::from(format!("snapshot {rev}")));
        store.commit(&room, entry(head, next), snapshot).await.unwrap();
        head = next;
    }
    drop(store);
    let store = reopen();
    let loaded = store.load(&room).await.unwrap().unwrap();
    assert_eq!(loaded.at.rev, 576);
    assert_eq!(loaded.log.last().map(|entry| entry.cursor), Some(head));
    assert!(loaded.before.len() >= 256 && loaded.before.len() < 400, "{} kept", loaded.before.len());
    assert_eq!(store.rooms().await.unwrap(), [room]);
    for name in ["b", "a", "b-1"] {
        assert!(store.create(&RoomId::parse(name).unwrap(), at(0, 9), "new".into()).await.unwrap());
    }
    let names = async |after: Option<&'static str>, limit: usize| {
        let page = store.rooms_after(after, limit).await.unwrap();
        page.iter().map(|room| room.as_str().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(None, 2).await, ["a", "b"]);
    assert_eq!(names(Some("a"), 2).await, ["b", "b-1"]);
    assert_eq!(names(Some("aa"), 1).await, ["b"]);

    store.put_session("s1", Some("one".into())).await.unwrap();
    store.put_session("s2", Some("two".into())).await.unwrap();
    store.put_session("s1", None).await.unwrap();
    drop(store);
    assert_eq!(reopen().sessions().await.unwrap(), [("s2".to_owned(), Bytes::from("two"))]);
}

/// The part about messages.
async fn messages(mut reopen: impl FnMut() -> Arc<dyn Store>) {
    let (room, other) = (room(), RoomId::parse("r10").unwrap());
    let message = |id: u64| NewMessage { id: CommitId(id), said_at: said(id), record: format!("message {id}").into() };
    let revs = |list: &[Kept]| list.iter().map(|kept| kept.at.rev).collect::<Vec<_>>();
    let store = reopen();
    let nothing = store.messages(&room, Page::After(0), 10).await.unwrap();
    assert_eq!((nothing.head, nothing.list.len()), (at(0, 0), 0));
    assert_eq!(store.append_messages(&room, vec![message(11), message(12)], ALL).await.unwrap(), [at(1, 11), at(2, 12)]);
    assert_eq!(store.append_messages(&other, vec![message(21)], ALL).await.unwrap(), [at(1, 21)]);
    drop(store);
    let store = reopen();
    assert_eq!(store.append_messages(&room, (13..=20).map(message).collect(), ALL).await.unwrap().last(), Some(&at(10, 20)));
    let read = store.messages(&room, Page::After(1), 3).await.unwrap();
    assert_eq!((read.head, revs(&read.list)), (at(10, 20), vec![2, 3, 4]));
    assert_eq!(read.list[0], Kept { at: at(2, 12), said_at: said(12), record: "message 12".into() });
    assert_eq!(revs(&store.messages(&room, Page::Before(u64::MAX), 3).await.unwrap().list), [8, 9, 10]);
    assert_eq!(revs(&store.messages(&room, Page::Before(3), 9).await.unwrap().list), [1, 2]);
    assert!(store.messages(&room, Page::Before(1), 9).await.unwrap().list.is_empty());
}

/// What need not be kept: nothing.
const ALL: Retention = Retention { keep: 100, oldest: UnixMs(0) };

/// Messages that go when somebody looks after them. Follows on [`messages`].
async fn old_messages(mut reopen: impl FnMut() -> Arc<dyn Store>) {
    let room = room();
    let store = reopen();
    let message = |id: u64| NewMessage { id: CommitId(id), said_at: said(id), record: format!("message {id}").into() };
    let revs = |list: &[Kept]| list.iter().map(|kept| kept.at.rev).collect::<Vec<_>>();
    assert_eq!(store.trim_messages(Retention { keep: 4, oldest: UnixMs(0) }).await.unwrap(), 6, "beyond the newest four");
    assert_eq!(store.trim_messages(Retention { keep: 4, oldest: said(19) }).await.unwrap(), 2, "too old");
    assert_eq!(revs(&store.messages(&room, Page::After(0), 9).await.unwrap().list), [9, 10]);
    assert_eq!(store.trim_messages(Retention { keep: 4, oldest: said(100) }).await.unwrap(), 3, "all of both rooms");
    drop(store);
    let store = reopen();
    let read = store.messages(&room, Page::After(0), 9).await.unwrap();
    assert_eq!((read.head, read.list.len()), (at(10, 20), 0), "numbers are never used again");
    assert_eq!(store.append_messages(&room, vec![message(30)], ALL).await.unwrap(), [at(11, 30)]);
}

/// The part about people.
async fn people(mut reopen: impl FnMut() -> Arc<dyn Store>) {
    let store = reopen();
    let (a, b) = (UserId::parse("a").unwrap(), UserId::parse("b").unwrap());
    let change = async |user, before: Option<&'static str>, after: Option<&'static str>| {
        let change = UserChange { before: before.map(Bytes::from), after: after.map(Bytes::from), waits: None };
        store.change_user(user, change).await.unwrap()
    };
    assert!(change(&a, None, Some("one")).await && change(&b, None, Some("two")).await);
    assert!(!change(&b, None, Some("again")).await, "somebody else was quicker");
    assert!(!change(&b, Some("one"), None).await && !change(&b, Some("tw"), None).await);
    assert!(change(&a, Some("one"), None).await && !change(&a, Some("one"), Some("late")).await);
    assert!(change(&b, Some("two"), Some("three")).await);
    assert_eq!((store.user(&a).await.unwrap(), store.user(&b).await.unwrap()), (None, Some("three".into())));
    drop(store);
    assert_eq!(reopen().users().await.unwrap(), [(b, Bytes::from("three"))]);
}

/// What every keeper of notes must pass. `alone` = one process has the store, so every claim is granted.
async fn notes_suite(notes: &dyn Notes, alone: bool) {
    let put = async |key: &str, note: &'static str| notes.put_note("f", key, Some(note.into()), None).await.unwrap();
    for (key, note) in [("b", "2"), ("a", "1"), ("c", "3"), ("b", "4")] {
        assert!(put(key, note).await);
    }
    assert!(notes.put_note("f2", "a", Some("other".into()), None).await.unwrap());
    assert_eq!(notes.note("f", "b").await.unwrap(), Some("4".into()));
    assert_eq!(notes.note("f", "z").await.unwrap(), None);
    assert_eq!(notes.count_notes("f").await.unwrap(), 3);
    let page = async |after, limit| {
        let notes = notes.notes("f", after, limit).await.unwrap();
        notes.into_iter().map(|(key, _)| key).collect::<Vec<_>>().join(" ")
    };
    assert_eq!((page(None, 2).await, page(Some("b"), 2).await), ("a b".to_owned(), "c".to_owned()));
    assert!(notes.put_note("f", "a", None, None).await.unwrap());
    assert_eq!(notes.note("f", "a").await.unwrap(), None);

    let (one, other) = (Claim { name: "n", holder: "one" }, Claim { name: "n", holder: "other" });
    let long = Duration::from_secs(60);
    assert!(notes.claim(one, "f", long).await.unwrap() && notes.claim(one, "f", long).await.unwrap());
    assert_eq!(notes.claim(other, "f", long).await.unwrap(), alone);
    assert_eq!(notes.put_note("f", "b", Some("5".into()), Some(other)).await.unwrap(), alone);
    assert!(notes.put_note("f", "b", Some("6".into()), Some(one)).await.unwrap());
    assert_eq!(notes.note("f", "b").await.unwrap(), Some("6".into()));
    notes.unclaim(other, "f").await.unwrap();
    assert_eq!(notes.claim(other, "f", long).await.unwrap(), alone, "only its holder lets go");
    notes.unclaim(one, "f").await.unwrap();
    assert!(notes.claim(other, "f", long).await.unwrap());
}

fn fjall(dir: &std::path::Path, fsync_interval: Duration) -> Result<Arc<FjallStore>, StoreFault> {
    FjallStore::open(FjallSettings { fsync_interval, ..FjallSettings::new(dir) }, Clock::new())
}

#[tokio::test]
async fn the_embedded_store_passes() {
    for fsync in [Duration::ZERO, Duration::from_millis(200)] {
        let dir = tempfile::tempdir().unwrap();
        suite(|| fjall(dir.path(), fsync).unwrap()).await;
        let dir = tempfile::tempdir().unwrap();
        messages(|| fjall(dir.path(), fsync).unwrap()).await;
        old_messages(|| fjall(dir.path(), fsync).unwrap()).await;
        people(|| fjall(dir.path(), fsync).unwrap()).await;
    }
}

#[tokio::test]
async fn the_embedded_store_keeps_notes() {
    let dir = tempfile::tempdir().unwrap();
    notes_suite(&*fjall(dir.path(), Duration::ZERO).unwrap(), true).await;
    assert_eq!(fjall(dir.path(), Duration::ZERO).unwrap().note("f", "b").await.unwrap(), Some("6".into()), "over a restart");
}

#[tokio::test]
async fn the_redis_store_keeps_notes() {
    let dir = tempfile::tempdir().unwrap();
    let options = xtask::bed::RedisOptions { args: Vec::new(), sentinel: false };
    let server = xtask::bed::Redis::start(dir.path(), options).unwrap();
    notes_suite(&*super::redis::testing::store(&server.url(), |_| {}), false).await;
}

#[tokio::test]
async fn the_store_in_memory_passes() {
    let store = MemoryStore::default();
    suite(|| Arc::new(store.clone())).await;
    messages(|| Arc::new(store.clone())).await;
    old_messages(|| Arc::new(store.clone())).await;
    people(|| Arc::new(store.clone())).await;
}

/// A layer does what the store below does, also what it does not know of itself.
#[tokio::test]
async fn layers_hide_nothing_of_the_store_below() {
    let dir = tempfile::tempdir().unwrap();
    let outbox = fjall(dir.path(), Duration::ZERO).unwrap();
    let tapped = |store| -> Arc<dyn Store> { super::tap::Tap::new(store, Arc::default()) };
    let outboxed = |store| -> Arc<dyn Store> { super::outbox::Outboxed::new(store, outbox.clone()) };
    let both = |store| tapped(outboxed(store));
    type Layer<'a> = &'a dyn Fn(Arc<dyn Store>) -> Arc<dyn Store>;
    for layer in [&tapped as Layer, &outboxed, &both] {
        let dir = tempfile::tempdir().unwrap();
        let layered = || layer(fjall(dir.path(), Duration::ZERO).unwrap());
        suite(layered).await;
        messages(layered).await;
        old_messages(layered).await;
        people(layered).await;
        let store = layered();
        assert_eq!(store.head(&room()).await.unwrap(), Some(600));
    }
}

#[tokio::test]
async fn a_store_that_fails_says_so_before_it_changes_anything() {
    let store = MemoryStore::default();
    let room = room();
    store.create(&room, at(0, 1), "first".into()).await.unwrap();
    store.fail(true);
    assert!(!store.healthy());
    let refused = store.commit(&room, entry(at(0, 1), at(1, 2)), None).await;
    assert!(matches!(refused, Err(CommitError::NotDone(StoreFault::Down))));
    store.fail(false);
    assert_eq!(store.load(&room).await.unwrap().unwrap().log, []);
}

#[tokio::test]
async fn the_redis_store_passes() {
    use super::redis::connect::Durability::{Async, Disk};
    for (durability, args) in [(Async, &[][..]), (Disk, &["--appendonly", "yes", "--appendfsync", "always"])] {
        let dir = tempfile::tempdir().unwrap();
        let args = args.iter().map(ToString::to_string).collect();
        let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions { args, sentinel: false }).unwrap();
        suite(|| super::redis::testing::store(&server.url(), |settings| settings.durability = durability)).await;
        let store =
            || -> Arc<dyn Store> { super::redis::testing::store(&server.url(), |settings| settings.durability = durability) };
        messages(store).await;
        people(store).await;
        let (store, room) = (store(), room());
        let few = |id: u64| vec![NewMessage { id: CommitId(id), said_at: said(id), record: "x".into() }];
        let revs = async || {
            let read = store.messages(&room, Page::After(0), 99).await.unwrap();
            (read.head.rev, read.list.iter().map(|kept| kept.at.rev).collect::<Vec<_>>())
        };
        store.append_messages(&room, few(30), Retention { keep: 3, oldest: UnixMs(0) }).await.unwrap();
        assert_eq!(revs().await, (11, vec![9, 10, 11]), "beyond the newest three");
        store.append_messages(&room, few(31), Retention { keep: 9, oldest: said(20) }).await.unwrap();
        assert_eq!(revs().await, (12, vec![10, 11, 12]), "too old");
        let many = |ids: std::ops::RangeInclusive<u64>| ids.flat_map(few).collect::<Vec<_>>();
        store.append_messages(&room, many(40..=99), Retention { keep: 500, oldest: said(20) }).await.unwrap();
        store.append_messages(&room, many(100..=160), Retention { keep: 500, oldest: said(100) }).await.unwrap();
        assert_eq!(revs().await, (133, (73..=133).collect()), "all of them, though many");
        store.append_messages(&room, few(900), Retention { keep: 500, oldest: said(0) }).await.unwrap();
        let left = server.ask(&format!("PTTL {{r:{room}}}:c")).unwrap();
        let left: u64 = left.trim_start_matches(':').trim().parse().unwrap();
        assert!((600_000..=900_000).contains(&left), "a silent room keeps nothing for longer: {left}");
    }
}

#[tokio::test]
async fn the_redis_store_knows_for_whom_something_waits() {
    let dir = tempfile::tempdir().unwrap();
    let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions { args: Vec::new(), sentinel: false }).unwrap();
    let store = super::redis::testing::store(&server.url(), |_| {});
    let user = |n: u64| UserId::parse(&format!("u{n}")).unwrap();
    for n in 1..=600 {
        let waits = (n <= 4).then_some(UnixMs(n * 10));
        let change = UserChange { before: None, after: Some("x".into()), waits };
        assert!(store.change_user(&user(n), change).await.unwrap());
    }
    assert_eq!(store.users().await.unwrap().len(), 600, "page by page");
    assert_eq!(store.waiting(UnixMs(30), 9).await.unwrap(), Waiting { count: 4, over: vec![user(1), user(2)] });
    assert_eq!(store.waiting(UnixMs(99), 1).await.unwrap().over, [user(1)]);
    let change = UserChange { before: Some("x".into()), after: Some("y".into()), waits: None };
    assert!(store.change_user(&user(1), change).await.unwrap());
    assert_eq!(store.waiting(UnixMs(99), 9).await.unwrap(), Waiting { count: 3, over: vec![user(2), user(3), user(4)] });
}

#[tokio::test]
async fn the_redis_store_paces_people() {
    let dir = tempfile::tempdir().unwrap();
    let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions { args: Vec::new(), sentinel: false }).unwrap();
    let store = super::redis::testing::store(&server.url(), |_| {});
    let (room, users) = (room(), ["a", "b"].map(|name| UserId::parse(name).unwrap()));
    let pace = async |users: &[UserId], now| store.pace(&room, users, Millis(1_000), UnixMs(now)).await.unwrap();
    assert_eq!(pace(&users[..1], 5_000).await, [None]);
    assert_eq!(pace(&users, 5_500).await, [Some(UnixMs(5_000)), None]);
    assert_eq!(pace(&users, 6_000).await, [None, Some(UnixMs(5_500))], "long enough ago");
    store.unpace(&room, &users[..1]).await.unwrap();
    assert_eq!(pace(&users, 6_100).await, [None, Some(UnixMs(5_500))], "what could not be said does not count");
}

#[tokio::test]
async fn the_redis_store_tells_of_notes() {
    let dir = tempfile::tempdir().unwrap();
    let server = xtask::bed::Redis::start(dir.path(), xtask::bed::RedisOptions { args: Vec::new(), sentinel: false }).unwrap();
    let [one, other] = [(); 2].map(|()| super::redis::testing::store(&server.url(), |_| {}));
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    if !one.follow_notes("f", Arc::new(move |news| sender.send(news).unwrap())).await {
        assert_eq!(heard.recv().await.unwrap(), None, "the gap, when it is there");
    }
    let put = async |store: &dyn Notes, family, key, note: Option<&'static str>| {
        assert!(store.put_note(family, key, note.map(Bytes::from), None).await.unwrap());
    };
    put(&*other, "other", "a", Some("not followed")).await;
    put(&*other, "f", "a", Some("1 2")).await;
    put(&*one, "f", "b:c", Some("")).await;
    put(&*other, "f", "a", None).await;
    for news in [("a", Some("1 2")), ("b:c", Some("")), ("a", None)] {
        let wanted = (news.0.to_owned(), news.1.map(Bytes::from));
        // A gap may be told more than once.
        let mut got = heard.recv().await.unwrap();
        while got.is_none() {
            got = heard.recv().await.unwrap();
        }
        assert_eq!(got, Some(wanted));
    }
}

#[test]
fn a_folder_has_one_process() {
    let dir = tempfile::tempdir().unwrap();
    let _store = fjall(dir.path(), Duration::ZERO).unwrap();
    assert!(matches!(fjall(dir.path(), Duration::ZERO), Err(StoreFault::Locked)));
}
