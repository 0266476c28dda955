//! A room's task: everything that waits becomes one batch, one commit and one frame. No answer leaves before the commit is settled.
use super::{
    msg::{Class, ConnId, Frame, JoinReply, Joined, Member, Refusal, Reply, RoomMsg, ShardMsg, ShownStatus, TokenRole},
    rate::Bucket,
    room_log::{self, Tail, payload, update_frame},
    room_members::MemberList,
    rooms::{Rooms, Waiting, refusal, refuse},
    store::{CommitError, LogEntry},
};
use crate::{
    hub::{
        code::{Code, Reject},
        command::{Actor, Command, Request},
        cursor::Cursor,
        decide::{Decision, Draft},
        event::{Commit, Event},
        id::{CommitId, RoomId, UserId},
        room::{Room, Status},
        time::{Millis, UnixMs},
    },
    wire::{
        codec::text_frame,
        membership::{self, MemberJson, PresenceChange},
        record::{encode_commit, encode_room},
        server::{ErrorJson, decision_ack, details, json, room_snapshot},
    },
};
use bytes::Bytes;
use std::{
    collections::{BTreeSet, VecDeque},
    time::Duration,
};
use tokio::sync::mpsc;

/// How many messages make one batch.
const BATCH: usize = 128;
/// An update frame larger than this is replaced by a snapshot.
const UPDATE_BYTES: usize = 128 * 1024;
/// How many commits lie between two snapshots.
const SNAPSHOT_EVERY: u64 = 64;
/// How often a batch is decided again when the store's log has moved on.
const ATTEMPTS: usize = 3;
/// The longest sleep of a task.
const SLEEP_MAX: Millis = Millis(60_000);
/// The least time between two presence frames of a large room.
const DIGEST: Millis = Millis(500);
/// For how long after a load nobody is promoted past somebody held.
const LOAD_GRACE: Millis = Millis(10_000);
/// The wait before a deadline that could not be dealt with is tried again.
const RETRY: Millis = Millis(1_000);

/// A task's place in the directory, with its mailbox.
pub(super) struct Seat {
    pub id: RoomId,
    pub generation: u64,
    pub rooms: Rooms,
    pub mailbox: mpsc::UnboundedReceiver<RoomMsg>,
    pub waiting: Waiting,
}

/// Lives until nobody needs the room.
pub(super) async fn run(mut seat: Seat) {
    if let Some((room, tail, first)) = open(&mut seat).await {
        Task::new(seat, room, tail).live(first).await;
    }
}

/// Loads the room, or creates it for its first member. `None`: there is none, everybody has heard so, and the task is out of the directory.
async fn open(seat: &mut Seat) -> Option<(Room, Tail, Option<RoomMsg>)> {
    let rooms = seat.rooms.clone();
    let deps = rooms.deps();
    loop {
        let code = match room_log::load(&*deps.store, &seat.id).await {
            Ok(Some((room, tail))) => return Some((room, tail, None)),
            Ok(None) => Code::RoomNotFound,
            Err(fault) => {
                tracing::error!(room = %seat.id, %fault, "a room cannot be loaded");
                Code::Unavailable
            }
        };
        let message = seat.mailbox.recv().await?;
        if let (Code::RoomNotFound, true, RoomMsg::Join { member, .. }) = (code, deps.settings.auto_create, &message) {
            let (rules, commit) = (deps.settings.rules.clone(), CommitId(rand::random()));
            let room = Room::create(seat.id.clone(), member.user.clone(), rules, commit, deps.clock.now());
            match deps.store.create(&seat.id, room.head, encode_room(&room)).await {
                Ok(true) => {
                    let tail = Tail::new(room.head);
                    return Some((room, tail, Some(message)));
                }
                Ok(false) => {
                    let (room, tail) = room_log::load(&*deps.store, &seat.id).await.ok().flatten()?;
                    return Some((room, tail, Some(message)));
                }
                Err(error) => tracing::error!(room = %seat.id, %error, "a room cannot be created"),
            }
            turn_away(seat, message, Code::Unavailable).await;
        } else {
            turn_away(seat, message, code).await;
        }
        while let Ok(message) = seat.mailbox.try_recv() {
            if matches!(message, RoomMsg::Join { .. }) && code == Code::RoomNotFound && deps.settings.auto_create {
                // The next in line may create it.
                let _ = seat.rooms.post(&seat.id, message);
                break;
            }
            turn_away(seat, message, code).await;
        }
        if rooms.leave(&seat.id, seat.generation, &seat.mailbox) {
            return None;
        }
    }
}

async fn turn_away(seat: &Seat, message: RoomMsg, code: Code) {
    if matches!(message, RoomMsg::Command { .. }) {
        seat.waiting.taken();
    }
    if let RoomMsg::Join { member, .. } = &message {
        member.rooms.remove(&seat.id);
    }
    let refusal = match code {
        Code::Unavailable => unavailable("none"),
        code => refusal(code),
    };
    let mut errors = Vec::new();
    refuse(message, &refusal, |to, id, refusal| errors.push((to, error_frame(id, refusal))));
    for (to, frame) in errors {
        to_shard(&seat.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
    }
}

fn unavailable(outcome: &'static str) -> Refusal {
    let details = if outcome == "none" { r#"{"outcome":"none"}"# } else { r#"{"outcome":"unknown"}"# };
    Refusal { code: Code::Unavailable, details: Some(Bytes::from_static(details.as_bytes())) }
}

fn error_frame(id: Option<i64>, refusal: &Refusal) -> Frame {
    let details = refusal.details.as_ref().and_then(|details| serde_json::from_slice(details).ok()).unwrap_or_default();
    Frame(text_frame(&json(&ErrorJson::new(id, refusal.code, details))))
}

fn to_refusal(reject: &Reject) -> Refusal {
    let details = details(reject);
    Refusal { code: reject.code(), details: (!details.is_empty()).then(|| json(&details).into()) }
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
    seat: Seat,
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
    commits: u64,
    bucket: Bucket,
    seated: BTreeSet<UserId>,
    tell_at: Option<UnixMs>,
    told_at: UnixMs,
    idle_since: Option<UnixMs>,
    retry_at: UnixMs,
}

impl Task {
    fn new(seat: Seat, room: Room, tail: Tail) -> Self {
        let deps = seat.rooms.deps();
        let per_second = deps.settings.commands_per_second;
        let bucket = Bucket::new(per_second, per_second, deps.clock.mono());
        let draft = Draft::new(&room);
        Self {
            seat,
            draft,
            tail,
            members: MemberList::default(),
            kicked: Vec::new(),
            held_at_load: room.placed().is_empty(),
            no_promotion_before: UnixMs(0),
            unsure: false,
            // The number of commits since the last snapshot is not known after a load: the next one writes it.
            commits: if room.head.rev == 0 { 0 } else { SNAPSHOT_EVERY },
            room,
            bucket,
            seated: BTreeSet::new(),
            tell_at: None,
            told_at: UnixMs(0),
            idle_since: None,
            retry_at: UnixMs(0),
        }
    }

    fn now(&self) -> UnixMs {
        self.seat.rooms.deps().clock.now()
    }

    async fn live(mut self, first: Option<RoomMsg>) {
        let mut inbox = Vec::with_capacity(BATCH);
        let mut queue: VecDeque<RoomMsg> = first.into_iter().collect();
        if !self.held_at_load {
            self.batch(Vec::new()).await;
        }
        loop {
            let wait = if queue.is_empty() { self.wake_at().since(self.now()) } else { Millis(0) };
            let waited =
                tokio::time::timeout(Duration::from_millis(wait.0), self.seat.mailbox.recv_many(&mut inbox, BATCH)).await;
            if waited == Ok(0) && queue.is_empty() {
                return;
            }
            queue.extend(inbox.drain(..));
            let batch = take_batch(&mut queue);
            let due = self.draft.next_deadline().is_some_and(|at| at <= self.now() && self.retry_at <= self.now());
            if !batch.is_empty() || due {
                self.batch(batch).await;
            }
            if self.tell_at.is_some_and(|at| at <= self.now()) {
                self.tell().await;
            }
            if queue.is_empty()
                && self.may_leave()
                && self.seat.rooms.leave(&self.seat.id, self.seat.generation, &self.seat.mailbox)
            {
                return;
            }
        }
    }

    /// Returns when the task has something to do although nobody writes.
    fn wake_at(&self) -> UnixMs {
        let due = self.draft.next_deadline().map(|at| at.max(self.retry_at));
        let idle = self.idle_since.map(|since| since.plus(self.seat.rooms.deps().settings.idle));
        let first = due.into_iter().chain(self.tell_at).chain(idle).min();
        first.unwrap_or(UnixMs(u64::MAX)).min(self.now().plus(SLEEP_MAX))
    }

    fn may_leave(&mut self) -> bool {
        if self.members.count() > 0 || self.draft.next_deadline().is_some() {
            self.idle_since = None;
            return false;
        }
        let now = self.now();
        let since = *self.idle_since.get_or_insert(now);
        now.since(since) >= self.seat.rooms.deps().settings.idle
    }

    /// Decides a batch, commits it, and only then answers.
    async fn batch(&mut self, batch: Vec<RoomMsg>) {
        for _ in batch.iter().filter(|message| matches!(message, RoomMsg::Command { .. })) {
            self.seat.waiting.taken();
        }
        let mut outcome = Settled::Moved;
        let mut fates = Vec::new();
        let mut committed = None;
        self.members.begin();
        for _ in 0..ATTEMPTS {
            if self.unsure && !self.catch_up().await {
                outcome = Settled::Failed(unavailable("none"));
                break;
            }
            fates = self.decide(&batch);
            committed = self.draft.finish();
            outcome = match &committed {
                None => Settled::Done,
                Some(commit) => self.commit(commit).await,
            };
            match &outcome {
                Settled::Moved => {
                    self.members.rewind();
                    self.unsure = true;
                }
                Settled::Done | Settled::Failed(_) => break,
            }
        }
        let refused = match outcome {
            Settled::Done => {
                let now = self.now();
                // A deadline that is still due would make the task spin.
                let stuck = committed.is_none() && self.draft.next_deadline().is_some_and(|at| at <= now);
                self.retry_at = if stuck { now.plus(RETRY) } else { UnixMs(0) };
                self.publish(batch, fates, committed).await;
                self.settle_members();
                return;
            }
            Settled::Failed(refusal) => refusal,
            Settled::Moved => unavailable("none"),
        };
        self.members.rewind();
        self.draft = Draft::new(&self.room);
        self.draft.hold_promotion(self.no_promotion_before);
        self.retry_at = self.now().plus(RETRY);
        self.turn_away(batch, &refused).await;
        self.settle_members();
    }

    fn decide(&mut self, batch: &[RoomMsg]) -> Vec<Fate> {
        let now = self.now();
        self.kicked.clear();
        self.draft.begin(CommitId(rand::random()), now);
        if !self.held_at_load {
            self.no_promotion_before = now.plus(LOAD_GRACE);
            self.draft.after_load(&self.members);
        }
        self.draft.due(&self.members);
        let fates = batch.iter().map(|message| self.decide_one(message, now)).collect();
        self.draft.level(&self.members);
        fates
    }

    fn decide_one(&mut self, message: &RoomMsg, now: UnixMs) -> Fate {
        match message {
            RoomMsg::Command { request, .. } => Fate::Decided(self.command(request)),
            RoomMsg::Join { member, token_role, .. } => Fate::Entered(self.enter(member, token_role.as_ref(), now)),
            RoomMsg::Leave { session, .. } => match self.members.leave(session) {
                None => Fate::Left(None),
                Some((user, conn, last)) => {
                    if last {
                        self.by_hub(Command::Left { user });
                    }
                    Fate::Left(conn)
                }
            },
            RoomMsg::Lost { .. } | RoomMsg::Gone { .. } => {
                self.drop_line(message);
                Fate::Read
            }
            RoomMsg::Presence(_)
            | RoomMsg::Sync { .. }
            | RoomMsg::Members { .. }
            | RoomMsg::Snapshot { .. }
            | RoomMsg::Updates { .. } => Fate::Read,
        }
    }

    fn drop_line(&mut self, message: &RoomMsg) {
        match message {
            RoomMsg::Lost { session, conn } => self.members.lost(session, *conn),
            RoomMsg::Gone { user, session } => self.members.gone(user, session),
            _ => {}
        }
    }

    fn command(&mut self, request: &Request) -> Result<Decision, Reject> {
        if matches!(request.actor, Actor::User(_)) && !self.bucket.take(self.seat.rooms.deps().clock.mono()) {
            return Err(Reject::Plain(Code::RateLimited));
        }
        let decision = self.draft.decide(request, &self.members)?;
        if let Decision::Accepted {
            event: Event::MemberKicked { user, .. } | Event::MemberBanned { user, .. }, dup: false, ..
        } = &decision
        {
            self.kicked.extend(self.members.put_out(user));
        }
        Ok(decision)
    }

    fn enter(&mut self, member: &Member, token_role: Option<&TokenRole>, now: UnixMs) -> Result<(), Reject> {
        let room = self.draft.room();
        if room.status == Status::Closed {
            return Err(Reject::Plain(Code::RoomClosed));
        }
        if let Some(until) = room.ban_of(&member.user, now) {
            return Err(Reject::Until { code: Code::Forbidden, until });
        }
        self.members.join(member);
        if let Some(TokenRole { role, issued_at }) = token_role.cloned() {
            self.by_hub(Command::TokenRole { user: member.user.clone(), role, issued_at });
        }
        Ok(())
    }

    fn by_hub(&mut self, command: Command) {
        let request = Request { actor: Actor::Hub, op_id: None, if_rev: None, command };
        if let Err(reject) = self.draft.decide(&request, &self.members) {
            tracing::error!(room = %self.seat.id, ?request, %reject, "the hub's own command is refused");
        }
    }

    /// Hands the commit to the store. After a success the room stands at its head.
    async fn commit(&mut self, commit: &Commit) -> Settled {
        let entry = LogEntry { prev: commit.prev, cursor: commit.cursor, at: commit.at, record: encode_commit(commit) };
        let snapshot = (self.commits >= SNAPSHOT_EVERY).then(|| encode_room(self.draft.room()));
        let written_snapshot = snapshot.is_some();
        let rooms = self.seat.rooms.clone();
        let store = &rooms.deps().store;
        let mut result = store.commit(&self.seat.id, entry.clone(), snapshot.clone()).await;
        let uncertain = matches!(result, Err(CommitError::Unknown(_)));
        if uncertain {
            result = store.commit(&self.seat.id, entry, snapshot).await;
        }
        match result {
            Ok(()) => {}
            Err(CommitError::Mismatch { since }) => {
                if !since.iter().flatten().any(|known| known.cursor == commit.cursor) {
                    return if uncertain { self.unsure("the log has moved on") } else { Settled::Moved };
                }
            }
            Err(CommitError::NotDone(fault)) if !uncertain => {
                tracing::error!(room = %self.seat.id, %fault, "a commit was not written");
                return Settled::Failed(unavailable("none"));
            }
            Err(error) => return self.unsure(&error.to_string()),
        }
        if self.room.apply(commit).is_err() {
            // The draft was made from this room, so this cannot be; if it were, the log is right.
            return self.unsure("the room is not at the commit's position");
        }
        self.commits = if written_snapshot { 1 } else { self.commits + 1 };
        self.held_at_load = true;
        Settled::Done
    }

    fn unsure(&mut self, why: &str) -> Settled {
        tracing::error!(room = %self.seat.id, why, "it is not known whether a commit was written");
        self.unsure = true;
        Settled::Failed(unavailable("unknown"))
    }

    /// Reads the log again, and tells everybody what was missed. Returns whether the room is known again.
    async fn catch_up(&mut self) -> bool {
        let rooms = self.seat.rooms.clone();
        let (room, tail) = match room_log::load(&*rooms.deps().store, &self.seat.id).await {
            Ok(Some(loaded)) => loaded,
            Ok(None) => return false,
            Err(fault) => {
                tracing::error!(room = %self.seat.id, %fault, "a room cannot be loaded again");
                return false;
            }
        };
        let missed = tail.since(self.room.head);
        (self.room, self.tail, self.unsure) = (room, tail, false);
        self.draft = Draft::new(&self.room);
        self.draft.hold_promotion(self.no_promotion_before);
        let frames = missed.unwrap_or_else(|| {
            tracing::warn!(room = %self.seat.id, "the room's history is another one by now");
            vec![Frame(text_frame(&membership::room_reset(&self.seat.id, "history_changed"))), self.snapshot()]
        });
        for frame in frames {
            self.to_members(frame, Class::Must).await;
        }
        true
    }

    /// Sends what a settled batch brings: answers, the update, then whoever comes in at the new head.
    async fn publish(&mut self, batch: Vec<RoomMsg>, fates: Vec<Fate>, committed: Option<Commit>) {
        let mut late = Vec::new();
        for (message, fate) in batch.into_iter().zip(fates) {
            match (message, fate) {
                (RoomMsg::Command { reply, .. }, Fate::Decided(Ok(decision))) => {
                    self.ack(reply, |id| decision_ack(id, &self.seat.id, &decision)).await;
                }
                (RoomMsg::Command { reply, .. }, Fate::Decided(Err(reject))) => self.error(reply, &to_refusal(&reject)).await,
                (RoomMsg::Leave { reply, .. }, Fate::Left(conn)) => self.left(reply, conn).await,
                (message, fate) => late.push((message, fate)),
            }
        }
        if let Some(commit) = &committed {
            let update = update_frame(&self.seat.id, commit);
            self.tail.push(commit, update.clone());
            for conn in std::mem::take(&mut self.kicked) {
                let left = ShardMsg::RoomLeft { room: self.seat.id.clone(), conn, last: vec![update.clone()] };
                to_shard(&self.seat.rooms, conn.shard, left).await;
            }
            let frame = if update.0.len() > UPDATE_BYTES { self.snapshot() } else { update };
            self.to_members(frame, Class::Must).await;
            self.tell_seats();
        }
        let mut snapshot = None;
        for (message, fate) in late {
            self.answer_late(message, fate, &mut snapshot).await;
        }
    }

    async fn answer_late(&mut self, message: RoomMsg, fate: Fate, snapshot: &mut Option<Frame>) {
        match (message, fate) {
            (RoomMsg::Join { member, reply, .. }, Fate::Entered(Err(reject))) => {
                member.rooms.remove(&self.seat.id);
                match reply {
                    JoinReply::Ack(reply) => self.error(reply, &to_refusal(&reject)).await,
                    JoinReply::Outcome(sender) => drop(sender.send(Err(to_refusal(&reject)))),
                }
            }
            (RoomMsg::Join { member, cursor, reply, .. }, _) => {
                let (recovered, mut first) = self.first_frames(cursor, snapshot);
                let joined = Joined { cursor: self.room.head, recovered };
                match reply {
                    JoinReply::Ack(Reply::Conn { id: Some(id), .. }) => {
                        let role = self.room.role_of(&member.user);
                        let ack = membership::joined_ack(Some(id), &self.seat.id, self.room.head, role, recovered);
                        first.insert(0, Frame(text_frame(&ack)));
                        self.joined(member.conn, first).await;
                    }
                    JoinReply::Ack(reply) => {
                        self.joined(member.conn, first).await;
                        let role = self.room.role_of(&member.user).to_owned();
                        self.ack(reply, |id| membership::joined_ack(id, &self.seat.id, self.room.head, &role, recovered)).await;
                    }
                    JoinReply::Outcome(sender) => {
                        self.joined(member.conn, first).await;
                        let _ = sender.send(Ok(joined));
                    }
                }
            }
            (RoomMsg::Sync { session, cursor, reply }, _) => self.sync(&session, cursor, reply, snapshot).await,
            (RoomMsg::Members { offset, limit, reply }, _) => {
                self.ack(reply, |id| self.members_page(id, offset, limit)).await;
            }
            (RoomMsg::Snapshot { reply }, _) => {
                let _ = reply.send(room_snapshot(&self.room, self.now()).into());
            }
            (RoomMsg::Updates { cursor, reply }, _) => {
                let _ = reply.send(self.polled(cursor).into());
            }
            (RoomMsg::Presence(shown), _) => {
                self.members.note(&shown);
            }
            _ => {}
        }
    }

    /// Returns whether the position is continued, and the frames that lead to the head.
    fn first_frames(&self, cursor: Option<Cursor>, snapshot: &mut Option<Frame>) -> (bool, Vec<Frame>) {
        match cursor.and_then(|cursor| self.tail.since(cursor)) {
            Some(updates) => (true, updates),
            None => (false, vec![snapshot.get_or_insert_with(|| self.snapshot()).clone()]),
        }
    }

    async fn joined(&self, conn: Option<ConnId>, first: Vec<Frame>) {
        if let Some(conn) = conn {
            let joined = ShardMsg::RoomJoined { room: self.seat.id.clone(), conn, first };
            to_shard(&self.seat.rooms, conn.shard, joined).await;
        }
    }

    async fn sync(
        &self,
        session: &crate::hub::id::SessionId,
        cursor: Option<Cursor>,
        reply: Reply,
        snapshot: &mut Option<Frame>,
    ) {
        let Some((user, conn)) = self.members.find(session) else {
            return self.error(reply, &refusal(Code::NotMember)).await;
        };
        let (recovered, mut first) = self.first_frames(cursor, snapshot);
        let role = self.room.role_of(user);
        let ack = |id| membership::joined_ack(id, &self.seat.id, self.room.head, role, recovered);
        match reply {
            Reply::Conn { id, .. } => {
                if id.is_some() {
                    first.insert(0, Frame(text_frame(&ack(id))));
                }
                self.joined(conn, first).await;
            }
            reply => self.ack(reply, ack).await,
        }
    }

    async fn left(&self, reply: Option<Reply>, conn: Option<ConnId>) {
        let ack = |id| membership::left_ack(id, &self.seat.id, self.room.head);
        let Some(conn) = conn else {
            if let Some(reply) = reply {
                self.ack(reply, ack).await;
            }
            return;
        };
        let last = match &reply {
            Some(Reply::Conn { to, id: id @ Some(_) }) if *to == conn => vec![Frame(text_frame(&ack(*id)))],
            _ => Vec::new(),
        };
        let answered = !last.is_empty();
        to_shard(&self.seat.rooms, conn.shard, ShardMsg::RoomLeft { room: self.seat.id.clone(), conn, last }).await;
        if let Some(reply) = reply.filter(|_| !answered) {
            self.ack(reply, ack).await;
        }
    }

    fn members_page(&self, id: Option<i64>, offset: usize, limit: usize) -> Vec<u8> {
        let line = |(user, person): (&'_ UserId, &'_ super::room_members::Person)| {
            (user.clone(), person.user_type.clone(), person.status.unwrap_or(ShownStatus::Online))
        };
        let page: Vec<_> = self.members.page(offset, limit).map(line).collect();
        let members: Vec<_> = page
            .iter()
            .map(|(user, user_type, status)| MemberJson {
                user_id: user.as_str(),
                user_type: user_type.as_str(),
                role: self.room.role_of(user),
                status: status.name(),
            })
            .collect();
        membership::members_ack(id, &self.seat.id, &members, self.members.count())
    }

    fn polled(&self, cursor: Option<Cursor>) -> Vec<u8> {
        match cursor.and_then(|cursor| self.tail.since(cursor)) {
            Some(updates) => {
                let updates: Vec<Bytes> = updates.iter().map(payload).collect();
                let updates: Vec<&[u8]> = updates.iter().map(AsRef::as_ref).collect();
                membership::polled(Ok(&updates), self.room.head)
            }
            None => membership::polled(Err(&room_snapshot(&self.room, self.now())), self.room.head),
        }
    }

    fn snapshot(&self) -> Frame {
        Frame(text_frame(&room_snapshot(&self.room, self.now())))
    }

    /// Answers a batch that could not be committed. What only reads is answered; lines that are gone stay gone.
    async fn turn_away(&mut self, batch: Vec<RoomMsg>, refused: &Refusal) {
        let mut snapshot = None;
        for message in batch {
            self.drop_line(&message);
            match message {
                RoomMsg::Join { .. } | RoomMsg::Command { .. } | RoomMsg::Leave { .. } => {
                    if let RoomMsg::Join { member, .. } = &message {
                        member.rooms.remove(&self.seat.id);
                    }
                    let mut errors = Vec::new();
                    refuse(message, refused, |to, id, refusal| errors.push((to, error_frame(id, refusal))));
                    for (to, frame) in errors {
                        to_shard(&self.seat.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
                    }
                }
                message => self.answer_late(message, Fate::Read, &mut snapshot).await,
            }
        }
    }

    async fn ack(&self, reply: Reply, ack: impl FnOnce(Option<i64>) -> Vec<u8>) {
        match reply {
            Reply::Conn { to, id: Some(id) } => {
                let frame = Frame(text_frame(&ack(Some(id))));
                to_shard(&self.seat.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
            }
            Reply::Http(sender) => drop(sender.send(Ok(ack(None).into()))),
            Reply::Conn { id: None, .. } | Reply::Nobody => {}
        }
    }

    async fn error(&self, reply: Reply, refusal: &Refusal) {
        match reply {
            Reply::Conn { to, id } => {
                let frame = error_frame(id, refusal);
                to_shard(&self.seat.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
            }
            Reply::Http(sender) => drop(sender.send(Err(refusal.clone()))),
            Reply::Nobody => {}
        }
    }

    async fn to_members(&self, frame: Frame, class: Class) {
        for shard in self.members.shards() {
            to_shard(&self.seat.rooms, shard, ShardMsg::RoomFrame { room: self.seat.id.clone(), frame: frame.clone(), class })
                .await;
        }
    }

    /// Tells presence who sits, where that has changed.
    fn tell_seats(&mut self) {
        let occupants = self.room.seats.list.iter().filter_map(|seat| seat.occupant.as_ref());
        let seated: BTreeSet<UserId> = occupants.map(|occupant| occupant.user.clone()).collect();
        let presence = &self.seat.rooms.deps().presence;
        for user in self.seated.symmetric_difference(&seated) {
            presence.seated(user.clone(), &self.seat.id, seated.contains(user));
        }
        self.seated = seated;
    }

    /// After a batch: presence hears who came and went, and a presence frame is due if there is something to tell.
    fn settle_members(&mut self) {
        self.members.settle(&self.seat.id);
        let presence = &self.seat.rooms.deps().presence;
        for (user, on) in self.members.take_moves() {
            if on { presence.enter(&self.seat.id, user) } else { presence.leave(&self.seat.id, user) }
        }
        if self.members.has_untold() && self.tell_at.is_none() {
            let settings = &self.seat.rooms.deps().settings;
            let soon = self.now().plus(settings.coalesce);
            let large = self.members.count() > settings.presence_members_max;
            self.tell_at = Some(if large { soon.max(self.told_at.plus(DIGEST)) } else { soon });
        }
    }

    /// Sends one presence frame with everything gathered.
    async fn tell(&mut self) {
        self.tell_at = None;
        self.told_at = self.now();
        let all = self.members.take_changes();
        let count = self.members.count();
        let large = count > self.seat.rooms.deps().settings.presence_members_max;
        let matters =
            |user: &UserId| !large || self.room.is_placed(user) || self.room.roles.contains_key(user) || self.room.owner == *user;
        let changes: Vec<_> = all
            .iter()
            .filter(|change| matters(&change.user))
            .map(|change| PresenceChange { user_id: change.user.as_str(), status: change.status.name(), joined: change.joined })
            .collect();
        if all.is_empty() {
            return;
        }
        let frame = Frame(text_frame(&membership::room_presence(&self.seat.id, count, &changes)));
        let class = if changes.is_empty() { Class::Latest(key(&self.seat.id)) } else { Class::Must };
        self.to_members(frame, class).await;
    }
}

/// A room's own key among the frames of which only the newest matters.
fn key(room: &RoomId) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    hasher.finish()
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
