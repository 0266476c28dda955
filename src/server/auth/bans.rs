//! Who was sent away from the hub: tokens from before are refused, and a ban lets nobody of that name in. The truth is in notes that all
//! nodes share; each node has a copy, and ends the sessions of whoever is in the news.
use crate::server::{
    clock::Clock,
    msg::{Refusal, refusal, unavailable},
    presence::Presence,
    store::{
        StoreFault, WriteFault,
        notes::{NoteNews, Notes},
    },
};
use crate::{
    hub::{code::Code, id::UserId},
    wire::ban::{Ban, decode_ban, encode_ban},
};
use dashmap::DashMap;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::{mpsc, watch};

/// The family of the notes.
const FAMILY: &str = "bans";
/// How many notes are read at once.
const PAGE: usize = 1000;
/// How much news may wait; more, and all notes are read instead.
const NEWS_MAX: usize = 1024;
/// How often it is looked for what need not be known any more.
const EVERY: Duration = Duration::from_secs(60);
/// The pause before a store that could not be read is read again.
const AGAIN: Duration = Duration::from_millis(500);

/// For whom and how long it is kept.
#[derive(Clone, Copy, Debug)]
pub struct BanSettings {
    /// How many people.
    pub people_max: usize,
    /// How long tokens from before are refused, ms.
    pub keep_ms: u64,
}

/// Why somebody is not let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Denied {
    /// His token is from before he was sent away.
    OldToken,
    /// Nobody of that name is let in now.
    Banned,
}

/// This node's copy. Cheap to clone; by default nobody is in it.
#[derive(Clone)]
pub struct BanList(Arc<Known>);

struct Known {
    bans: DashMap<UserId, Ban>,
    /// Counts the changes, for whoever waits for one.
    changes: watch::Sender<u64>,
}

impl Default for BanList {
    fn default() -> Self {
        Self(Arc::new(Known { bans: DashMap::new(), changes: watch::Sender::new(0) }))
    }
}

impl BanList {
    /// Tells whether `user` may come in at `now` with a token issued at `issued`; wall time, ms.
    pub fn check(&self, user: &UserId, issued: u64, now: u64) -> Result<(), Denied> {
        match self.0.bans.get(user).as_deref() {
            Some(ban) if ban.until > now => Err(Denied::Banned),
            Some(ban) if issued < ban.since => Err(Denied::OldToken),
            Some(_) | None => Ok(()),
        }
    }

    /// Returns the time from which on tokens of `user` must be to be good; wall time, ms.
    #[must_use]
    pub fn good_since(&self, user: &UserId) -> u64 {
        self.of(user).since
    }

    /// Hears of every change from here on.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    fn of(&self, user: &UserId) -> Ban {
        self.0.bans.get(user).map_or(Ban::default(), |ban| *ban)
    }

    /// Takes what was decided last. Returns what was known before if that was older.
    fn learn(&self, user: &UserId, ban: Ban) -> Option<Ban> {
        let before = {
            let mut known = self.0.bans.entry(user.clone()).or_default();
            if known.at >= ban.at {
                return None;
            }
            std::mem::replace(&mut *known, ban)
        };
        self.0.changes.send_modify(|count| *count += 1);
        Some(before)
    }
}

/// Sends people away, on every node. Cheap to clone.
#[derive(Clone)]
pub struct Bans {
    list: BanList,
    notes: Arc<dyn Notes>,
    presence: Presence,
    clock: Clock,
    settings: BanSettings,
}

impl Bans {
    /// Hears of bans from here on, and reads those that there are. Waits for a shared store. Errors: a store of our own cannot be read.
    pub async fn open(
        list: BanList,
        notes: Arc<dyn Notes>,
        presence: Presence,
        clock: Clock,
        settings: BanSettings,
        shared: bool,
    ) -> Result<Self, StoreFault> {
        let bans = Self { list, notes, presence, clock, settings };
        let (sender, news) = mpsc::channel(NEWS_MAX);
        let missed = Arc::new(AtomicBool::new(false));
        let (tell, full) = (sender.clone(), missed.clone());
        let listener = move |heard: NoteNews| {
            if tell.try_send(heard).is_err() {
                full.store(true, Relaxed);
            }
        };
        bans.notes.follow_notes(FAMILY, Arc::new(listener)).await;
        loop {
            match bans.read(&|_, _| {}).await {
                Ok(()) => break,
                Err(fault) if !shared => return Err(fault),
                Err(fault) => tracing::warn!(%fault, "waiting for the list of kicked and banned people"),
            }
            tokio::time::sleep(AGAIN).await;
        }
        tokio::spawn(bans.clone().live(sender, news, missed));
        Ok(bans)
    }

    /// Ends every session of somebody on every node, and refuses tokens from before; for `until` ms of wall time (0 = not at all) nobody of
    /// that name is let in. Written before this returns. Errors: `too_many`, `unavailable`; then nothing has changed on this node.
    pub async fn send_away(&self, user: &UserId, until: u64) -> Result<(), Refusal> {
        // Whatever was opened or minted in this millisecond is from before; what is minted from here on says so by its time.
        let since = self.clock.wall_ms() + 1;
        if self.list.0.bans.len() >= self.settings.people_max && !self.list.0.bans.contains_key(user) {
            return Err(refusal(Code::TooMany));
        }
        self.decide(user, Ban { at: 0, since, until }).await
    }

    /// Lets somebody in again; tokens from before he was sent away stay refused. Errors: `unavailable`.
    pub async fn let_in(&self, user: &UserId) -> Result<(), Refusal> {
        let known = self.list.of(user);
        if known.until == 0 { Ok(()) } else { self.decide(user, Ban { until: 0, ..known }).await }
    }

    async fn decide(&self, user: &UserId, ban: Ban) -> Result<(), Refusal> {
        // Later than whatever it replaces, also if the clocks of nodes differ.
        let ban = Ban { at: self.clock.wall_ms().max(self.list.of(user).at + 1), ..ban };
        self.write(user, ban).await.map_err(|fault| {
            tracing::error!(%user, %fault, "a kick, or its lifting, cannot be stored");
            unavailable(fault.outcome())
        })?;
        if self.list.learn(user, ban).is_some_and(|before| before.since < ban.since) {
            self.end_sessions(user, ban);
        }
        Ok(())
    }

    async fn write(&self, user: &UserId, ban: Ban) -> Result<(), WriteFault> {
        self.notes.put_note(FAMILY, user.as_str(), Some(encode_ban(ban)), None).await.map(|_| ())
    }

    /// Ends the sessions here of somebody of whom nothing, or less, was known.
    fn end_sessions(&self, user: &UserId, ban: Ban) {
        let all = ban.until > self.clock.wall_ms();
        self.presence.send_away(user.clone(), if all { u64::MAX } else { ban.since });
    }

    fn hear(&self, key: &str, note: &[u8], new: &impl Fn(&UserId, Ban)) {
        let (Ok(user), Ok(ban)) = (UserId::parse(key), decode_ban(note)) else {
            return tracing::warn!(key, "a record of a kick or ban cannot be read");
        };
        if self.list.learn(&user, ban).is_some_and(|before| before.since < ban.since) {
            new(&user, ban);
        }
    }

    /// Reads all notes, and gives the store back what it has lost. `new` hears of everybody of whom that says something new.
    async fn read(&self, new: &impl Fn(&UserId, Ban)) -> Result<(), StoreFault> {
        let (mut after, mut missing) = (None, self.known());
        loop {
            let page = self.notes.notes(FAMILY, after.as_deref(), PAGE).await?;
            for (key, note) in &page {
                self.hear(key, note, new);
                missing.retain(|(user, _)| user.as_str() != key);
            }
            match page.last() {
                Some((key, _)) if page.len() == PAGE => after = Some(key.clone()),
                _ => break,
            }
        }
        for (user, _) in missing {
            self.write(&user, self.list.of(&user)).await?;
        }
        Ok(())
    }

    fn known(&self) -> Vec<(UserId, Ban)> {
        self.list.0.bans.iter().map(|entry| (entry.key().clone(), *entry.value())).collect()
    }

    /// `_own` keeps the news open where nobody tells any.
    async fn live(self, _own: mpsc::Sender<NoteNews>, mut news: mpsc::Receiver<NoteNews>, missed: Arc<AtomicBool>) {
        let mut stale = false;
        let new = |user: &UserId, ban| self.end_sessions(user, ban);
        loop {
            let wait = if stale { AGAIN } else { EVERY };
            match tokio::time::timeout(wait, news.recv()).await {
                Ok(Some(Some((key, Some(note))))) => self.hear(&key, &note, &new),
                // Forgotten by another node, as it will be here.
                Ok(Some(Some((_, None)))) => {}
                Ok(Some(None)) => stale = true,
                Ok(None) => return,
                Err(_) if stale => {}
                Err(_) => self.forget_old().await,
            }
            stale |= missed.swap(false, Relaxed);
            if stale {
                stale = self.read(&new).await.is_err();
            }
        }
    }

    /// Forgets what no token and no ban depends on any more.
    async fn forget_old(&self) {
        let now = self.clock.wall_ms();
        for (user, ban) in self.known() {
            if ban.until.max(ban.since.saturating_add(self.settings.keep_ms)) > now {
                continue;
            }
            if self.notes.put_note(FAMILY, user.as_str(), None, None).await.is_err() {
                return;
            }
            self.list.0.bans.remove_if(&user, |_, known| *known == ban);
        }
    }
}
