//! Repair of an embedded store that refuses to start: a copy is made first, then what can be read is kept and everything else is named.
use super::{
    DATABASE,
    engine::Engine,
    keyspace::fault,
    layout::{Packed, log_key},
    watermark::{FILE as WATERMARK, Watermark},
};
use crate::{
    hub::{id::RoomId, room::Room},
    server::store::{LogEntry, StoreFault},
    wire::record::{decode_commit, decode_room, encode_room},
};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The bytes with which the engine ends each batch of its journal.
const END_OF_BATCH: &[u8] = b"FJL\x03";

/// What to repair, and how far to go.
#[derive(Clone, Debug)]
pub struct Repair {
    /// The data folder.
    pub dir: PathBuf,
    /// Start with an empty store if nothing can be read.
    pub accept_empty: bool,
    /// Names the copy that is made first, like `20260131-120000`.
    pub stamp: String,
}

/// What a repair found and did, in sentences for the operator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RepairReport {
    /// Where the store as it was has been copied to, if anything had to be changed.
    pub copy: Option<PathBuf>,
    /// How many rooms are whole.
    pub rooms: usize,
    /// What was wrong, and what was done about it.
    pub findings: Vec<String>,
}

fn io_fault(error: &io::Error) -> StoreFault {
    StoreFault::Engine(error.to_string().into())
}

impl Repair {
    /// Repairs the store. Errors: another process has it, the disk fails, or nothing can be read and `accept_empty` is not set.
    pub fn run(&self) -> Result<RepairReport, StoreFault> {
        let mut report = RepairReport::default();
        let store = self.dir.join(DATABASE);
        if !store.is_dir() && !self.dir.join(WATERMARK).is_file() {
            return Err(StoreFault::Engine(format!("there is no store in {}", self.dir.display()).into()));
        }
        if store.is_dir() {
            let _lock = lock(&store)?;
            // Before anything else: opening it already cuts what the engine takes for an unfinished write.
            self.copy(&store, &mut report)?;
        }
        let engine = match Engine::open(&store, false, false) {
            Ok(engine) => engine,
            Err(StoreFault::Damaged(what)) => {
                report.findings.push(format!("the store cannot be opened: {what}"));
                self.salvage(&store, &mut report)?
            }
            Err(fault) => return Err(fault),
        };
        let rooms = engine.rooms().and_then(|rooms| rooms.iter().try_for_each(|room| self.room(&engine, room, &mut report)));
        let engine = match rooms {
            Ok(()) => engine,
            Err(fault) => {
                drop(engine);
                report.findings.push(format!("the tables cannot be read: {fault}"));
                self.empty(&store, &mut report)?
            }
        };
        self.watermark(&engine, &mut report)?;
        drop(engine);
        if report.findings.is_empty()
            && let Some(copy) = report.copy.take()
        {
            fs::remove_dir_all(copy).map_err(|error| io_fault(&error))?;
        }
        Ok(report)
    }

    fn copy(&self, store: &Path, report: &mut RepairReport) -> Result<(), StoreFault> {
        let name = |suffix: String| self.dir.join(format!("{DATABASE}.before-repair-{}{suffix}", self.stamp));
        let names = std::iter::once(name(String::new())).chain((2..100).map(|n| name(format!("-{n}"))));
        let copy = names.into_iter().find(|name| !name.exists()).ok_or(StoreFault::Engine("too many copies are there".into()))?;
        copy_dir(store, &copy).map_err(|error| io_fault(&error))?;
        report.copy = Some(copy);
        Ok(())
    }

    /// Cuts the journal, newest part first, until the engine can read the store: at the latest possible end of a batch.
    fn salvage(&self, store: &Path, report: &mut RepairReport) -> Result<Engine, StoreFault> {
        let mut journals = journals(store).map_err(|error| io_fault(&error))?;
        while let Some(journal) = journals.pop() {
            let whole = fs::read(&journal).map_err(|error| io_fault(&error))?;
            let cut = |length: usize| {
                let part = whole.get(..length).unwrap_or_default();
                fs::write(&journal, part).map_err(|error| io_fault(&error))?;
                Engine::open(store, false, false)
            };
            if cut(0).is_err() {
                fs::remove_file(&journal).map_err(|error| io_fault(&error))?;
                report.findings.push(format!("{} cannot be read at all", journal.display()));
                continue;
            }
            let ends = ends_of_batches(&whole);
            // Every cut before the damage can be opened and none behind it.
            let good = ends.partition_point(|end| cut(*end).is_ok());
            let length = good.checked_sub(1).and_then(|last| ends.get(last)).copied().unwrap_or(0);
            let lost = whole.iter().skip(length).rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            report.findings.push(format!("{}: cut at byte {length}; {lost} bytes behind it are lost", journal.display()));
            return cut(length);
        }
        self.empty(store, report)
    }

    fn empty(&self, store: &Path, report: &mut RepairReport) -> Result<Engine, StoreFault> {
        if !self.accept_empty {
            let what = "nothing can be saved; bring back a backup, or start empty with `michub repair --accept-empty`";
            return Err(StoreFault::Damaged(what.into()));
        }
        fs::remove_dir_all(store).map_err(|error| io_fault(&error))?;
        report.findings.push("nothing could be saved: the store is empty now".to_owned());
        Engine::open(store, false, false)
    }

    /// Reads a room as the hub does, and cuts its log where it cannot be followed.
    fn room(&self, engine: &Engine, room: &RoomId, report: &mut RepairReport) -> Result<(), StoreFault> {
        let write = |written: fjall::Result<()>| written.map_err(|error| fault(&error));
        let snapshot = engine.read_snapshot(room).ok().flatten();
        let state = snapshot.as_ref().and_then(|packed| Some((packed, decode_room(&packed.record).ok()?)));
        let Some((packed, mut state)) = state.filter(|(packed, state)| state.head == packed.cursor && state.id == *room) else {
            write(engine.snapshots.remove(room.as_str()))?;
            report.findings.push(format!("room {room}: the snapshot cannot be read; the room is gone"));
            return Ok(());
        };
        let (mut cut, mut removed) = (None, 0);
        for guard in engine.log.range(log_key(room, packed.number)..=log_key(room, u64::MAX)) {
            let (key, value) = guard.into_inner().map_err(|error| fault(&error))?;
            let follows = cut.is_none() && follow(&mut state, packed, &value);
            // A commit that the snapshot contains is only missed by clients that resume there.
            if !follows && key > log_key(room, packed.cursor.rev) {
                cut.get_or_insert(state.head);
            }
            if !follows {
                write(engine.log.remove(key))?;
                removed += 1;
            }
        }
        match cut {
            None if removed == 0 => report.rooms += 1,
            None => {
                report.findings.push(format!("room {room}: {removed} old commits cannot be read; clients there get a snapshot"))
            }
            Some(head) => {
                // The snapshot at the cut stands for the log before it.
                let record = encode_room(&state);
                let kept = Packed { prev: head, cursor: head, number: packed.number, record };
                write(engine.snapshots.insert(room.as_str(), kept.pack()))?;
                report.findings.push(format!("room {room}: the log cannot be followed after rev {}; cut there", head.rev));
            }
        }
        Ok(())
    }

    fn watermark(&self, engine: &Engine, report: &mut RepairReport) -> Result<(), StoreFault> {
        let mut watermark = Watermark::open(&self.dir).map_err(|error| io_fault(&error))?;
        match engine.verify(watermark.newest()) {
            Ok(()) => {}
            Err(StoreFault::Truncated { found: 0, expected }) if !self.accept_empty => {
                return Err(StoreFault::Truncated { expected, found: 0 });
            }
            Err(StoreFault::Truncated { expected, found }) => {
                report.findings.push(format!(
                    "{} commits that had reached the disk are lost, the newest ones of all rooms",
                    expected - found
                ));
            }
            Err(_) => {
                report.findings.push(format!("{WATERMARK} belongs to another history; the store as it is counts from here on"))
            }
        }
        watermark.clear().map_err(|error| io_fault(&error))?;
        let mark = engine.sync()?;
        watermark.write(mark, true).map_err(|error| io_fault(&error))
    }
}

/// Follows one commit of the log: those up to the snapshot only have to be readable, those after it must fit.
fn follow(state: &mut Room, snapshot: &Packed, value: &[u8]) -> bool {
    let Some(entry) = Packed::unpack(value).map(LogEntry::from) else { return false };
    let Ok(commit) = decode_commit(&entry.record) else { return false };
    if (commit.prev, commit.cursor) != (entry.prev, entry.cursor) {
        return false;
    }
    entry.cursor.rev <= snapshot.cursor.rev || state.apply(&commit).is_ok()
}

/// Makes sure that no other process has the store, as long as the answer lives.
fn lock(store: &Path) -> Result<fs::File, StoreFault> {
    let file = fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(store.join("lock"));
    let file = file.map_err(|error| io_fault(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(StoreFault::Locked),
        Err(fs::TryLockError::Error(error)) => Err(io_fault(&error)),
    }
}

fn journals(store: &Path) -> io::Result<Vec<PathBuf>> {
    let mut journals = Vec::new();
    for entry in fs::read_dir(store)? {
        let path = entry?.path();
        let number = path.file_stem().and_then(|stem| stem.to_str()?.parse::<u64>().ok());
        if let Some(number) = number.filter(|_| path.extension().is_some_and(|end| end == "jnl")) {
            journals.push((number, path));
        }
    }
    journals.sort();
    Ok(journals.into_iter().map(|(_, path)| path).collect())
}

fn ends_of_batches(journal: &[u8]) -> Vec<usize> {
    let length = END_OF_BATCH.len();
    let ends = journal.windows(length).enumerate().filter(|(_, bytes)| *bytes == END_OF_BATCH);
    ends.map(|(at, _)| at + length).collect()
}

fn copy_dir(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_dir(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
