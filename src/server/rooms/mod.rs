//! The directory of loaded rooms: handles to their tasks, never their state. A task is started on the shard that its room's name gives.
pub(super) mod entry;
pub(super) mod expiry;
pub(super) mod members;
pub mod task;
#[cfg(test)]
mod tests;

use self::task::MessageSettings;
use super::{
    clock::Clock,
    cluster::Cluster,
    live::Live,
    msg::{Refusal, Reply, RoomMsg, SeatsOf, ShardMsg, ToRooms, Work, refusal},
    net::shard::ShardHandle,
    presence::Presence,
    store::Store,
    telemetry::traces::Traces,
};
use crate::hub::{code::Code, id::RoomId, rules::Rules, talk::Weight, time::Millis};
use dashmap::{DashMap, mapref::entry::Entry};
use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash, Hasher},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::sync::mpsc;

/// How long a hub that goes down waits until other nodes have heard of its rooms' people.
const SETTLE: Duration = Duration::from_millis(2_000);

/// What rooms are allowed to do.
#[derive(Clone, Debug)]
pub struct RoomSettings {
    /// Whether joining a room that does not exist creates it.
    pub auto_create: bool,
    /// The rules of a new room.
    pub rules: Arc<Rules>,
    /// How many commands may wait for one room.
    pub mailbox_max: usize,
    /// What is kept of messages.
    pub messages: MessageSettings,
    /// How many commands one room takes per second; 0 = any number.
    pub commands_per_second: u64,
    /// Up to how many members everybody's changes are told; above it, those of people with a place or a role.
    pub presence_members_max: usize,
    /// For how long presence changes are gathered.
    pub coalesce: Millis,
    /// After how long a room that nobody needs leaves memory.
    pub idle: Millis,
    /// How long the place of somebody whose line the hub has ended is kept at least, from when he may be back.
    pub handover: Millis,
    /// How long a lost session is still counted.
    pub presence_timeout: Millis,
    /// How many requests may wait for updates.
    pub long_polls_max: usize,
    /// Who hears of the people on seats.
    pub seats: Option<mpsc::UnboundedSender<SeatsOf>>,
    /// Who hears where the time goes.
    pub traces: Option<Traces>,
}

impl Default for RoomSettings {
    fn default() -> Self {
        Self {
            auto_create: true,
            rules: Arc::new(Rules::default()),
            mailbox_max: 1024,
            messages: MessageSettings::default(),
            commands_per_second: 0,
            presence_members_max: 200,
            coalesce: Millis(20),
            idle: Millis(60_000),
            handover: Millis(45_000),
            presence_timeout: Millis(60_000),
            long_polls_max: 1000,
            seats: None,
            traces: None,
        }
    }
}

/// The way to every room. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Inner>);

pub(super) struct Inner {
    directory: DashMap<RoomId, Handle>,
    generations: AtomicU64,
    starts: mpsc::UnboundedSender<(usize, Work)>,
    pub shards: Vec<ShardHandle>,
    pub store: Arc<dyn Store>,
    pub presence: Presence,
    pub clock: Clock,
    pub settings: Live<RoomSettings>,
    pub cluster: Option<Arc<Cluster>>,
}

struct Handle {
    mailbox: mpsc::UnboundedSender<Box<RoomMsg>>,
    waiting: Waiting,
    online: Arc<AtomicUsize>,
    generation: u64,
}

/// How many commands wait in a mailbox.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    commands: AtomicUsize,
    /// When the oldest command came that is in no batch yet, in microseconds; 0 = there is none.
    since: AtomicU64,
}

impl Waiting {
    fn add(&self, max: usize, now_micros: u64) -> bool {
        // Whether somebody else was first does not matter.
        let _ = self.0.since.compare_exchange(0, now_micros.max(1), Relaxed, Relaxed);
        self.0.commands.fetch_update(Relaxed, Relaxed, |n| (n < max).then_some(n + 1)).is_ok()
    }

    /// A batch begins: returns when its oldest command came, in microseconds.
    pub fn begin(&self) -> Option<u64> {
        Some(self.0.since.swap(0, Relaxed)).filter(|since| *since > 0)
    }

    /// Notes that a command was taken out of the mailbox.
    pub fn taken(&self) {
        let _ = self.0.commands.fetch_update(Relaxed, Relaxed, |n| Some(n.saturating_sub(1)));
    }
}

impl std::fmt::Debug for Rooms {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Rooms({} loaded)", self.0.directory.len())
    }
}

impl Rooms {
    /// Opens an empty directory. Needs a runtime for the task that starts room tasks on their shards.
    #[must_use]
    pub fn new(
        shards: Vec<ShardHandle>,
        store: Arc<dyn Store>,
        presence: Presence,
        clock: Clock,
        settings: RoomSettings,
        cluster: Option<Arc<Cluster>>,
    ) -> Self {
        let (starts, mut receiver) = mpsc::unbounded_channel::<(usize, Work)>();
        let handles = shards.clone();
        tokio::spawn(async move {
            while let Some((shard, work)) = receiver.recv().await {
                if let Some(handle) = handles.get(shard) {
                    handle.send(ShardMsg::Run(work)).await;
                }
            }
        });
        let generations = AtomicU64::new(0);
        Self(Arc::new(Inner {
            directory: DashMap::new(),
            generations,
            starts,
            shards,
            store,
            presence,
            clock,
            settings: Live::new(settings),
            cluster,
        }))
    }

    pub(super) fn deps(&self) -> &Inner {
        &self.0
    }

    /// Replaces the settings but for who hears of seats and times: rooms read them anew each time.
    pub fn set(&self, settings: RoomSettings) {
        let now = self.0.settings.load();
        let (seats, traces) = (now.seats.clone(), now.traces.clone());
        self.0.settings.set(RoomSettings { seats, traces, ..settings });
    }

    /// Sends a message to a room, which is loaded if it is not. Errors: `busy` for a command when too many wait.
    pub fn send(&self, room: &RoomId, message: RoomMsg) -> Result<(), Refusal> {
        let max = self.0.settings.load().mailbox_max;
        let counted = message.is_counted();
        // Every send happens under the directory's lock: a task that leaves sees an empty mailbox or stays.
        if let Some(handle) = self.0.directory.get(room)
            && !handle.mailbox.is_closed()
        {
            return handle.send(message, counted, max, self.0.clock);
        }
        match self.0.directory.entry(room.clone()) {
            Entry::Occupied(entry) if !entry.get().mailbox.is_closed() => entry.get().send(message, counted, max, self.0.clock),
            Entry::Occupied(mut entry) => {
                entry.insert(self.start(room));
                entry.get().send(message, counted, max, self.0.clock)
            }
            Entry::Vacant(entry) => entry.insert(self.start(room)).send(message, counted, max, self.0.clock),
        }
    }

    /// Tells whether other nodes have rooms, too.
    #[must_use]
    pub fn are_shared(&self) -> bool {
        self.0.cluster.is_some()
    }

    /// Returns when all loaded rooms have told the other nodes of their people, or after two seconds.
    pub async fn settle(&self) {
        let (done, mut rest) = mpsc::channel::<()>(1);
        self.post_all(|| RoomMsg::Settle(done.clone()));
        drop(done);
        // Every room drops its handle when it has nothing to tell any more.
        if tokio::time::timeout(SETTLE, rest.recv()).await.is_err() {
            tracing::warn!("other nodes have not heard of everybody in every room");
        }
    }

    /// Sends a message to every loaded room.
    pub fn post_all(&self, message: impl Fn() -> RoomMsg) {
        for handle in self.0.directory.iter() {
            // A task that ends just now needs no message.
            let _ = handle.mailbox.send(Box::new(message()));
        }
    }

    /// Returns how many rooms are loaded.
    #[must_use]
    pub fn loaded(&self) -> usize {
        self.0.directory.len()
    }

    /// Returns how many people are in a room, on all nodes as far as they can be asked. Cost: a read, if it is not in memory here.
    pub async fn online(&self, room: &RoomId) -> usize {
        let here = self.0.directory.get(room).map(|handle| handle.online.load(Relaxed));
        match (here, &self.0.cluster) {
            (Some(count), _) => count,
            (None, Some(cluster)) if cluster.is_up() => cluster.count_people(room).await.unwrap_or(0),
            (None, _) => 0,
        }
    }

    /// Names the rooms behind `after`, at most `limit`. Errors: `unavailable`.
    pub async fn names(&self, after: Option<&str>, limit: usize) -> Result<Vec<RoomId>, Refusal> {
        self.0.store.rooms_after(after, limit).await.map_err(|fault| {
            tracing::error!(%fault, "the rooms cannot be listed");
            refusal(Code::Unavailable)
        })
    }

    /// Takes a room out of the directory if nothing waits for it. Returns whether its task may end.
    pub(super) fn leave(&self, room: &RoomId, generation: u64, mailbox: &mpsc::UnboundedReceiver<Box<RoomMsg>>) -> bool {
        match self.0.directory.entry(room.clone()) {
            Entry::Occupied(entry) if entry.get().generation != generation => true,
            Entry::Occupied(entry) if mailbox.is_empty() => {
                entry.remove();
                true
            }
            Entry::Occupied(_) => false,
            Entry::Vacant(_) => true,
        }
    }

    fn start(&self, room: &RoomId) -> Handle {
        let (mailbox, receiver) = mpsc::unbounded_channel();
        let (waiting, online) = (Waiting::default(), Arc::<AtomicUsize>::default());
        let generation = self.0.generations.fetch_add(1, Relaxed);
        let home = task::Home {
            id: room.clone(),
            generation,
            rooms: self.clone(),
            mailbox: receiver,
            waiting: waiting.clone(),
            online: online.clone(),
        };
        let work = Work(Box::new(move || {
            tokio::task::spawn_local(task::run(home));
        }));
        let mut hasher = DefaultHasher::new();
        room.hash(&mut hasher);
        let shard = hasher.finish() % (self.0.shards.len().max(1) as u64);
        // The starter ends with the process; a task that never starts closes its mailbox.
        let _ = self.0.starts.send((usize::try_from(shard).unwrap_or(0), work));
        Handle { mailbox, waiting, online, generation }
    }
}

impl ToRooms for Rooms {
    fn post(&self, room: &RoomId, message: RoomMsg) -> bool {
        self.0.directory.get(room).is_some_and(|handle| handle.mailbox.send(Box::new(message)).is_ok())
    }

    fn look(&self, room: &RoomId) {
        // It is not counted, so it cannot be refused but by a hub that ends.
        let _ = self.send(room, RoomMsg::Look);
    }

    fn look_all(&self) {
        self.post_all(|| RoomMsg::Look);
    }

    fn handover(&self) -> Millis {
        self.0.settings.load().handover
    }

    fn presence_timeout(&self) -> Millis {
        self.0.settings.load().presence_timeout
    }
}

impl Handle {
    fn send(&self, message: RoomMsg, counted: bool, max: usize, clock: Clock) -> Result<(), Refusal> {
        // What may be dropped makes place for the rest.
        let droppable = matches!(&message, RoomMsg::Say { saying, .. } if saying.weight == Weight::Droppable);
        let max = if droppable { max.div_ceil(2) } else { max };
        if counted && !self.waiting.add(max, clock.micros()) {
            if droppable {
                metrics::counter!("michub_room_messages_dropped_total", "at" => "room").increment(1);
            }
            return Err(refusal(Code::Busy));
        }
        self.mailbox.send(Box::new(message)).map_err(|_| refusal(Code::Unavailable))
    }
}

/// Answers a message that will not be handled.
pub(super) fn refuse(message: RoomMsg, refusal: &Refusal, mut to_conn: impl FnMut(super::msg::ConnId, Option<i64>, &Refusal)) {
    use super::msg::JoinReply;
    let mut answer = |reply: Reply| match reply {
        Reply::Conn { to, id } => to_conn(to, id, refusal),
        Reply::Http { sender, .. } => {
            let _ = sender.send(Err(refusal.clone()));
        }
        Reply::Nobody => {}
    };
    match message {
        RoomMsg::Join { reply: JoinReply::Ack(reply), .. }
        | RoomMsg::Command { reply, .. }
        | RoomMsg::Say { reply, .. }
        | RoomMsg::Sync { reply, .. }
        | RoomMsg::Members { reply, .. }
        | RoomMsg::Refused { reply, .. } => answer(reply),
        RoomMsg::Leave { reply: Some(reply), .. } => answer(reply),
        RoomMsg::Join { reply: JoinReply::Outcome(sender), .. } => {
            let _ = sender.send(Err(refusal.clone()));
        }
        RoomMsg::Snapshot { reply, .. } | RoomMsg::Updates { reply, .. } => {
            let _ = reply.send(Err(refusal.clone()));
        }
        RoomMsg::Messages { reply, .. } => drop(reply.send(Err(refusal.clone()))),
        RoomMsg::Create { reply, .. } => drop(reply.send(Err(refusal.clone()))),
        RoomMsg::Seat { reply, .. } => {
            let _ = reply.send(Err(refusal.clone()));
        }
        RoomMsg::Hub(_)
        | RoomMsg::Leave { reply: None, .. }
        | RoomMsg::Lost { .. }
        | RoomMsg::Gone { .. }
        | RoomMsg::Presence(_)
        | RoomMsg::Look
        | RoomMsg::Settle(_) => {}
    }
}
