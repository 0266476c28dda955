//! What every part of the embedded store does with the engine: it opens keyspaces and names failures. Holds nothing.
use crate::server::store::StoreFault;
use fjall::{Database, Keyspace, KeyspaceCreateOptions};

/// Bytes of the log, and of a day, that stay in memory.
pub(super) const COMMITS_BYTES: u64 = 16 * 1024 * 1024;
/// Bytes of everything else.
pub(super) const OTHERS_BYTES: u64 = 4 * 1024 * 1024;

/// Names a failure of the engine.
pub(super) fn fault(error: &fjall::Error) -> StoreFault {
    match error {
        fjall::Error::Locked => StoreFault::Locked,
        fjall::Error::Io(error) => StoreFault::Engine(error.to_string().into()),
        fjall::Error::Poisoned => StoreFault::Engine("an earlier write failed".into()),
        other => StoreFault::Engine(format!("{other:?}").into()),
    }
}

/// Opens a keyspace of which so many bytes stay in memory before they become a table; it is made if it is not there.
pub(super) fn keyspace(db: &Database, name: &str, memory_bytes: u64) -> Result<Keyspace, StoreFault> {
    let options = || KeyspaceCreateOptions::default().max_memtable_size(memory_bytes);
    db.keyspace(name, options).map_err(|error| fault(&error))
}

/// Names a failure to open: what is neither the lock nor the operating system's answer is damage.
pub(super) fn open_fault(error: &fjall::Error) -> StoreFault {
    match error {
        fjall::Error::Locked | fjall::Error::Io(_) | fjall::Error::Poisoned => fault(error),
        other => StoreFault::Damaged(format!("{other:?}").into()),
    }
}
