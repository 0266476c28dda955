//! A room on many nodes: commits of others are heard and applied, gaps are filled, a store that has lost something gets it back,
//! and another history is taken over with a reset.
use super::{Task, answer::UPDATE_BYTES};
use crate::server::{
    clock::Mono,
    cluster::{
        Node, Unreachable,
        parts::{PartsNews, Told},
    },
    store::{Followed, Listener, LogEntry, Store, log::Ring},
};
use crate::{
    hub::{
        chain,
        decide::Draft,
        event::{Commit, Event},
        id::{RoomId, UserId},
        reasons::{QueueLeftReason, SeatLeftReason},
        time::{Millis, UnixMs},
    },
    wire::record::decode_commit,
};
use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};
use tokio::sync::mpsc;

/// How many commits and messages of other nodes may wait for a room; more, and it reads the store instead.
const HEARD_MAX: usize = 1_024;
/// How often a room looks whether it has missed something, without its jitter.
const AUDIT_MS: u64 = 30_000;
/// The wait before something that failed is tried again.
pub(super) const RETRY: Millis = Millis(1_000);
/// How old the queue may be that is shown to other tools.
const PROJECT: Millis = Millis(400);
/// How often one look at the store is repeated because there was more to read.
pub(super) const READS_MAX: usize = 64;

/// What a room hears from outside.
pub(super) enum Heard {
    Followed(Followed),
    /// What came of telling the other nodes.
    Told {
        told: Vec<Told>,
        outcome: Result<u64, Unreachable>,
    },
}

/// The part of a room's task that there is on many nodes only.
pub(super) struct Follow {
    heard: mpsc::Receiver<Heard>,
    pub sender: mpsc::Sender<Heard>,
    overflow: Arc<AtomicBool>,
    pub ring: Ring,
    /// The other nodes that have the room in memory.
    pub others: BTreeSet<Node>,
    /// As whom this node has told its people.
    pub told_as: Option<Node>,
    pub telling: bool,
    pub tell_at: UnixMs,
    /// How many changes of people were heard of.
    pub count: u64,
    pub audit_at: UnixMs,
    /// Whether a look at the store is due at once.
    pub look: bool,
    /// What other nodes have of people must be read in any case.
    pub missed_parts: bool,
    /// Until then other nodes tell of their people to a Redis that has begun anew.
    pub told_until: UnixMs,
    /// Until then another node goes first.
    pub quiet_until: Mono,
    /// Who waits until everything is told.
    pub settling: Vec<mpsc::Sender<()>>,
    pub project_at: Option<UnixMs>,
}

impl Follow {
    /// Begins to follow a room, before it is loaded. `None`: nobody else can change it.
    pub async fn begin(store: &dyn Store, room: &RoomId) -> Option<Self> {
        if !store.shared() {
            return None;
        }
        let (sender, heard) = mpsc::channel(HEARD_MAX);
        let overflow = Arc::new(AtomicBool::new(false));
        let listener: Listener = {
            let (sender, overflow) = (sender.clone(), overflow.clone());
            Arc::new(move |followed| {
                if sender.try_send(Heard::Followed(followed)).is_err() {
                    overflow.store(true, Relaxed);
                }
            })
        };
        store.follow(room, listener).await;
        Some(Self {
            heard,
            sender,
            overflow,
            ring: Ring::default(),
            others: BTreeSet::new(),
            told_as: None,
            telling: false,
            tell_at: UnixMs(0),
            count: 0,
            audit_at: UnixMs(0),
            look: true,
            missed_parts: true,
            told_until: UnixMs(0),
            quiet_until: Mono(0),
            settling: Vec::new(),
            project_at: None,
        })
    }

    /// Waits for the next thing from outside.
    pub async fn next(follow: Option<&mut Self>) -> Option<Heard> {
        match follow {
            Some(follow) => follow.heard.recv().await,
            None => std::future::pending().await,
        }
    }
}

/// What became of an entry.
#[derive(PartialEq, Eq)]
enum Advance {
    Done,
    /// Something is missing, or it belongs to another history.
    Gap,
}

/// How members hear of a commit of another node.
#[derive(Clone, Copy)]
enum Telling {
    Each,
    /// By the state, when more is applied.
    Later,
}

impl Task {
    pub(super) fn store(&self) -> Arc<dyn Store> {
        self.home.rooms.deps().store.clone()
    }

    /// Returns when this room has something to do because of the other nodes.
    pub(super) fn follow_at(&self) -> Option<UnixMs> {
        let follow = self.follow.as_ref()?;
        if follow.look || follow.overflow.load(Relaxed) {
            return Some(UnixMs(0));
        }
        let untold = self.members.has_untold_parts() || !follow.settling.is_empty();
        let tell = (untold && !follow.telling).then_some(follow.tell_at);
        [Some(follow.audit_at), tell, follow.project_at].into_iter().flatten().min()
    }

    /// Takes everything that was heard, then does what is due.
    pub(super) async fn follow(&mut self, first: Option<Heard>) {
        let mut next = first;
        loop {
            match next.take() {
                Some(heard) => self.hear(heard).await,
                None if self.follow.is_none() => return,
                None => {}
            }
            next = self.follow.as_mut().and_then(|follow| follow.heard.try_recv().ok());
            if next.is_none() {
                break;
            }
        }
        let now = self.now();
        let Some(follow) = &mut self.follow else { return };
        if follow.overflow.swap(false, Relaxed) {
            follow.look = true;
        }
        if follow.look || follow.audit_at <= now {
            let known = !std::mem::take(&mut follow.look);
            follow.audit_at = now.plus(Millis(AUDIT_MS + rand::random_range(0..AUDIT_MS / 10)));
            self.audit_messages().await;
            let looked = self.resync().await && self.hear_parts(known).await;
            if !looked && let Some(follow) = &mut self.follow {
                follow.audit_at = now.plus(RETRY);
                follow.missed_parts |= !known;
            }
        }
        self.tell_parts();
        self.project(now);
    }

    /// Says that a look at the store is due.
    pub(super) fn look(&mut self) {
        if let Some(follow) = &mut self.follow {
            follow.look = true;
        }
    }

    async fn hear(&mut self, heard: Heard) {
        match heard {
            Heard::Followed(Followed::Entry(entry)) => {
                if self.advance(&entry, Telling::Each).await == Advance::Gap {
                    metrics::counter!("michub_room_gaps_total").increment(1);
                    self.look();
                }
            }
            Heard::Followed(Followed::Other(message)) if self.hear_quiet(&message) => {}
            Heard::Followed(Followed::Other(message)) if self.hear_echo(&message).await => {}
            Heard::Followed(Followed::Other(message)) => match PartsNews::decode(&message) {
                Some(news) => self.hear_news(news),
                None => tracing::warn!(room = %self.home.id, "a message of another node cannot be read"),
            },
            Heard::Followed(Followed::Gap) => self.look(),
            Heard::Told { told, outcome } => {
                let now = self.now();
                if let Some(follow) = &mut self.follow {
                    follow.telling = false;
                    if let Err(error) = outcome {
                        tracing::debug!(room = %self.home.id, %error, "the other nodes are told later");
                        follow.tell_at = now.plus(RETRY);
                        self.members.not_told(told);
                    }
                }
            }
        }
    }

    /// Takes a commit of another node.
    async fn advance(&mut self, entry: &LogEntry, telling: Telling) -> Advance {
        let ring = self.follow.as_ref().map(|follow| &follow.ring);
        match chain::heard(self.room.head, entry.link(), |cursor| ring.is_some_and(|ring| ring.holds(cursor))) {
            chain::Heard::Known => return Advance::Done,
            chain::Heard::Next => {}
            chain::Heard::Gap => return Advance::Gap,
        }
        let Ok(commit) = decode_commit(&entry.record) else {
            tracing::error!(room = %self.home.id, rev = entry.cursor.rev, "a commit of another node cannot be read");
            return Advance::Gap;
        };
        if commit.cursor != entry.cursor || self.room.apply(&commit).is_err() {
            tracing::error!(room = %self.home.id, rev = entry.cursor.rev, "a commit of another node does not fit");
            return Advance::Gap;
        }
        if let Some(follow) = &mut self.follow {
            follow.ring.push(entry.clone());
        }
        self.draft = Draft::new(&self.room);
        self.draft.hold_promotion(self.no_promotion_before);
        self.commits += 1;
        self.retry_at = UnixMs(0);
        self.kicked.clear();
        for event in commit.steps.iter().flat_map(|step| &step.events) {
            if let Event::MemberKicked { user, .. } | Event::MemberBanned { user, .. } = event {
                self.kicked.extend(self.members.put_out(user));
            }
        }
        match telling {
            Telling::Each => self.spread(&commit).await,
            Telling::Later => drop(self.note_update(&commit).await),
        }
        self.settle_members();
        Advance::Done
    }

    /// Applies what the log holds since the head. Returns whether all of it fits.
    ///
    /// Members who have missed much get the state behind it instead of each update: they would not read them as fast as a node can.
    pub(super) async fn apply_all(&mut self, entries: &[LogEntry]) -> bool {
        let much = entries.iter().map(|entry| entry.record.len()).sum::<usize>() > UPDATE_BYTES;
        let telling = if much { Telling::Later } else { Telling::Each };
        let mut fits = true;
        for entry in entries {
            fits = self.advance(entry, telling).await == Advance::Done;
            if !fits {
                break;
            }
        }
        if much {
            self.show_anew().await;
            self.tell_seats();
        }
        fits
    }

    /// Shows the queue to other tools, at most so often.
    fn project(&mut self, now: UnixMs) {
        let (store, head, room) = (self.store(), self.room.head, self.home.id.clone());
        let queue = || self.room.queue.order();
        if self.follow.as_ref().and_then(|follow| follow.project_at).is_none_or(|at| at > now) {
            return;
        }
        let queue = queue();
        if let Some(follow) = &mut self.follow {
            follow.project_at = None;
        }
        tokio::task::spawn_local(async move {
            if let Err(error) = store.project(&room, head, queue).await {
                tracing::debug!(%room, %error, "the queue is not shown to other tools");
            }
        });
    }

    /// Notes an own commit.
    pub(super) fn committed(&mut self, entry: LogEntry) {
        let now = self.now();
        if let Some(follow) = &mut self.follow {
            follow.ring.push(entry);
            follow.project_at.get_or_insert(now.plus(PROJECT));
        }
    }
}

/// Names the people who lose a place, or are held, because nobody sees them.
pub(super) fn losses(commit: &Commit) -> BTreeSet<UserId> {
    let lost = |event: &Event| match event {
        Event::QueueHeld { user, .. }
        | Event::SeatHeld { user, .. }
        | Event::QueueLeft { user, reason: QueueLeftReason::HoldExpired, .. }
        | Event::SeatLeft { user, reason: SeatLeftReason::HoldExpired, .. } => Some(user.clone()),
        _ => None,
    };
    commit.steps.iter().flat_map(|step| &step.events).filter_map(lost).collect()
}
