//! A room's task: everything that waits becomes one batch, one commit and one frame. No answer leaves before the commit is settled.
mod answer;
mod batch;
mod commit;
mod decide;
mod echo;
mod follow;
mod open;
mod parked;
mod parts;
mod quiet;
mod replay;
mod resync;
mod talk;
mod tell;
mod traced;
mod waits;

pub use talk::MessageSettings;

use self::{
    follow::Follow,
    parked::Parked,
    talk::{Plan, Talking},
    traced::Marks,
    waits::Ears,
};
use crate::server::{
    clock::Mono,
    msg::{ConnId, Frame, Refusal, RoomMsg, ShardMsg, unavailable},
    net::rate::Bucket,
    rooms::{Rooms, Waiting, members::MemberList},
    store::log::Tail,
};
use crate::{
    hub::{
        code::Reject,
        decide::{Decision, Draft},
        id::{RoomId, UserId},
        room::Room,
        seats::Media,
        time::{Millis, UnixMs},
    },
    wire::{
        codec::text_frame,
        server::{ErrorJson, details, json},
    },
};
use std::{
    collections::{BTreeSet, VecDeque},
    sync::{Arc, atomic::AtomicUsize},
    time::Duration,
};
use tokio::sync::mpsc;

/// How many messages make one batch.
const BATCH: usize = 128;
/// How many commits lie between two snapshots.
const SNAPSHOT_EVERY: u64 = 64;
/// The longest sleep of a task.
const SLEEP_MAX: Millis = Millis(60_000);
/// The wait until a node whose clock is off looks again whether it may fire a timer.
const UNTIMED: Millis = Millis(1_000);

/// A task's place in the directory, with its mailbox.
pub(in crate::server) struct Home {
    pub id: RoomId,
    pub generation: u64,
    pub rooms: Rooms,
    /// Boxed: tokio keeps places for 32 messages ready, also where nobody writes.
    pub mailbox: mpsc::UnboundedReceiver<Box<RoomMsg>>,
    pub waiting: Waiting,
    /// How many people are in, for whoever lists the rooms.
    pub online: Arc<AtomicUsize>,
}

/// Lives until nobody needs the room.
pub(in crate::server) async fn run(mut home: Home) {
    let mut follow = None;
    if let Some((room, tail, first)) = open::open(&mut home, &mut follow).await {
        Task::new(home, room, tail, follow).live(first).await;
    }
}

fn error_frame(id: Option<i64>, refusal: &Refusal) -> Frame {
    let details = refusal.details.as_ref().and_then(|details| serde_json::from_slice(details).ok()).unwrap_or_default();
    Frame(text_frame(&json(&ErrorJson::new(id, refusal.code, details).after(refusal.retry_after))))
}

fn to_refusal(reject: &Reject) -> Refusal {
    let details = details(reject);
    let details = (!details.is_empty()).then(|| json(&details).into());
    Refusal { code: reject.code(), details, retry_after: reject.retry_after() }
}

async fn to_shard(rooms: &Rooms, shard: u16, message: ShardMsg) {
    if let Some(handle) = rooms.deps().shards.get(usize::from(shard)) {
        handle.send(message).await;
    }
}

/// What became of a message of the batch, before the commit.
enum Fate {
    /// A command.
    Decided(Result<Decision, Reject>),
    /// A join.
    Entered(Result<(), Reject>),
    /// A leave: the connection that goes out, if there is one.
    Left(Option<ConnId>),
    /// Something to be said.
    Said(Result<Plan, Reject>),
    /// Nothing to decide.
    Read,
}

/// How a commit went.
enum Settled {
    Done,
    /// The log holds commits of others: decide again on them.
    Moved,
    Failed(Refusal),
}

struct Task {
    home: Home,
    room: Room,
    draft: Draft,
    tail: Tail,
    members: MemberList,
    /// Put out by the current batch.
    kicked: Vec<ConnId>,
    /// The first batch after a load has held everybody's place.
    held_at_load: bool,
    no_promotion_before: UnixMs,
    /// A commit's outcome is not known: the log must be read before anything is decided.
    unsure: bool,
    /// The store has failed the room, and that is logged already.
    failing: bool,
    commits: u64,
    bucket: Bucket,
    seated: BTreeSet<UserId>,
    told_seats: Vec<(UserId, u64, Media)>,
    tell_at: Option<UnixMs>,
    told_at: UnixMs,
    idle_since: Option<UnixMs>,
    retry_at: UnixMs,
    /// The last batch was not committed: who is here is looked at again by then.
    level_at: Option<UnixMs>,
    parked: Parked,
    ears: Ears,
    talking: Talking,
    /// How often the process had stood still when the commands that wait were taken.
    standing: Option<u64>,
    /// What there is on many nodes only.
    follow: Option<Follow>,
    /// When a batch last found that another node had been faster.
    raced_at: Option<Mono>,
    /// When the parts of the batch at hand happened, if somebody wants to know.
    marks: Option<Marks>,
}

impl Task {
    fn new(home: Home, room: Room, tail: Tail, follow: Option<Follow>) -> Self {
        let deps = home.rooms.deps();
        let per_second = deps.settings.load().commands_per_second;
        let bucket = Bucket::new(per_second, per_second, deps.clock.mono());
        let talking = Talking::new(&deps.settings.load(), deps.clock.mono());
        let draft = Draft::new(&room);
        let standing = deps.cluster.as_ref().map_or(Some(0), |cluster| cluster.standing());
        Self {
            home,
            draft,
            tail,
            members: MemberList::default(),
            kicked: Vec::new(),
            held_at_load: room.placed().is_empty(),
            no_promotion_before: UnixMs(0),
            unsure: false,
            failing: false,
            // The number of commits since the last snapshot is not known after a load: the next one writes it.
            commits: if room.head.rev == 0 { 0 } else { SNAPSHOT_EVERY },
            room,
            bucket,
            seated: BTreeSet::new(),
            told_seats: Vec::new(),
            tell_at: None,
            told_at: UnixMs(0),
            idle_since: None,
            retry_at: UnixMs(0),
            level_at: None,
            parked: Parked::default(),
            ears: Ears::default(),
            talking,
            standing,
            follow,
            raced_at: None,
            marks: None,
        }
    }

    fn now(&self) -> UnixMs {
        self.home.rooms.deps().clock.now()
    }

    /// Tells whether this node's clock may say that something is due.
    fn is_in_time(&self) -> bool {
        self.home.rooms.deps().clock.is_in_time()
    }

    async fn live(&mut self, first: Option<RoomMsg>) {
        // Most rooms are quiet most of the time: what a rush has needed is given back when a timer ends a wait.
        let mut inbox = Vec::new();
        let mut queue: VecDeque<RoomMsg> = first.into_iter().collect();
        self.follow(None).await;
        if !self.held_at_load {
            self.held_at_load = self.is_open_elsewhere();
            Box::pin(self.batch(Vec::new())).await;
        }
        loop {
            let wait = if queue.is_empty() { self.wake_at().since(self.now()) } else { Millis(0) };
            let taken = self.home.mailbox.recv_many(&mut inbox, BATCH);
            let heard = tokio::select! {
                biased;
                taken = tokio::time::timeout(Duration::from_millis(wait.0), taken) => {
                    if taken == Ok(0) && queue.is_empty() {
                        return;
                    }
                    if taken.is_err() && queue.is_empty() {
                        (inbox, queue) = (Vec::new(), VecDeque::new());
                    }
                    None
                }
                heard = Follow::next(self.follow.as_mut()) => heard,
            };
            self.follow(heard).await;
            queue.extend(inbox.drain(..).map(|message| *message));
            if self.standing.is_none() || self.standing != self.standing_now() {
                Box::pin(self.refuse_in_doubt(&mut queue)).await;
            }
            let batch = take_batch(&mut queue);
            if !batch.is_empty() || self.due_at().is_some_and(|at| at <= self.now()) {
                // Boxed: a room that sleeps has no place for it.
                for message in Box::pin(self.batch(batch)).await.into_iter().rev() {
                    queue.push_front(message);
                }
            }
            if self.tell_at.is_some_and(|at| at <= self.now()) {
                self.tell().await;
            }
            self.tend_waits().await;
            if queue.is_empty() && self.may_leave() {
                self.say_goodbye().await;
                if self.home.rooms.leave(&self.home.id, self.home.generation, &self.home.mailbox) {
                    // Before anything is awaited: the room's next task follows it anew.
                    self.home.rooms.deps().store.unfollow(&self.home.id);
                    return;
                }
            }
        }
    }

    /// Returns when the task has something to do although nobody writes.
    fn wake_at(&self) -> UnixMs {
        let idle = self.idle_since.map(|since| since.plus(self.home.rooms.deps().settings.load().idle));
        let first = self.due_at().into_iter().chain(self.tell_at).chain(self.next_wait()).chain(idle);
        let first = first.chain(self.follow_at()).min();
        let sleep = if self.is_in_time() { SLEEP_MAX } else { UNTIMED };
        first.unwrap_or(UnixMs(u64::MAX)).min(self.now().plus(sleep))
    }

    /// Returns when a batch is due although nobody asks for anything.
    fn due_at(&self) -> Option<UnixMs> {
        let deadline = self.draft.next_deadline().map(|at| at.max(self.retry_at));
        let timers = deadline.into_iter().chain(self.members.next_look()).filter(|_| self.is_in_time());
        timers.chain(self.level_at).min()
    }

    fn may_leave(&mut self) -> bool {
        let waits = self.draft.next_deadline().is_some() && !self.is_kept_elsewhere();
        if self.members.local() > 0 || self.is_waited_for() || self.level_at.is_some() || waits {
            self.idle_since = None;
            return false;
        }
        let now = self.now();
        let since = *self.idle_since.get_or_insert(now);
        now.since(since) >= self.home.rooms.deps().settings.load().idle
    }
}

/// Takes what makes one batch. It ends before the first message that is not a join but follows one: whoever enters sees the room as it
/// was before whatever he asks for next.
fn take_batch(queue: &mut VecDeque<RoomMsg>) -> Vec<RoomMsg> {
    let mut batch = Vec::new();
    let mut joined = false;
    while let Some(message) = queue.front() {
        let join = matches!(message, RoomMsg::Join { .. });
        if batch.len() == BATCH || (joined && !join) {
            break;
        }
        joined |= join;
        batch.extend(queue.pop_front());
    }
    batch
}
