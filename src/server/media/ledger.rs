//! What all nodes know of media together, and what outlives a restart: every stream's state is kept as a note of the store, and told to the
//! other nodes. States are joined, never replaced, so neither order nor repetition matters here either.
//!
//! With an embedded store there is one node, and only the notes are of use: streams on air when the hub stops are known when it starts again.
use crate::{
    hub::media::{Space, StreamId},
    server::{
        clock::Clock,
        store::{
            notes::Notes,
            redis::{
                RedisStore,
                live::{Ear, Heard},
            },
        },
    },
    wire::{
        media::{MediaWord, PartRecord},
        server::json,
    },
};
use bytes::Bytes;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{mpsc, oneshot};

/// How many words may wait to be kept and told.
const WAITING_MAX: usize = 4_096;
/// How many are kept and told in one go.
const BATCH: usize = 64;
/// How many notes wait while the store is away; beyond it the rest is left to polls.
const UNSAVED_MAX: usize = 50_000;
/// How often the store is tried again.
const AGAIN: Duration = Duration::from_secs(1);
/// How many words of other nodes may wait; beyond it the notes are read.
const HEARD_MAX: usize = 4_096;
/// How many notes are read at once.
const PAGE: usize = 1_000_000;
/// For how long a nonce is remembered, in milliseconds.
const NONCE_MS: u64 = 20 * 60 * 1000;
/// How many lists of one source all nodes together ask for in a second: below every vendor's limit.
const LISTS_PER_SECOND: u64 = 40;

/// One thing to keep, to tell, or both.
struct Entry {
    source: Arc<str>,
    /// The note's key; `None`: it is only told.
    key: Option<String>,
    /// `None`: the note is forgotten.
    word: Option<MediaWord>,
    done: Option<oneshot::Sender<()>>,
}

/// What comes from other nodes.
pub(super) enum FromOthers {
    /// One word.
    Word(Box<MediaWord>),
    /// All notes, because words may have been missed.
    Notes(Vec<(String, Space)>),
}

/// Keeps and tells. Cheap to clone.
#[derive(Clone)]
pub(super) struct Ledger {
    to_task: mpsc::Sender<Entry>,
    notes: Arc<dyn Notes>,
    redis: Option<Arc<RedisStore>>,
    node: Arc<str>,
    clock: Clock,
}

fn family(source: &str) -> String {
    format!("media.{source}")
}

/// The name of a note: names of streams may be long, and may contain anything.
fn key_of(space: &str, stream: Option<&StreamId>) -> String {
    let stream = stream.map(|stream| format!("\0{stream}")).unwrap_or_default();
    short_hash(&[space, &stream].concat())
}

fn short_hash(text: &str) -> String {
    let hash = Sha256::digest(text);
    crate::server::media::hooks::hex(hash.get(..16).unwrap_or_default())
}

impl Ledger {
    /// Starts to keep. `node` names this process.
    pub fn start(notes: Arc<dyn Notes>, redis: Option<Arc<RedisStore>>, node: Arc<str>, clock: Clock) -> Self {
        let (to_task, inbox) = mpsc::channel(WAITING_MAX);
        let ledger = Self { to_task, notes, redis, node, clock };
        tokio::spawn(ledger.clone().run(inbox));
        ledger
    }

    /// Returns the notes beneath.
    pub fn notes(&self) -> Arc<dyn Notes> {
        self.notes.clone()
    }

    /// Tells whether other nodes are told.
    pub const fn shared(&self) -> bool {
        self.redis.is_some()
    }

    /// Begins a word of this node about a space.
    pub fn word(&self, space: &str) -> MediaWord {
        MediaWord { from: self.node.to_string(), space: space.to_owned(), part: None, listed_at: None, sign: None }
    }

    /// Keeps what is known of a stream, or (`None`) of a space as a whole, and tells it; `done` hears when that has been tried.
    pub fn keep(
        &self,
        source: &Arc<str>,
        space: &str,
        stream: Option<&StreamId>,
        known: &Space,
        done: Option<oneshot::Sender<()>>,
    ) {
        let word = MediaWord { part: Some(PartRecord::of(space, &known.part(stream))), ..self.word(space) };
        let key = Some(key_of(space, stream));
        self.pass(Entry { source: source.clone(), key, word: Some(word), done });
    }

    /// Forgets what was kept.
    pub fn forget(&self, source: &Arc<str>, space: &str, stream: Option<&StreamId>) {
        self.pass(Entry { source: source.clone(), key: Some(key_of(space, stream)), word: None, done: None });
    }

    /// Tells something that is not worth keeping.
    pub fn tell(&self, source: &Arc<str>, word: MediaWord) {
        if self.shared() {
            self.pass(Entry { source: source.clone(), key: None, word: Some(word), done: None });
        }
    }

    fn pass(&self, entry: Entry) {
        // Whoever waits for it hears that it was dropped; polls bring the rest back.
        if self.to_task.try_send(entry).is_err() {
            metrics::counter!("michub_media_unkept_total").increment(1);
        }
    }

    async fn run(self, mut inbox: mpsc::Receiver<Entry>) {
        let mut unsaved: BTreeMap<(Arc<str>, String), Option<MediaWord>> = BTreeMap::new();
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            if unsaved.is_empty() {
                if inbox.recv_many(&mut batch, BATCH).await == 0 {
                    return;
                }
            } else if let Ok(0) = tokio::time::timeout(AGAIN, inbox.recv_many(&mut batch, BATCH)).await {
                return;
            }
            let mut waiting = Vec::new();
            let mut told = Vec::new();
            for Entry { source, key, word, done } in batch.drain(..) {
                waiting.extend(done);
                match key {
                    Some(key) => drop(unsaved.insert((source, key), word)),
                    None => told.extend(word.map(|word| (source, word))),
                }
            }
            while unsaved.len() > UNSAVED_MAX {
                unsaved.pop_first();
            }
            let saves = unsaved.iter().map(|((source, key), word)| self.save(source, key, word.as_ref()));
            let saved: Vec<bool> = futures_util::future::join_all(saves).await;
            let mut saved = saved.into_iter();
            unsaved.retain(|_, _| !saved.next().unwrap_or_default());
            for (source, word) in told {
                self.publish(&source, &word).await;
            }
            for done in waiting {
                let _ = done.send(());
            }
        }
    }

    async fn save(&self, source: &str, key: &str, word: Option<&MediaWord>) -> bool {
        let note = word.and_then(|word| word.part.as_ref()).map(|part| Bytes::from(json(part)));
        if let Err(fault) = self.notes.put_note(&family(source), key, note, None).await {
            tracing::warn!(source, %fault, "what is on air cannot be stored yet");
            return false;
        }
        match word {
            Some(word) => self.publish(source, word).await,
            None => true,
        }
    }

    async fn publish(&self, source: &str, word: &MediaWord) -> bool {
        let Some(redis) = &self.redis else { return true };
        let mut publish = redis::cmd("SPUBLISH");
        publish.arg(Self::channel(redis, source)).arg(json(word));
        let told = redis.link().run(&publish, redis.deadline()).await;
        if let Err(error) = &told {
            tracing::warn!(source, %error, "other nodes cannot be told what is on air");
        }
        told.is_ok()
    }

    fn channel(redis: &RedisStore, source: &str) -> String {
        redis.keys().hub(&format!("{{{}}}:c", family(source)))
    }

    /// Reads all that is kept of a source.
    pub async fn load(&self, source: &str) -> Vec<(String, Space)> {
        let notes = match self.notes.notes(&family(source), None, PAGE).await {
            Ok(notes) => notes,
            Err(fault) => {
                tracing::warn!(source, %fault, "what was on air cannot be read; the next polls will show it");
                return Vec::new();
            }
        };
        let read = |(_, note): (String, Bytes)| {
            let record: Option<PartRecord> = serde_json::from_slice(&note).ok();
            let part = record.as_ref().and_then(PartRecord::read).map(|(space, part)| (space.to_owned(), part));
            if part.is_none() {
                tracing::warn!(source, "a note about a stream cannot be read; a newer version may have written it");
            }
            part
        };
        notes.into_iter().filter_map(read).collect()
    }

    /// Passes on what other nodes say about a source, until `to` is gone.
    pub async fn follow(self, index: usize, source: Arc<str>, to: mpsc::Sender<(usize, FromOthers)>) {
        let Some(redis) = self.redis.clone() else { return };
        let (heard_to, mut heard) = mpsc::channel(HEARD_MAX);
        let missed = Arc::new(AtomicBool::new(true));
        let ear_missed = missed.clone();
        let ear: Ear = Arc::new(move |heard| {
            if heard_to.try_send(heard).is_err() {
                ear_missed.store(true, Relaxed);
            }
        });
        let confirmed = redis.live().listen(Self::channel(&redis, &source), ear).await;
        missed.store(confirmed, Relaxed);
        loop {
            if missed.swap(false, Relaxed) && to.send((index, FromOthers::Notes(self.load(&source).await))).await.is_err() {
                return;
            }
            match heard.recv().await {
                Some(Heard::Message(message)) => match serde_json::from_slice::<MediaWord>(&message) {
                    Ok(word) if *word.from == *self.node => {}
                    Ok(word) => {
                        if to.send((index, FromOthers::Word(Box::new(word)))).await.is_err() {
                            return;
                        }
                    }
                    Err(error) => tracing::warn!(source = %source, %error, "a message from another node cannot be read"),
                },
                Some(Heard::Gap) => missed.store(true, Relaxed),
                None => return,
            }
        }
    }

    /// Returns the body with which a nonce first came, to whichever node; `None`: it is new, or nobody can say.
    pub async fn first_body(&self, source: &str, nonce: &str, body: &[u8; 32]) -> Option<Vec<u8>> {
        let redis = self.redis.as_ref()?;
        let mut set = redis::cmd("SET");
        set.arg(Self::own_key(redis, source, "n", nonce)).arg(&body[..]).arg("NX").arg("GET").arg("PX").arg(NONCE_MS);
        redis::from_redis_value(redis.link().run(&set, redis.deadline()).await.ok()?).ok()?
    }

    /// Tells whether this node may ask for a list now: not more often than every `gap_ms` over all nodes, and every `sweep_ms` where nothing urges.
    pub async fn may_list(&self, source: &str, space: &str, gap_ms: u64, sweep_ms: Option<u64>) -> bool {
        let Some(redis) = &self.redis else { return true };
        if let Some(sweep_ms) = sweep_ms
            && !self.claim(redis, &Self::own_key(redis, source, "s", space), sweep_ms).await
        {
            return false;
        }
        if !self.claim(redis, &Self::own_key(redis, source, "g", space), gap_ms).await {
            return false;
        }
        let second = (self.clock.now().0 / 1000).to_string();
        let counter = Self::own_key(redis, source, "r", &second);
        let mut pipe = redis::cmd("INCR");
        let count = redis.link().run(pipe.arg(&counter), redis.deadline()).await;
        let _ = redis.link().run(redis::cmd("PEXPIRE").arg(&counter).arg(5_000), redis.deadline()).await;
        let count: u64 = count.ok().and_then(|count| redis::from_redis_value(count).ok()).unwrap_or_default();
        count <= LISTS_PER_SECOND
    }

    /// Tells whether this node ends a stream; another may be about to.
    pub async fn may_kick(&self, source: &str, stream: &str, session: &str, ms: u64) -> bool {
        let Some(redis) = &self.redis else { return true };
        self.claim(redis, &Self::own_key(redis, source, "k", &format!("{stream}\0{session}")), ms).await
    }

    fn own_key(redis: &RedisStore, source: &str, what: &str, name: &str) -> String {
        redis.keys().hub(&format!("{{{}}}:{what}:{}", family(source), short_hash(name)))
    }

    /// Whoever cannot ask Redis does it: too often is better than never.
    async fn claim(&self, redis: &RedisStore, key: &str, ms: u64) -> bool {
        let mut set = redis::cmd("SET");
        set.arg(key).arg(&*self.node).arg("NX").arg("PX").arg(ms.max(1));
        !matches!(redis.link().run(&set, redis.deadline()).await, Ok(redis::Value::Nil))
    }
}
