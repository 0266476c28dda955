//! Writes session records in the background, in order per session; answers wait until their record is written.
use crate::server::store::Store;
use crate::{
    hub::id::SessionId,
    wire::session::{SessionRecord, decode_session, encode_session},
};
use futures_util::future::join_all;
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};
use tokio::sync::mpsc;

/// How many writes are taken at once.
const BATCH: usize = 1024;

/// What is done when something is written.
type Done = Box<dyn FnOnce() + Send>;

struct Write {
    session: SessionId,
    record: Option<SessionRecord>,
    done: Done,
}

/// Reaches the writer. A store that fails is logged and does not stop anybody from being here.
pub struct SessionStore {
    store: Option<Arc<dyn Store>>,
    writes: OnceLock<mpsc::UnboundedSender<Write>>,
}

impl SessionStore {
    /// Starts nothing yet: the first write starts the writer, on the runtime of its caller.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self { store: Some(store), writes: OnceLock::new() }
    }

    /// Keeps nothing: sessions are kept elsewhere.
    #[must_use]
    pub const fn none() -> Self {
        Self { store: None, writes: OnceLock::new() }
    }

    /// Reads all sessions; what cannot be read is left out and logged.
    pub async fn load(&self) -> Vec<SessionRecord> {
        let Some(store) = &self.store else { return Vec::new() };
        let records = match store.sessions().await {
            Ok(records) => records,
            Err(error) => {
                tracing::error!(%error, "the stored sessions cannot be read");
                Vec::new()
            }
        };
        let decoded = records.iter().filter_map(|(id, record)| match decode_session(id, record) {
            Ok(session) => Some(session),
            Err(error) => {
                tracing::warn!(%error, "a stored session cannot be read");
                None
            }
        });
        decoded.collect()
    }

    /// Keeps or forgets a session; `done` runs when that is written.
    pub fn put(&self, session: SessionId, record: Option<SessionRecord>, done: impl FnOnce() + Send + 'static) {
        let Some(store) = &self.store else { return done() };
        let writes = self.writes.get_or_init(|| {
            let (sender, receiver) = mpsc::unbounded_channel();
            tokio::spawn(write_all(store.clone(), receiver));
            sender
        });
        // The writer ends with the process only.
        let _ = writes.send(Write { session, record, done: Box::new(done) });
    }
}

async fn write_all(store: Arc<dyn Store>, mut writes: mpsc::UnboundedReceiver<Write>) {
    let mut batch = Vec::with_capacity(BATCH);
    while writes.recv_many(&mut batch, BATCH).await > 0 {
        let mut newest = BTreeMap::new();
        let mut after = Vec::with_capacity(batch.len());
        for Write { session, record, done } in batch.drain(..) {
            newest.insert(session, record);
            after.push(done);
        }
        let puts =
            newest.iter().map(|(session, record)| store.put_session(session.as_str(), record.as_ref().map(encode_session)));
        for written in join_all(puts).await {
            if let Err(error) = written {
                tracing::warn!(%error, "a session is not stored");
            }
        }
        for done in after {
            done();
        }
    }
}
