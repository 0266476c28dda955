//! Many nodes on one Redis: who lives, who clears up after whom, and what nodes tell each other. No node owns anything.
mod beat;
mod dead;
mod forgotten;
mod keeper;
mod mail;
pub mod parts;
pub mod people;
mod projection;
mod seen;
mod settings;

use super::{
    clock::{Clock, Mono},
    msg::ToRooms,
    store::redis::{
        RedisStore,
        fault::Failed,
        live::{Ear, Heard},
        script::Lua,
    },
};
use crate::hub::time::Millis;
use forgotten::Forgotten;
pub use mail::Mail;
use people::Adopted;
use redis::Value;
pub use settings::Settings;
use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
};

/// One life of a node: a random name that is never used again. A node whose lease has lapsed takes a new one.
pub type Node = Arc<str>;

/// The other nodes cannot be reached, because Redis cannot.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the other nodes cannot be reached: {0}")]
pub struct Unreachable(Arc<str>);

impl From<Failed> for Unreachable {
    fn from(failed: Failed) -> Self {
        Self(failed.to_string().into())
    }
}

impl From<redis::ParsingError> for Unreachable {
    fn from(error: redis::ParsingError) -> Self {
        Self(error.to_string().into())
    }
}

impl From<redis::RedisError> for Unreachable {
    fn from(error: redis::RedisError) -> Self {
        Self(error.to_string().into())
    }
}

struct Scripts {
    beat: Lua,
    claim: Lua,
    care: Lua,
    parts: Lua,
    part: Lua,
    gone: Lua,
    open: Lua,
    sync: Lua,
    choose: Lua,
    adopt: Lua,
    look: Lua,
    mail: Lua,
}

/// The way to this node's presence for what it hears of other nodes.
pub trait ToPresence: Send + Sync {
    /// Another node says something to this one.
    fn mail(&self, mail: Mail);
    /// Everything must be told to the other nodes anew; `done` hears when it is.
    fn announce(&self, done: Option<oneshot::Sender<()>>);
    /// Sessions of a dead node are this node's from here on.
    fn adopt(&self, adopted: Vec<Adopted>);
}

/// This node among the others.
pub struct Cluster {
    store: Arc<RedisStore>,
    clock: Clock,
    scripts: Scripts,
    /// The name that operators see.
    name: String,
    me: Mutex<Node>,
    /// What it was called before, the newest lives only.
    former: Mutex<VecDeque<Node>>,
    epoch: Mutex<Option<String>>,
    wiped: AtomicBool,
    leaving: watch::Sender<bool>,
    /// The task that beats, and says goodbye at its end.
    keeper: Mutex<Option<JoinHandle<()>>>,
    /// When the process was last seen to run, in monotonic milliseconds.
    ran_at: AtomicU64,
    /// It has stood still, and does not know yet which sessions have moved on meanwhile.
    doubts: AtomicBool,
    /// How often that has happened.
    pauses: AtomicU64,
    forgotten: Forgotten,
}

/// How many former lives are remembered.
const LIVES_MAX: usize = 8;
/// How long the wait for Redis is not spoken of again for the same reason.
const SAY_AGAIN_MS: u64 = 10_000;
/// A process that is not seen to run for this long has stood still.
const STOOD_STILL_MS: u64 = 1_500;

macro_rules! people_script {
    ($file:literal) => {
        Lua::new(concat!(include_str!("lua/common.lua"), include_str!(concat!("lua/", $file, ".lua"))))
    };
}

fn fresh() -> Node {
    format!("{:016x}", rand::random::<u64>()).into()
}

/// Says what may be wrong with a Redis that answers, if its answer does not.
fn foreign(why: &str) -> Option<&'static str> {
    why.contains("WRONGTYPE")
        .then_some("something else uses keys of the hub's names: give it a store.redis.key_prefix of its own")
}

impl Cluster {
    /// Begins this node's first life; nobody hears of it before [`Self::start`].
    #[must_use]
    pub fn new(store: Arc<RedisStore>, clock: Clock, name: String) -> Arc<Self> {
        let scripts = Scripts {
            beat: Lua::new(include_str!("lua/beat.lua")),
            claim: Lua::new(include_str!("lua/claim.lua")),
            care: Lua::new(include_str!("lua/care.lua")),
            parts: Lua::new(include_str!("lua/parts.lua")),
            part: Lua::new(include_str!("lua/part.lua")),
            gone: Lua::new(include_str!("lua/gone.lua")),
            open: people_script!("open"),
            sync: people_script!("sync"),
            choose: people_script!("choose"),
            adopt: people_script!("adopt"),
            look: people_script!("look"),
            mail: people_script!("mail"),
        };
        Arc::new(Self {
            store,
            clock,
            scripts,
            name,
            me: Mutex::new(fresh()),
            former: Mutex::default(),
            epoch: Mutex::default(),
            wiped: AtomicBool::new(false),
            leaving: watch::Sender::new(false),
            keeper: Mutex::default(),
            ran_at: AtomicU64::new(clock.mono().0),
            doubts: AtomicBool::new(false),
            pauses: AtomicU64::new(0),
            forgotten: Forgotten::default(),
        })
    }

    /// Waits for Redis, takes its time, and reads what all nodes share: the key of session tokens, made by the first of them.
    pub async fn enter(&self) -> [u8; 32] {
        let mut said: Option<(String, Mono)> = None;
        loop {
            let why = match self.try_enter().await {
                Ok(Some(key)) => break key,
                Ok(None) => "hub:key in Redis is not one; remove it, and every session must begin anew".to_owned(),
                Err(error) => error.to_string(),
            };
            let now = self.clock.mono();
            if said.as_ref().is_none_or(|(before, at)| *before != why || now.since(*at) >= SAY_AGAIN_MS) {
                tracing::warn!(why, hint = foreign(&why), "waiting for Redis");
                said = Some((why, now));
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn try_enter(&self) -> Result<Option<[u8; 32]>, Unreachable> {
        self.beat().await?;
        let (name, fresh) = (self.store.keys().hub("key"), rand::random::<[u8; 32]>());
        let mut set = redis::cmd("SET");
        self.run(set.arg(&name).arg(&fresh[..]).arg("NX")).await?;
        let kept: Vec<u8> = redis::from_redis_value(self.run(redis::cmd("GET").arg(&name)).await?)?;
        Ok(kept.try_into().ok())
    }

    /// Lives among the others from here on: tells them regularly, and clears up after those who do not any more.
    pub fn start(self: &Arc<Self>, presence: Arc<dyn ToPresence>, rooms: Arc<dyn ToRooms>) {
        let keeper = tokio::spawn(keeper::live(self.clone(), presence, rooms));
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
    }

    /// Returns the name of this life.
    #[must_use]
    pub fn me(&self) -> Node {
        self.me.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the names of former lives, with blanks between them.
    fn former(&self) -> String {
        let former = self.former.lock().unwrap_or_else(PoisonError::into_inner);
        former.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ")
    }

    /// Tells whether Redis has lost what it held, and nobody has accepted that yet: then no room is made.
    #[must_use]
    pub fn is_wiped(&self) -> bool {
        self.wiped.load(Relaxed)
    }

    /// Tells how often the process has stood still. `None`: it has just done so, and cannot know yet whose commands it may still take, as
    /// somebody may have gone on elsewhere and done them there. Commands taken under another answer are not to be done.
    #[must_use]
    pub fn standing(&self) -> Option<u64> {
        let late = self.clock.mono().since(Mono(self.ran_at.load(Relaxed))) > STOOD_STILL_MS;
        (!late && !self.doubts.load(Relaxed)).then(|| self.pauses.load(Relaxed))
    }

    /// Tells for how long Redis has been back, if it was away since this process began, or has lost what it held.
    #[must_use]
    pub fn back_for(&self) -> Option<Duration> {
        let up = *self.store.link().watch().borrow();
        let since = up.since.filter(|_| up.generation > 1).max(self.forgotten.since())?;
        Some(Duration::from_millis(self.clock.mono().since(since)))
    }

    /// Tells whether Redis answers.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.store.link().is_up()
    }

    /// Sends a message to another node; it may be lost. Returns whether that node listens.
    pub async fn post(&self, to: &str, mail: &Mail) -> bool {
        self.tell_node(to, &mail.encode()).await
    }

    async fn tell_node(&self, to: &str, message: &[u8]) -> bool {
        let mut publish = redis::cmd("SPUBLISH");
        publish.arg(self.store.keys().node(to, ":c")).arg(message);
        match self.run(&publish).await {
            Ok(listeners) => !matches!(listeners, Value::Int(0)),
            Err(error) => {
                // That Redis is away has been said already, once for all.
                if self.is_up() {
                    tracing::warn!(%error, to, "a node is not told");
                }
                false
            }
        }
    }

    async fn listen(&self, me: &str, presence: Arc<dyn ToPresence>) {
        let hurry = self.forgotten.hurry.clone();
        let ear: Ear = Arc::new(move |heard| match heard {
            Heard::Gap => presence.announce(None),
            Heard::Message(message) if &*message == forgotten::BEAT => hurry.notify_one(),
            Heard::Message(message) => match Mail::decode(&message) {
                Some(mail) => presence.mail(mail),
                None => tracing::warn!("a message of another node cannot be read"),
            },
        });
        self.store.live().listen(self.store.keys().node(me, ":c"), ear).await;
    }

    async fn run(&self, cmd: &redis::Cmd) -> Result<Value, Unreachable> {
        Ok(self.store.link().run(cmd, self.store.deadline()).await?)
    }

    async fn script(&self, script: &Lua, keys: &[String], args: &[&[u8]]) -> Result<Value, Unreachable> {
        Ok(self.store.link().script(script, keys, args, self.store.deadline()).await?)
    }

    fn lease(&self) -> Millis {
        Millis(u64::try_from(self.store.settings().lease.as_millis()).unwrap_or(u64::MAX))
    }
}
