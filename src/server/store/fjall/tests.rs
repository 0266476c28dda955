//! The embedded store on a bad day: a lost or damaged tail, a full disk, old days.
use super::{FjallSettings, FjallStore, Repair, repair::RepairReport};
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
        store::{LogEntry, Store, StoreFault},
    },
    wire::record::{encode_commit, encode_room},
};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

fn open(dir: &Path) -> Result<Arc<FjallStore>, StoreFault> {
    let settings =
        FjallSettings { fsync_interval: Duration::ZERO, reopen: Duration::from_millis(100), ..FjallSettings::new(dir) };
    FjallStore::open(settings, Clock::new())
}

fn repair(dir: &Path, accept_empty: bool) -> Result<RepairReport, StoreFault> {
    Repair { dir: dir.to_owned(), accept_empty, stamp: "test".to_owned() }.run()
}

/// A room whose owner bans one person per commit.
struct Script {
    room: Room,
}

impl Script {
    fn new(name: &str) -> Self {
        let (id, owner) = (RoomId::parse(name).unwrap(), UserId::parse("own").unwrap());
        Self { room: Room::create(id, owner, Arc::new(Rules::default()), CommitId(1), UnixMs(1_000)) }
    }

    async fn create(&self, store: &FjallStore) {
        assert!(store.create(&self.room.id, self.room.head, encode_room(&self.room)).await.unwrap());
    }

    fn next(&mut self) -> LogEntry {
        let rev = self.room.head.rev + 1;
        let banned = Event::MemberBanned { user: UserId::parse(&format!("u{rev}")).unwrap(), until: None, reason: None };
        let step = Step { rev, by: Actor::Service, op: None, own: 0, events: vec![banned] };
        let cursor = Cursor { rev, commit: CommitId(rev * 1_000) };
        let commit = Commit { prev: self.room.head, cursor, at: UnixMs(1_000 + rev), steps: vec![step] };
        self.room.apply(&commit).unwrap();
        LogEntry { prev: commit.prev, cursor, at: commit.at, record: encode_commit(&commit) }
    }

    async fn commits(&mut self, store: &FjallStore, count: usize) {
        for _ in 0..count {
            let entry = self.next();
            store.commit(&self.room.id, entry, None).await.unwrap();
        }
    }

    async fn head(&self, store: &FjallStore) -> u64 {
        let loaded = store.load(&self.room.id).await.unwrap().unwrap();
        loaded.log.last().map_or(loaded.at.rev, |entry| entry.cursor.rev)
    }
}

fn journal(dir: &Path) -> PathBuf {
    let files = fs::read_dir(dir.join("store")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|end| end == "jnl")).max().unwrap()
}

/// Returns the journal up to its last written byte.
fn written(journal: &Path) -> Vec<u8> {
    let mut bytes = fs::read(journal).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    bytes.truncate(end);
    bytes
}

#[tokio::test]
async fn a_lost_tail_is_noticed_and_can_be_accepted() {
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::new("r1");
    let store = open(dir.path()).unwrap();
    script.create(&store).await;
    script.commits(&store, 20).await;
    drop(store);
    let journal = journal(dir.path());
    let bytes = written(&journal);
    fs::write(&journal, &bytes[..bytes.len() / 2]).unwrap();

    for _ in 0..2 {
        let refused = open(dir.path()).err().unwrap();
        assert!(matches!(refused, StoreFault::Truncated { expected: 21, found } if found < 21), "{refused}");
        assert!(refused.to_string().contains("michub repair"));
    }
    let report = repair(dir.path(), false).unwrap();
    assert!(report.findings[0].contains("commits that had reached the disk are lost"), "{report:?}");
    assert!(report.copy.unwrap().is_dir());
    let store = open(dir.path()).unwrap();
    let head = script.head(&store).await;
    assert!((1..20).contains(&head), "{head}");
}

#[tokio::test]
async fn a_damaged_tail_is_refused_and_cut() {
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::new("r1");
    let store = open(dir.path()).unwrap();
    script.create(&store).await;
    script.commits(&store, 20).await;
    drop(store);
    let journal = journal(dir.path());
    let mut bytes = written(&journal);
    let at = bytes.windows(4).rposition(|four| four == b"\"u17").unwrap();
    bytes[at + 3] = b'8';
    fs::write(&journal, &bytes).unwrap();

    let refused = open(dir.path()).err().unwrap();
    assert!(matches!(refused, StoreFault::Damaged(_)), "{refused}");
    assert!(refused.to_string().contains("michub repair"));
    let report = repair(dir.path(), false).unwrap();
    assert!(report.findings.iter().any(|finding| finding.contains("cut at byte")), "{report:?}");
    let store = open(dir.path()).unwrap();
    assert_eq!(script.head(&store).await, 16);
}

#[tokio::test]
async fn a_broken_record_costs_what_follows_it() {
    let dir = tempfile::tempdir().unwrap();
    let (mut script, mut other) = (Script::new("r1"), Script::new("r2"));
    let store = open(dir.path()).unwrap();
    for room in [&mut script, &mut other] {
        room.create(&store).await;
        room.commits(&store, 5).await;
    }
    let mut entry = script.next();
    entry.record = "nonsense".into();
    store.commit(&script.room.id, entry, None).await.unwrap();
    script.commits(&store, 2).await;
    drop(store);

    let report = repair(dir.path(), false).unwrap();
    assert_eq!((report.rooms, report.findings.len()), (1, 1), "{report:?}");
    assert!(report.findings[0].contains("after rev 5"), "{report:?}");
    let store = open(dir.path()).unwrap();
    assert_eq!((script.head(&store).await, other.head(&store).await), (5, 5));
}

#[tokio::test]
async fn a_whole_store_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let mut script = Script::new("r1");
    let store = open(dir.path()).unwrap();
    script.create(&store).await;
    script.commits(&store, 3).await;
    assert!(matches!(repair(dir.path(), false), Err(StoreFault::Locked)), "while the hub has it");
    drop(store);
    let report = repair(dir.path(), false).unwrap();
    assert_eq!(report, RepairReport { copy: None, rooms: 1, findings: Vec::new() });
    assert_eq!(script.head(&open(dir.path()).unwrap()).await, 3);
}

#[tokio::test]
async fn a_store_that_is_gone_is_not_taken_for_a_new_one() {
    let dir = tempfile::tempdir().unwrap();
    let script = Script::new("r1");
    let store = open(dir.path()).unwrap();
    script.create(&store).await;
    drop(store);
    fs::remove_dir_all(dir.path().join("store")).unwrap();
    assert!(matches!(open(dir.path()).err(), Some(StoreFault::Truncated { expected: 1, found: 0 })));
    assert!(repair(dir.path(), false).is_err());
    assert!(repair(dir.path(), true).is_ok());
    assert!(open(dir.path()).unwrap().rooms().await.unwrap().is_empty());
}

#[tokio::test]
async fn the_store_of_another_history_is_refused() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for (dir, name) in [(&dir, "r1"), (&other, "r2")] {
        let store = open(dir.path()).unwrap();
        Script::new(name).create(&store).await;
    }
    fs::copy(other.path().join("store.mark"), dir.path().join("store.mark")).unwrap();
    assert!(matches!(open(dir.path()).err(), Some(StoreFault::Foreign)));
}

/// A small file system in memory; gone when dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`: this user may not mount one.
    fn mount(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let mut mount = std::process::Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "michub-test"]).arg(dir.path());
        let mounted = mount.output().is_ok_and(|done| done.status.success());
        mounted.then_some(Self(dir))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg(self.0.path()).status();
    }
}

#[tokio::test]
async fn a_full_disk_stops_commits_until_there_is_room() {
    let Some(disk) = SmallDisk::mount("2m") else {
        eprintln!("NOT TESTED: a full disk; this user may not mount a tmpfs");
        return;
    };
    let dir = disk.0.path();
    let mut script = Script::new("r1");
    let store = open(dir).unwrap();
    script.create(&store).await;
    script.commits(&store, 5).await;
    let filler = dir.join("filler");
    let mut full = fs::File::create(&filler).unwrap();
    while std::io::Write::write(&mut full, &[1; 1024]).is_ok_and(|written| written == 1024) {}

    // The few bytes that are left take some commits; then one fails.
    let mut failed = None;
    for _ in 0..200 {
        let before = script.room.clone();
        let entry = script.next();
        if store.commit(&script.room.id, entry.clone(), None).await.is_err() {
            script.room = before;
            failed = Some(entry);
            break;
        }
    }
    let failed = failed.expect("the disk is never full");
    assert!(!store.healthy());
    assert!(store.commit(&script.room.id, failed.clone(), None).await.is_err());
    fs::remove_file(filler).unwrap();

    let back = async {
        while !store.healthy() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), back).await.expect("the store never comes back");
    let head = script.head(&store).await;
    let landed = head == failed.cursor.rev;
    assert!(landed || head == script.room.head.rev, "{head}");
    if !landed {
        store.commit(&script.room.id, failed, None).await.unwrap();
    }
    drop(store);
    let store = open(dir).unwrap();
    assert_eq!(script.head(&store).await, script.room.head.rev + 1);
}
