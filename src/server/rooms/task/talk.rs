//! What is said in a room: checked in the batch, kept if it must be, then heard by everybody.
use super::{Task, to_refusal, unavailable};
use crate::server::{
    clock::Mono,
    msg::{Class, Frame, Refusal, Reply},
    net::rate::Bucket,
    rooms::RoomSettings,
    store::{CommitError, NewMessage, Page, Retention, Store},
};
use crate::{
    hub::{
        actor::Actor,
        code::{Code, Reject},
        cursor::Cursor,
        decide::Members as _,
        id::{CommitId, OpId, RoomId, UserId},
        roles,
        talk::Weight,
        time::{Millis, UnixMs},
    },
    wire::{
        codec::text_frame,
        message::{self, Heard, Said, Saying, decode_said, encode_said},
    },
};
use bytes::Bytes;
use std::collections::{BTreeMap, VecDeque};

/// How many messages stay in memory for those who come back.
const TAIL_MAX: usize = 256;
/// How many bytes they may take, and how many one replay may have.
pub(super) const TAIL_BYTES: usize = 1 << 20;
/// How many keys of senders are remembered.
const KEYS_MAX: usize = 4096;
/// For how long.
const KEYS_MEMORY: Millis = Millis::from_seconds(600);
/// At how many people the memory of slow mode is looked through.
const SPEAKERS_MAX: usize = 4096;

/// What a room keeps of its messages.
#[derive(Clone, Copy, Debug)]
pub struct MessageSettings {
    /// How many per room.
    pub keep_max: u64,
    /// For how long.
    pub keep: Millis,
    /// How many are told to whoever was away for longer than `replay_max_age`.
    pub page: usize,
    /// How old the first missed one may be for all of them to be told.
    pub replay_max_age: Millis,
    /// How many a room takes per second; 0 = any number.
    pub per_second: u64,
}

impl MessageSettings {
    /// Returns what need not be kept now.
    #[must_use]
    pub const fn retention(&self, now: UnixMs) -> Retention {
        Retention { keep: self.keep_max, oldest: UnixMs(now.0.saturating_sub(self.keep.0)) }
    }
}

impl Default for MessageSettings {
    fn default() -> Self {
        Self { keep_max: 1000, keep: Millis::from_seconds(86_400), page: 50, replay_max_age: Millis(5_000), per_second: 0 }
    }
}

/// Something to be said, when the batch is settled.
pub(super) enum Plan {
    Say(Said),
    /// It was said before under this key, perhaps a moment ago in the same batch.
    Again(Actor, OpId),
}

/// A message in memory.
pub(super) struct Recent {
    pub at: Cursor,
    pub said_at: UnixMs,
    pub frame: Frame,
}

/// A room's messages, as far as they are in memory.
pub(super) struct Talking {
    /// The newest one that is kept; `None` = the store has not been asked yet.
    pub head: Option<Cursor>,
    pub tail: VecDeque<Recent>,
    bytes: usize,
    keys: BTreeMap<(Actor, OpId), Heard>,
    key_order: VecDeque<(Actor, OpId)>,
    /// Keys of the current batch.
    planned: Vec<(Actor, OpId)>,
    /// When people last said something; the second is that of the current batch.
    spoke: BTreeMap<UserId, UnixMs>,
    speaks: Vec<(UserId, UnixMs)>,
    bucket: Bucket,
    saved: Bucket,
    /// Who this is, among the nodes that have the room in memory.
    pub tag: u64,
}

impl Talking {
    pub fn new(settings: &RoomSettings, now: Mono) -> Self {
        let per_second = settings.messages.per_second;
        let bucket = Bucket::new(per_second, per_second, now);
        Self {
            head: None,
            tail: VecDeque::new(),
            bytes: 0,
            keys: BTreeMap::new(),
            key_order: VecDeque::new(),
            planned: Vec::new(),
            spoke: BTreeMap::new(),
            speaks: Vec::new(),
            saved: bucket.clone(),
            bucket,
            tag: rand::random(),
        }
    }

    /// Asks the store, unless that is done already. Returns whether the stream is known.
    pub async fn load(&mut self, store: &dyn Store, room: &RoomId) -> bool {
        if self.head.is_some() {
            return true;
        }
        match store.messages(room, Page::Before(u64::MAX), TAIL_MAX).await {
            Ok(read) => {
                for kept in read.list {
                    let Ok(said) = decode_said(&kept.record) else { continue };
                    if let Some(key) = said.saying.dedup_id.clone() {
                        self.remember((said.from.clone(), key), Heard { at: kept.at, kept: true, time: said.at });
                    }
                    let frame = Frame(text_frame(&message::room_message(room, kept.at, &said, false)));
                    self.push(kept.at, said.at, frame);
                }
                self.head = Some(read.head);
                true
            }
            Err(fault) => {
                tracing::error!(%room, %fault, "the messages of a room cannot be read");
                false
            }
        }
    }

    /// A batch begins, or begins again: what was planned is forgotten.
    pub fn begin(&mut self) {
        self.planned.clear();
        self.speaks.clear();
        self.saved = self.bucket.clone();
    }

    /// Takes back what the batch has planned.
    pub fn rewind(&mut self) {
        self.planned.clear();
        self.speaks.clear();
        self.bucket = self.saved.clone();
    }

    fn last(&self, actor: &Actor) -> Option<UnixMs> {
        let Actor::User(user) = actor else { return None };
        let now = self.speaks.iter().rev().find(|(known, _)| known == user).map(|(_, at)| *at);
        now.or_else(|| self.spoke.get(user).copied())
    }

    fn knows(&self, key: &(Actor, OpId), now: UnixMs) -> bool {
        self.planned.contains(key) || self.keys.get(key).is_some_and(|heard| now.since(heard.time) <= KEYS_MEMORY)
    }

    pub(super) fn remember(&mut self, key: (Actor, OpId), heard: Heard) {
        if self.keys.insert(key.clone(), heard).is_none() {
            self.key_order.push_back(key);
        }
        while self.keys.len() > KEYS_MAX {
            let Some(oldest) = self.key_order.pop_front() else { return };
            self.keys.remove(&oldest);
        }
    }

    /// The batch is over: what its people have said counts for slow mode from here on.
    fn settle_pace(&mut self, slow_mode: Millis, now: UnixMs) {
        let said = self.speaks.drain(..);
        if slow_mode == Millis(0) {
            drop(said);
            return self.spoke.clear();
        }
        self.spoke.extend(said);
        if self.spoke.len() > SPEAKERS_MAX {
            self.spoke.retain(|_, at| at.plus(slow_mode) > now);
        }
    }

    pub(super) fn push(&mut self, at: Cursor, said_at: UnixMs, frame: Frame) {
        self.bytes += frame.0.len();
        self.tail.push_back(Recent { at, said_at, frame });
        while self.tail.len() > TAIL_MAX || self.bytes > TAIL_BYTES {
            let Some(oldest) = self.tail.pop_front() else { return };
            self.bytes -= oldest.frame.0.len();
        }
    }
}

impl Task {
    /// Checks something to be said, in the order of the contract: known key, rate, closed, member, right.
    pub(super) fn plan(&mut self, from: &Actor, saying: &Saying, rated: bool, now: UnixMs) -> Result<Plan, Reject> {
        let talking = &mut self.talking;
        let key = saying.dedup_id.clone().map(|id| (from.clone(), id));
        if let Some((actor, id)) = key.clone().filter(|key| talking.knows(key, now)) {
            return Ok(Plan::Again(actor, id));
        }
        if rated && !talking.bucket.take(self.home.rooms.deps().clock.mono()) {
            return Err(Reject::Plain(Code::RateLimited));
        }
        let room = self.draft.room();
        if let Actor::User(user) = from
            && room.status == crate::hub::mode::Status::Open
            && !self.members.is_live(user)
        {
            return Err(Reject::Plain(Code::NotMember));
        }
        room.check_talk(from, saying.weight, talking.last(from), now)?;
        talking.planned.extend(key);
        if let Actor::User(user) = from {
            talking.speaks.push((user.clone(), now));
        }
        Ok(Plan::Say(Said { from: from.clone(), saying: saying.clone(), at: now }))
    }

    /// Says what a settled batch has planned: the class `must` is in the store before anybody hears of it.
    pub(super) async fn speak(&mut self, mut plans: Vec<(Reply, Result<Plan, Reject>)>) {
        if plans.is_empty() {
            return;
        }
        let paced = self.pace(&mut plans).await;
        let mut positions = self.store_musts(&plans).await.map(Vec::into_iter);
        let (mut echoes, mut unsaid) = (Vec::new(), Vec::new());
        for (reply, plan) in plans {
            match plan {
                Err(reject) => self.error(reply, &to_refusal(&reject)).await,
                Ok(Plan::Again(actor, id)) => match self.talking.keys.get(&(actor, id)).copied() {
                    Some(heard) => self.ack(reply, |id| message::message_ack(id, &self.home.id, heard, true)).await,
                    None => self.error(reply, &unavailable("none")).await,
                },
                Ok(Plan::Say(said)) if said.saying.weight == Weight::Must => match &mut positions {
                    Ok(positions) => {
                        let Some(at) = positions.next() else { continue };
                        self.hear_missed_messages(at.rev.saturating_sub(1)).await;
                        self.talking.head = Some(at);
                        echoes.extend(self.say(reply, said, at).await);
                    }
                    Err(refused) => {
                        let refused: Refusal = refused.clone();
                        if let Actor::User(user) = said.from {
                            unsaid.push(user);
                        }
                        self.error(reply, &refused).await;
                    }
                },
                Ok(Plan::Say(said)) => {
                    let at = self.talking.head.unwrap_or(Cursor { rev: 0, commit: CommitId(0) });
                    echoes.extend(self.say(reply, said, at).await);
                }
            }
        }
        self.tell_echoes(echoes).await;
        self.talking.planned.clear();
        self.talking.speaks.retain(|(user, _)| !unsaid.contains(user));
        unsaid.retain(|user| paced.contains(user));
        if !unsaid.is_empty()
            && let Err(fault) = self.home.rooms.deps().store.unpace(&self.home.id, &unsaid).await
        {
            tracing::debug!(room = %self.home.id, %fault, "people wait although they could say nothing");
        }
        self.talking.settle_pace(self.room.talk.slow_mode, self.now());
    }

    /// Stores the messages of the class `must` among these. Returns their positions, in the same order. Errors: none of them may be said.
    async fn store_musts(&mut self, plans: &[(Reply, Result<Plan, Reject>)]) -> Result<Vec<Cursor>, Refusal> {
        let rooms = self.home.rooms.clone();
        let store = &*rooms.deps().store;
        let loaded = self.talking.load(store, &self.home.id).await;
        let fresh = |plan: &Result<Plan, Reject>| match plan {
            Ok(Plan::Say(said)) if said.saying.weight == Weight::Must => {
                Some(NewMessage { id: CommitId(rand::random()), said_at: said.at, record: encode_said(said) })
            }
            _ => None,
        };
        let musts: Vec<NewMessage> = plans.iter().filter_map(|(_, plan)| fresh(plan)).collect();
        if musts.is_empty() {
            return Ok(Vec::new());
        }
        if !loaded {
            return Err(unavailable("none"));
        }
        let retention = rooms.deps().settings.load().messages.retention(self.now());
        store.append_messages(&self.home.id, musts, retention).await.map_err(|error| {
            tracing::error!(room = %self.home.id, %error, "messages are not kept");
            unavailable(if matches!(error, CommitError::Unknown(_)) { "unknown" } else { "none" })
        })
    }

    /// Slow mode over nodes: asks the store whether those who are about to say something have said something elsewhere a moment ago, and
    /// refuses it then. Returns who may. While the store cannot be asked, what this node knows decides.
    async fn pace(&mut self, plans: &mut [(Reply, Result<Plan, Reject>)]) -> Vec<UserId> {
        let every = self.room.talk.slow_mode;
        if every == Millis(0) || self.follow.is_none() {
            return Vec::new();
        }
        let speaker = |plan: &Result<Plan, Reject>| match plan {
            Ok(Plan::Say(Said { from: Actor::User(user), .. })) if self.room.level_of(user) < roles::ADMIN => Some(user.clone()),
            _ => None,
        };
        let speakers: Vec<UserId> = plans.iter().filter_map(|(_, plan)| speaker(plan)).collect();
        if speakers.is_empty() {
            return speakers;
        }
        let store = self.home.rooms.deps().store.clone();
        let last = match store.pace(&self.home.id, &speakers, every, self.now()).await {
            Ok(last) => last,
            Err(fault) => {
                tracing::debug!(room = %self.home.id, %fault, "slow mode holds on this node only");
                return Vec::new();
            }
        };
        let mut paced = Vec::new();
        for (user, last) in speakers.into_iter().zip(last) {
            let Some(last) = last else {
                paced.push(user);
                continue;
            };
            for (_, plan) in plans.iter_mut().filter(|(_, plan)| speaker(plan).as_ref() == Some(&user)) {
                *plan = Err(Reject::too_soon(last.plus(every), self.now()));
            }
            self.talking.speaks.retain(|(known, _)| *known != user);
            self.talking.spoke.insert(user, last);
        }
        paced
    }

    /// Lets everybody hear something. Returns what the other nodes are to be told.
    async fn say(&mut self, reply: Reply, said: Said, at: Cursor) -> Option<Bytes> {
        let weight = said.saying.weight;
        let heard = Heard { at, kept: weight == Weight::Must, time: said.at };
        // Counted before it is acked: who has the ack finds it in the metrics.
        metrics::counter!("michub_room_messages_total", "class" => weight.name()).increment(1);
        self.ack(reply, |id| message::message_ack(id, &self.home.id, heard, false)).await;
        let json = message::room_message(&self.home.id, at, &said, false);
        let (echo, frame) = (self.echo(&said, at, &json), Frame(text_frame(&json)));
        if let Some(key) = said.saying.dedup_id {
            self.talking.remember((said.from, key), heard);
        }
        let class = match weight {
            Weight::Must => {
                self.talking.push(at, said.at, frame.clone());
                Class::Must
            }
            Weight::Normal => Class::Normal,
            Weight::Droppable => Class::Droppable,
        };
        self.to_members(frame, class).await;
        echo
    }
}
