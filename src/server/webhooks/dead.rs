//! Dead letters: messages that were given up, kept whole so that they can be looked at and sent again.
use super::settings::family;
use crate::{
    hub::time::UnixMs,
    server::store::{StoreFault, notes::Notes},
};
use serde::{Deserialize, Serialize};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// A message that was given up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names are those that WEBHOOKS.md lists")]
pub struct DeadLetter {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub room_id: Option<String>,
    pub at_ms: u64,
    pub died_at_ms: u64,
    pub attempts: usize,
    pub error: String,
    pub body: String,
}

/// The dead letters of one endpoint.
pub struct DeadLetters {
    name: String,
    family: String,
    max: usize,
    notes: Arc<dyn Notes>,
    count: AtomicUsize,
}

impl DeadLetters {
    /// Opens them. Cost: counts those that there are.
    pub(super) async fn open(name: &str, max: usize, notes: Arc<dyn Notes>) -> Result<Self, StoreFault> {
        let family = format!("{}.dead", family(name));
        let count = AtomicUsize::new(notes.count_notes(&family).await?);
        Ok(Self { name: name.to_owned(), family, max, notes, count })
    }

    /// Returns how many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Keeps one more; beyond the limit the oldest goes, with a line in the log.
    pub(super) async fn bury(&self, letter: &DeadLetter) -> Result<(), StoreFault> {
        let key = format!("{:013}-{}", letter.died_at_ms, letter.id);
        let note = serde_json::to_vec(letter).unwrap_or_default();
        if self.notes.note(&self.family, &key).await?.is_none() {
            self.count.fetch_add(1, Relaxed);
        }
        self.notes.put_note(&self.family, &key, Some(note.into()), None).await?;
        metrics::counter!("michub_webhook_dead_total", "endpoint" => self.name.clone()).increment(1);
        tracing::error!(endpoint = self.name, id = letter.id, error = letter.error, "a message was given up");
        while self.count() > self.max {
            let Some((oldest, _)) = self.notes.notes(&self.family, None, 1).await?.into_iter().next() else { break };
            tracing::error!(endpoint = self.name, key = oldest, "too many dead letters: the oldest is dropped");
            self.forget(&oldest).await?;
        }
        Ok(())
    }

    /// Reads those behind `after`, in the order in which they died.
    pub(super) async fn list(&self, after: Option<&str>, limit: usize) -> Result<Vec<(String, DeadLetter)>, StoreFault> {
        let notes = self.notes.notes(&self.family, after, limit).await?;
        let read = |(key, note): (String, bytes::Bytes)| Some((key, serde_json::from_slice(&note).ok()?));
        Ok(notes.into_iter().filter_map(read).collect())
    }

    /// Reads one.
    pub(super) async fn one(&self, key: &str) -> Result<Option<DeadLetter>, StoreFault> {
        let note = self.notes.note(&self.family, key).await?;
        Ok(note.and_then(|note| serde_json::from_slice(&note).ok()))
    }

    /// Forgets one that was delivered after all.
    pub(super) async fn forget(&self, key: &str) -> Result<(), StoreFault> {
        self.notes.put_note(&self.family, key, None, None).await?;
        let _ = self.count.fetch_update(Relaxed, Relaxed, |count| Some(count.saturating_sub(1)));
        Ok(())
    }
}

impl DeadLetter {
    /// Makes one of a message that was given up.
    pub(super) fn new(
        message: &crate::wire::webhook::Message,
        body: Vec<u8>,
        attempts: usize,
        error: String,
        now: UnixMs,
    ) -> Self {
        let room_id = message.data.get("room_id").and_then(serde_json::Value::as_str).map(str::to_owned);
        let body = String::from_utf8(body).unwrap_or_default();
        let (id, kind) = (message.id.clone(), message.kind.clone());
        Self { id, kind, room_id, at_ms: message.at.0, died_at_ms: now.0, attempts, error, body }
    }
}
