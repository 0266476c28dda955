//! The watermark: a small file beside the store that says how many commits have reached the disk, written after each fsync. A store that
//! holds less than its watermark has lost its tail, and says so at the start instead of going on as if nothing were missing.
use crate::hub::{cursor::Cursor, id::RoomId};
use sha2::{Digest, Sha256};
use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// The file's name in the data folder.
pub(super) const FILE: &str = "store.mark";
/// Two slots are written in turns, so that a torn write never costs the older one.
const SLOT: u64 = 512;

/// The number of commits of all rooms, and a checksum over their identities: equal numbers with another checksum are another history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub commits: u64,
    pub chain: u64,
}

impl Mark {
    /// Returns the mark after one more commit. Cost: one hash over about 100 bytes.
    pub fn after(self, room: &RoomId, cursor: Cursor) -> Self {
        let mut hash = Sha256::new();
        hash.update(self.chain.to_be_bytes());
        hash.update(room.as_str());
        hash.update(cursor.rev.to_be_bytes());
        hash.update(cursor.commit.0.to_be_bytes());
        Self { commits: self.commits + 1, chain: first_bytes(hash) }
    }

    /// Writes the mark as text.
    pub fn text(self) -> String {
        format!("{} {:016x}", self.commits, self.chain)
    }

    /// Reads a mark back.
    pub fn parse(text: &str) -> Option<Self> {
        let (commits, chain) = text.split_once(' ')?;
        Some(Self { commits: commits.parse().ok()?, chain: u64::from_str_radix(chain, 16).ok()? })
    }

    fn line(self) -> String {
        let text = format!("michub watermark 1: {}", self.text());
        let sum = first_bytes(Sha256::new().chain_update(&text));
        format!("{text} {sum:016x}\n")
    }

    fn of_line(line: &str) -> Option<Self> {
        let (text, _) = line.rsplit_once(' ')?;
        let mark = Self::parse(text.strip_prefix("michub watermark 1: ")?)?;
        (mark.line() == format!("{line}\n")).then_some(mark)
    }
}

fn first_bytes(hash: Sha256) -> u64 {
    hash.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte))
}

/// The open file.
pub(super) struct Watermark {
    file: File,
    next_slot: u64,
    newest: Option<Mark>,
}

impl Watermark {
    /// Opens the file in `dir`, or makes it.
    pub fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(dir.join(FILE))?;
        let mut slots = [None, None];
        for (slot, at) in slots.iter_mut().zip([0, SLOT]) {
            let mut bytes = [0; 128];
            let length = file.read_at(&mut bytes, at)?;
            let text = String::from_utf8_lossy(bytes.get(..length).unwrap_or_default()).into_owned();
            *slot = text.split_once('\n').and_then(|(line, _)| Mark::of_line(line));
        }
        let [first, second] = slots;
        let first_is_newer = first.map(|mark| mark.commits) > second.map(|mark| mark.commits);
        let newest = if first_is_newer { first } else { second };
        Ok(Self { file, next_slot: if first_is_newer { SLOT } else { 0 }, newest })
    }

    /// Returns what was written last, if anything readable was.
    pub const fn newest(&self) -> Option<Mark> {
        self.newest
    }

    /// Writes a mark; `sync` = it reaches the disk before this returns.
    pub fn write(&mut self, mark: Mark, sync: bool) -> io::Result<()> {
        if self.newest == Some(mark) {
            return Ok(());
        }
        self.file.write_all_at(mark.line().as_bytes(), self.next_slot)?;
        if sync {
            self.file.sync_data()?;
        }
        self.next_slot = SLOT - self.next_slot;
        self.newest = Some(mark);
        Ok(())
    }

    /// Forgets everything: from here on what the store holds is what counts.
    pub fn clear(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_all()?;
        (self.next_slot, self.newest) = (0, None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::id::CommitId;

    #[test]
    fn the_newest_whole_mark_counts() {
        let dir = tempfile::tempdir().unwrap();
        let room = RoomId::parse("r").unwrap();
        let mut mark = Mark::default();
        for rev in 0..5 {
            mark = mark.after(&room, Cursor { rev, commit: CommitId(rev) });
            let mut file = Watermark::open(dir.path()).unwrap();
            file.write(mark, false).unwrap();
        }
        assert_eq!(Watermark::open(dir.path()).unwrap().newest(), Some(mark));

        let mut bytes = std::fs::read(dir.path().join(FILE)).unwrap();
        let newest = bytes.windows(3).position(|three| three == b": 5").unwrap();
        bytes[newest + 2] = b'9';
        std::fs::write(dir.path().join(FILE), bytes).unwrap();
        let older = Watermark::open(dir.path()).unwrap().newest().unwrap();
        assert_eq!(older.commits, 4, "a torn mark costs one step");

        let mut file = Watermark::open(dir.path()).unwrap();
        file.clear().unwrap();
        assert_eq!(Watermark::open(dir.path()).unwrap().newest(), None);
    }

    #[test]
    fn another_history_has_another_checksum() {
        let room = RoomId::parse("r").unwrap();
        let after = |commit| Mark::default().after(&room, Cursor { rev: 1, commit: CommitId(commit) });
        assert_ne!(after(1), after(2));
        assert_eq!(Mark::parse(&after(1).text()), Some(after(1)));
    }
}
