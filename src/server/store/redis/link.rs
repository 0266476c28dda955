//! One connection that is always being kept: whoever needs it takes a clone, waits a bounded time for it, or hears at once that it is down.
use super::{
    connect::{Conn, Durability, Shared},
    fault::{Failed, Verdict, is_of_link, judge},
    refused::Writes,
    script::Lua,
};
use crate::server::clock::{Clock, Mono};
use redis::{Cmd, RedisError, RedisResult, Value};
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{Notify, watch};

/// The pause between two attempts at a connection or at a probe, without its jitter.
const PAUSE_MS: u64 = 100;
/// How often an idle link is probed.
const PROBE: Duration = Duration::from_millis(1_000);
/// How often a server that takes no writes is asked whether it takes them again.
const ASK_AGAIN: Duration = Duration::from_millis(250);
/// A link that answers nothing for this long is opened anew.
const GIVE_UP_MS: u64 = 2_000;

/// How long the same complaint is not said again.
const SAY_AGAIN_MS: u64 = 10_000;

/// Whether the link works, and since when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Up {
    /// Which connection this is, counted from 1; 0 = there was none yet.
    pub generation: u64,
    /// Since when it works, if it does.
    pub since: Option<Mono>,
}

/// A kept connection. Ends with its last handle.
pub struct Link {
    settings: Shared,
    clock: Clock,
    conn: Mutex<Option<Conn>>,
    /// Monotonic milliseconds + 1 since which nothing is answered; 0 = it works.
    down_since: AtomicU64,
    /// Monotonic milliseconds of the newest answer.
    answered_at: AtomicU64,
    suspected: Notify,
    writes: Writes,
    up: watch::Sender<Up>,
    ended: AtomicBool,
}

/// What was said of a Redis that cannot be used: attempts are many, and one line in a while is enough.
#[derive(Default)]
struct Complaint(Option<(String, Mono)>);

impl Complaint {
    /// Tells whether this is to be said: something else than the last time, or long ago.
    fn is_news(&mut self, error: &RedisError, now: Mono) -> bool {
        let text = error.to_string();
        if self.0.as_ref().is_some_and(|(said, at)| *said == text && now.since(*at) < SAY_AGAIN_MS) {
            return false;
        }
        self.0 = Some((text, now));
        true
    }
}

/// Keeps the link alive as long as somebody holds it.
pub struct Keeper(Arc<Link>);

impl std::ops::Deref for Keeper {
    type Target = Arc<Link>;

    fn deref(&self) -> &Arc<Link> {
        &self.0
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.ended.store(true, Relaxed);
        self.0.suspected.notify_one();
    }
}

impl Link {
    /// Starts to keep a connection, on the runtime of the caller. `replicas`: how many must have what [`Self::script_and_wait`] writes.
    #[must_use]
    pub fn start(settings: Shared, clock: Clock, replicas: usize) -> Keeper {
        let (up, _) = watch::channel(Up { generation: 0, since: None });
        let link = Arc::new(Self {
            clock,
            conn: Mutex::new(None),
            down_since: AtomicU64::new(clock.mono().0 + 1),
            answered_at: AtomicU64::new(0),
            suspected: Notify::new(),
            // The answer to WAIT must be there before that of the connection is given up.
            writes: Writes::new(replicas, millis(settings.command_timeout) * 4 / 5),
            settings,
            up,
            ended: AtomicBool::new(false),
        });
        tokio::spawn(link.clone().keep());
        Keeper(link)
    }

    /// Tells whether the link works, and lets a task wait for changes.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<Up> {
        self.up.subscribe()
    }

    /// Tells whether the last thing that was heard of Redis was an answer.
    #[must_use]
    pub fn is_up(&self) -> bool {
        self.down_since.load(Relaxed) == 0
    }

    /// Tells whether the server takes writes, as far as known.
    #[must_use]
    pub fn takes_writes(&self) -> bool {
        self.is_up() && self.writes.are_taken()
    }

    fn conn(&self) -> Option<Conn> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_conn(&self, conn: Option<Conn>) {
        *self.conn.lock().unwrap_or_else(PoisonError::into_inner) = conn;
    }

    /// Waits for the link until `deadline`; not at all if it has been down for longer than a command may wait.
    pub async fn ready(&self, deadline: Mono) -> Option<Conn> {
        let mut up = self.up.subscribe();
        loop {
            if self.is_up()
                && let Some(conn) = self.conn()
            {
                return Some(conn);
            }
            let now = self.clock.mono();
            let down = self.down_since.load(Relaxed);
            let too_long = down > 0 && now.since(Mono(down - 1)) >= millis(self.settings.wait) && up.borrow().generation > 0;
            let rest = deadline.0.saturating_sub(now.0);
            if too_long || rest == 0 {
                return None;
            }
            // A change that came since the look above is seen at once.
            let _ = tokio::time::timeout(Duration::from_millis(rest.min(50)), up.changed()).await;
        }
    }

    /// Runs a command once, waiting for the link until `deadline`.
    pub async fn run(&self, cmd: &Cmd, deadline: Mono) -> Result<Value, Failed> {
        let mut conn = self.ready(deadline).await.ok_or(Failed::Down)?;
        self.heard(cmd.query_async(&mut conn).await)
    }

    /// Runs a script once; one that is not known there is sent whole.
    pub async fn script(&self, script: &Lua, keys: &[String], args: &[&[u8]], deadline: Mono) -> Result<Value, Failed> {
        let mut conn = self.ready(deadline).await.ok_or(Failed::Down)?;
        let outcome = match self.heard(script.by_hash(keys, args).query_async(&mut conn).await) {
            Err(failed) if failed.verdict() == Verdict::NoScript => {
                self.heard(script.whole(keys, args).query_async(&mut conn).await)
            }
            outcome => outcome,
        };
        if self.writes.note(keys, &outcome) {
            self.suspected.notify_one();
        }
        outcome
    }

    /// As [`Self::script`], and waits until the replicas have it too. Returns the answer and how many have.
    pub async fn script_and_wait(
        &self,
        script: &Lua,
        keys: &[String],
        args: &[&[u8]],
        deadline: Mono,
    ) -> Result<(Value, usize), Failed> {
        let mut conn = self.ready(deadline).await.ok_or(Failed::Down)?;
        // WAIT proves something only on the connection that has sent the write, right behind it.
        let both = |run: Cmd| {
            let mut pipe = redis::pipe();
            pipe.add_command(run).add_command(self.writes.wait());
            pipe
        };
        let first = both(script.by_hash(keys, args));
        let outcome = match self.heard(first.query_async(&mut conn).await) {
            Err(failed) if failed.verdict() == Verdict::NoScript => {
                self.heard(both(script.whole(keys, args)).query_async(&mut conn).await)
            }
            outcome => outcome,
        };
        let few = outcome.as_ref().is_ok_and(|(_, confirmed)| self.writes.note_replicas(keys, *confirmed));
        if few || self.writes.note(keys, &outcome) {
            self.suspected.notify_one();
        }
        outcome
    }

    /// Notes what an answer says about the link.
    fn heard<T>(&self, outcome: RedisResult<T>) -> Result<T, Failed> {
        match outcome {
            Ok(value) => {
                self.answered_at.store(self.clock.mono().0, Relaxed);
                if self.down_since.load(Relaxed) != 0 {
                    self.suspected.notify_one();
                }
                Ok(value)
            }
            Err(error) => {
                if is_of_link(&error) {
                    self.suspect();
                }
                Err(Failed::Said(error))
            }
        }
    }

    fn suspect(&self) {
        let now = self.clock.mono().0 + 1;
        if self.down_since.compare_exchange(0, now, Relaxed, Relaxed).is_ok() {
            metrics::counter!("michub_redis_lost_total").increment(1);
            self.up.send_modify(|up| up.since = None);
        }
        self.suspected.notify_one();
    }

    fn works(&self, fresh: bool) {
        self.down_since.store(0, Relaxed);
        self.up.send_modify(|up| {
            up.generation += u64::from(fresh);
            up.since.get_or_insert(self.clock.mono());
        });
    }

    async fn keep(self: Arc<Self>) {
        let mut complaint = Complaint::default();
        while !self.ended.load(Relaxed) {
            match self.settings.connect(None).await {
                Ok(conn) => match self.check(conn.clone()).await {
                    Ok(()) => {
                        complaint = Complaint::default();
                        tracing::info!("Redis is reached");
                        self.set_conn(Some(conn.clone()));
                        self.works(true);
                        self.guard(conn).await;
                        self.set_conn(None);
                    }
                    Err(error) if complaint.is_news(&error, self.clock.mono()) => {
                        tracing::error!(%error, at = self.settings.place(), "this Redis cannot be used");
                    }
                    Err(_) => {}
                },
                Err(error) if complaint.is_news(&error, self.clock.mono()) => {
                    tracing::warn!(%error, at = self.settings.place(), hint = self.settings.hint(&error), "Redis cannot be reached");
                }
                Err(_) => {}
            }
            tokio::time::sleep(pause()).await;
        }
    }

    /// Stays until the connection is of no use any more.
    async fn guard(&self, mut conn: Conn) {
        let mut failing_since: Option<Mono> = None;
        while !self.ended.load(Relaxed) {
            if failing_since.is_none() {
                let wait = if self.writes.are_taken() { PROBE } else { ASK_AGAIN };
                let suspected = tokio::time::timeout(wait, self.suspected.notified()).await.is_ok();
                self.writes.ask(&mut conn).await;
                let quiet = self.clock.mono().since(Mono(self.answered_at.load(Relaxed)));
                if !suspected && quiet < millis(PROBE) {
                    continue;
                }
            } else {
                tokio::time::sleep(pause()).await;
            }
            match self.writes.probe(&mut conn, &self.settings.key_prefix).await {
                Ok(()) => {
                    failing_since = None;
                    if !self.is_up() {
                        // A server that answers but takes no writes is as good as none.
                        match self.writable(&mut conn).await {
                            Ok(()) => self.works(false),
                            Err(error) => {
                                tracing::warn!(%error, "Redis takes no writes");
                                return;
                            }
                        }
                    }
                }
                Err(error) => {
                    self.suspect();
                    let now = self.clock.mono();
                    let since = *failing_since.get_or_insert(now);
                    if !error.is_timeout() || now.since(since) >= GIVE_UP_MS {
                        tracing::warn!(%error, "the connection to Redis is given up");
                        return;
                    }
                }
            }
        }
    }

    async fn writable(&self, conn: &mut Conn) -> RedisResult<()> {
        if matches!(conn, Conn::Cluster(_)) {
            return Ok(());
        }
        let role: RedisResult<Vec<Value>> = redis::cmd("ROLE").query_async(conn).await;
        match role {
            Ok(role) if role.first().is_some_and(|role| text(role).as_deref() == Some("master")) => Ok(()),
            Ok(_) => Err((redis::ErrorKind::Server(redis::ServerErrorKind::ReadOnly), "it is a replica").into()),
            // Without the right to ask, the first write will tell.
            Err(error) if judge(&error) == Verdict::Refused => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn check(&self, mut conn: Conn) -> RedisResult<()> {
        self.writable(&mut conn).await?;
        if self.settings.durability == Durability::Disk {
            for (name, wanted) in [("appendonly", "yes"), ("appendfsync", "always")] {
                let (_, value): (String, String) = redis::cmd("CONFIG").arg("GET").arg(name).query_async(&mut conn).await?;
                if value != wanted {
                    let detail = format!("store.redis.durability = \"disk\" needs {name} {wanted}, and here it is {value}");
                    return Err((redis::ErrorKind::InvalidClientConfig, "the server's settings", detail).into());
                }
            }
        }
        Ok(())
    }
}

/// Reads a text out of a value.
#[must_use]
pub fn text(value: &Value) -> Option<String> {
    match value {
        Value::BulkString(bytes) => String::from_utf8(bytes.clone()).ok(),
        Value::SimpleString(text) => Some(text.clone()),
        Value::Int(number) => Some(number.to_string()),
        Value::Okay => Some("OK".to_owned()),
        _ => None,
    }
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}

/// Returns a pause with jitter, so that nodes do not come back in step.
fn pause() -> Duration {
    Duration::from_millis(PAUSE_MS + rand::random_range(0..PAUSE_MS))
}
