//! The history over the embedded archive: pages without gaps, and a replay that finds what was changed.
use super::{
    History, Mark, Question,
    report::{Ask, NOTHING_DIFFERS, RoomText, UserText},
};
use crate::{
    hub::{
        actor::Actor,
        cursor::Cursor,
        event::{Commit, Event, Step},
        id::{CommitId, RoomId, UserId},
        room::Room,
        rules::Rules,
        time::UnixMs,
    },
    server::{
        clock::Clock,
        store::{
            LogEntry, Store,
            fjall::{FjallSettings, FjallStore},
        },
    },
    wire::record::{encode_commit, encode_room},
};
use serde_json::Value;
use std::{path::Path, sync::Arc};
use tokio::sync::mpsc;

const DAY_MS: u64 = 86_400_000;

fn user(name: &str) -> UserId {
    UserId::parse(name).unwrap()
}

fn open(dir: &Path) -> (Arc<FjallStore>, History) {
    let store = FjallStore::open(FjallSettings { history_days: 3650, ..FjallSettings::new(dir) }, Clock::new()).unwrap();
    (store.clone(), History::new(store.clone(), Some(store)))
}

/// Writes a room in which the service bans one person per commit, over several days; every tenth commit comes with a snapshot.
/// Returns the stored room.
async fn write(store: &FjallStore, name: &str, commits: u64, begin: UnixMs) -> Room {
    let (id, owner) = (RoomId::parse(name).unwrap(), user("own"));
    let mut room = Room::create(id.clone(), owner, Arc::new(Rules::default()), CommitId(1), begin);
    store.create(&id, room.head, encode_room(&room)).await.unwrap();
    for rev in 1..=commits {
        let banned = Event::MemberBanned { user: user(&format!("u{rev}")), until: None, reason: None };
        let step = Step { rev, by: Actor::Service, op: None, own: 0, events: vec![banned] };
        let cursor = Cursor { rev, commit: CommitId(rev * 1_000) };
        let at = UnixMs(begin.0 + rev * DAY_MS / 100);
        let commit = Commit { prev: room.head, cursor, at, steps: vec![step] };
        room.apply(&commit).unwrap();
        let entry = LogEntry { prev: commit.prev, cursor, at, record: encode_commit(&commit) };
        store.commit(&id, entry, (rev % 10 == 0).then(|| encode_room(&room))).await.unwrap();
    }
    room
}

async fn report(history: &History, ask: Ask) -> String {
    let (out, mut pieces) = mpsc::channel(4);
    let (history, mut text) = (history.clone(), String::new());
    let writing = async move { history.report(ask, out).await };
    let reading = async {
        while let Some(piece) = pieces.recv().await {
            text.push_str(&String::from_utf8_lossy(&piece.unwrap()));
        }
    };
    tokio::join!(writing, reading);
    text
}

fn question(room: &str) -> Question {
    let room = RoomId::parse(room).unwrap();
    Question { room, user: None, from: UnixMs(0), to: UnixMs(u64::MAX), after: None, limit: 7 }
}

#[tokio::test]
async fn pages_join_without_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let (store, history) = open(dir.path());
    let begin = Clock::new().now();
    write(&store, "r1", 250, begin).await;
    write(&store, "r10", 20, begin).await;
    let mut asked = question("r1");
    let mut revs = Vec::new();
    loop {
        let page = history.page(&asked).await.unwrap();
        assert!(page.events.len() <= 7);
        revs.extend(page.events.iter().map(|event| event["rev"].as_u64().unwrap()));
        let Some(next) = page.next else { break };
        // As it comes back from a caller.
        asked.after = Some(Mark::parse(&next.to_string()).unwrap());
    }
    assert_eq!(revs, (1..=250).collect::<Vec<_>>());

    let part =
        Question { from: UnixMs(begin.0 + DAY_MS / 2), to: UnixMs(begin.0 + DAY_MS * 3 / 2), limit: 1000, ..question("r1") };
    let events = history.page(&part).await.unwrap().events;
    assert_eq!((events[0]["rev"].as_u64(), events.len()), (Some(50), 101));
    let about = Question { user: Some(user("u77")), ..question("r1") };
    let page = history.page(&about).await.unwrap();
    assert_eq!((page.events.len(), &page.events[0]["rev"], page.next), (1, &Value::from(77), None));
    let backwards = Question { from: UnixMs(begin.0 + DAY_MS), to: begin, ..question("r1") };
    assert_eq!(history.page(&backwards).await.unwrap().events.len(), 0);

    let ask = Ask::Export { room: None, user: Some(UserText(user("u3"))), from_ms: 0, to_ms: u64::MAX };
    assert_eq!(report(&history, ask).await.lines().count(), 2, "both rooms");
}

#[tokio::test]
async fn a_replay_finds_what_was_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (store, history) = open(dir.path());
    let room = write(&store, "r1", 250, UnixMs(DAY_MS * 20_000)).await;
    let replay = || Ask::Replay { room: RoomText(room.id.clone()), until_ms: u64::MAX, state: false };
    let text = report(&history, replay()).await;
    assert!(text.contains("250 commits replayed, from rev 0 to rev 250"), "{text}");
    assert!(text.trim_end().ends_with(NOTHING_DIFFERS), "{text}");
    let state = Ask::Replay { room: RoomText(room.id.clone()), until_ms: DAY_MS * 20_001, state: true };
    let state: Value = serde_json::from_str(&report(&history, state).await).unwrap();
    assert_eq!(state["rev"], 100);
    let why = Ask::Why { room: RoomText(room.id.clone()), user: UserText(user("u9")) };
    let text = report(&history, why).await;
    assert!(text.contains("rev 9  service: member_banned"), "{text}");

    // Somebody else is banned in the archive than in the room.
    let entries = history.archive().unwrap().commits(super::Span {
        room: room.id.clone(),
        from: UnixMs(0),
        to: UnixMs(u64::MAX),
        after: None,
        limit: 1000,
    });
    let mut entry = entries.await.unwrap().into_iter().find(|entry| entry.cursor.rev == 205).unwrap();
    entry.record = String::from_utf8(entry.record.to_vec()).unwrap().replace("u205", "x205").into();
    store.overwrite_archived(&room.id, &entry);
    let text = report(&history, replay()).await;
    assert!(text.contains("rev 250: /bans"), "{text}");
    assert!(!text.trim_end().ends_with(NOTHING_DIFFERS), "{text}");
}

#[test]
fn a_mark_comes_back() {
    let mark = Mark { at: UnixMs(1_800_000_000_000), rev: 42 };
    assert_eq!(Mark::parse(&mark.to_string()), Some(mark));
    for bad in ["", ".", "1", "1.", "x.1", "1.-1", "+1.2"] {
        assert_eq!(Mark::parse(bad), None, "{bad}");
    }
}
