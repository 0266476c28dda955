//! What a settled batch says: answers first, then the update, then the first frames of whoever came in.
use super::{Fate, Task, error_frame, to_refusal, to_shard, unavailable};
use crate::hub::time::Millis;
use crate::server::{
    msg::{
        Class, ConnId, Created, Frame, JoinReply, Joined, Member, Polled, Refusal, Reply, RoomMsg, ShardMsg, ShownStatus,
        refusal, room_key,
    },
    rooms::refuse,
    store::log::update_frame,
};
use crate::{
    hub::{
        code::{Code, Reject},
        cursor::Cursor,
        event::Commit,
        id::UserId,
    },
    wire::{
        answer::decision_ack,
        client::Since,
        codec::text_frame,
        membership::{self, MemberJson, Messages},
        server::last_snapshot,
    },
};
use bytes::Bytes;
use std::collections::VecDeque;

/// An update frame larger than this is replaced by a snapshot.
pub(super) const UPDATE_BYTES: usize = 128 * 1024;

impl Task {
    /// Sends what a settled batch brings: answers, the update, then whoever comes in at the new head.
    pub(super) async fn publish(&mut self, batch: Vec<RoomMsg>, fates: Vec<Fate>, committed: Option<Commit>) {
        let (mut late, mut plans) = (Vec::new(), Vec::new());
        for (message, fate) in batch.into_iter().zip(fates) {
            match (message, fate) {
                (RoomMsg::Command { reply, .. }, Fate::Decided(Ok(decision))) => {
                    self.ack(reply, |id| decision_ack(id, &self.home.id, &decision)).await;
                }
                (RoomMsg::Command { reply, .. }, Fate::Decided(Err(reject))) => self.error(reply, &to_refusal(&reject)).await,
                (RoomMsg::Say { reply, .. }, Fate::Said(plan)) => plans.push((reply, plan)),
                (RoomMsg::Leave { reply, .. }, Fate::Left(conn)) => self.left(reply, conn).await,
                (message, fate) => late.push((message, fate)),
            }
        }
        if let Some(commit) = &committed {
            self.spread(commit).await;
        }
        self.speak(plans).await;
        let mut snapshot = None;
        for (message, fate) in late {
            self.answer_late(message, fate, &mut snapshot).await;
        }
    }

    /// Tells everybody here of a commit that was applied.
    pub(super) async fn spread(&mut self, commit: &Commit) {
        let update = self.note_update(commit).await;
        if update.0.len() > UPDATE_BYTES {
            self.show_anew().await;
        } else {
            self.to_members(update, Class::Must).await;
        }
        self.tell_seats();
    }

    /// Sends everybody here the room's state instead of what has led to it.
    pub(super) async fn show_anew(&self) {
        self.to_members(self.snapshot(), Class::Snapshot(room_key(&self.home.id))).await;
    }

    /// Keeps the update of a commit that was applied for whoever asks, and lets those go whom it puts out.
    pub(super) async fn note_update(&mut self, commit: &Commit) -> Frame {
        let update = update_frame(&self.home.id, commit);
        self.tail.push(commit, update.clone());
        self.release(commit.prev);
        for conn in std::mem::take(&mut self.kicked) {
            let left = ShardMsg::RoomLeft { room: self.home.id.clone(), conn, last: vec![update.clone()] };
            to_shard(&self.home.rooms, conn.shard, left).await;
        }
        update
    }

    async fn answer_late(&mut self, message: RoomMsg, fate: Fate, snapshot: &mut Option<Frame>) {
        match (message, fate) {
            (RoomMsg::Join { member, reply, .. }, Fate::Entered(Err(reject))) => self.keep_out(&member, reply, &reject).await,
            (RoomMsg::Join { member, since, reply, .. }, _) => self.let_in(member, since, reply, snapshot).await,
            (RoomMsg::Sync { session, cursor, reply }, _) => self.sync(&session, cursor, reply, snapshot).await,
            (RoomMsg::Refused { refusal, reply }, _) => self.error(reply, &refusal).await,
            (RoomMsg::Members { offset, limit, reply }, _) => {
                self.ack(reply, |id| self.members_page(id, offset, limit)).await;
            }
            (RoomMsg::Seat { user, reply }, _) => {
                let _ = reply.send(Ok(self.standing(&user)));
            }
            (RoomMsg::Snapshot { reader, known, reply }, _) => {
                let news = known != Some(self.room.head);
                let body = || if news { last_snapshot(&self.room, self.now(), self.is_stale()).into() } else { Bytes::new() };
                let polled = || Polled { cursor: self.room.head, news, body: body() };
                let _ = reply.send(self.may_read(reader.as_ref()).map(|()| polled()));
            }
            (RoomMsg::Updates { reader, cursor, wait, reply }, _) => match self.may_read(reader.as_ref()) {
                Ok(()) if wait > Millis(0) && cursor == Some(self.room.head) => self.wait_for_update(reply, wait),
                may => {
                    let _ = reply.send(may.map(|()| self.polled(cursor)));
                }
            },
            (RoomMsg::Messages { reader, since, before, limit, wait, reply }, _) => match self.may_read(reader.as_ref()) {
                Err(refused) => drop(reply.send(Err(refused))),
                Ok(()) => {
                    if let Some(reply) = self.wait_for_message(since, wait, reply).await {
                        let _ = reply.send(self.messages_page(since, before, limit).await);
                    }
                }
            },
            (RoomMsg::Create { reply, .. }, _) => {
                let snapshot = last_snapshot(&self.room, self.now(), self.is_stale()).into();
                let _ = reply.send(Ok(Created { new: false, snapshot }));
            }
            (RoomMsg::Settle(done), _) => {
                if let Some(follow) = &mut self.follow {
                    follow.settling.push(done);
                }
            }
            (RoomMsg::Presence(shown), _) => {
                self.members.note(&shown);
            }
            _ => {}
        }
    }

    async fn keep_out(&self, member: &Member, reply: JoinReply, reject: &Reject) {
        member.rooms.remove(&self.home.id);
        match reply {
            JoinReply::Ack(reply) => self.error(reply, &to_refusal(reject)).await,
            JoinReply::Outcome(sender) => drop(sender.send(Err(to_refusal(reject)))),
        }
    }

    /// Gives a new member his answer and, right behind it, what leads to the head.
    async fn let_in(&mut self, member: Member, since: Since, reply: JoinReply, snapshot: &mut Option<Frame>) {
        let (recovered, mut first) = self.first_frames(since.cursor, snapshot);
        let (messages, missed) = self.missed_messages(since.messages.filter(|_| member.conn.is_some())).await;
        first.extend(missed);
        let role = self.room.role_of(&member.user);
        let ack = |id| membership::joined_ack(id, &self.home.id, self.room.head, role, recovered, messages);
        match reply {
            JoinReply::Ack(Reply::Conn { id: Some(id), .. }) => {
                first.insert(0, Frame(text_frame(&ack(Some(id)))));
                self.joined(member.conn, first).await;
            }
            JoinReply::Ack(reply) => {
                self.joined(member.conn, first).await;
                self.ack(reply, ack).await;
            }
            JoinReply::Outcome(sender) => {
                self.joined(member.conn, first).await;
                let _ = sender.send(Ok(Joined { cursor: self.room.head, recovered, messages }));
            }
        }
    }

    /// Returns whether the position is continued, and the frames that lead to the head.
    fn first_frames(&self, cursor: Option<Cursor>, snapshot: &mut Option<Frame>) -> (bool, Vec<Frame>) {
        match self.missed(cursor) {
            Some(updates) => (true, updates),
            None => (false, vec![snapshot.get_or_insert_with(|| self.snapshot()).clone()]),
        }
    }

    /// Returns the updates since a position; `None`: it is not known, or a snapshot is the shorter way.
    fn missed(&self, cursor: Option<Cursor>) -> Option<Vec<Frame>> {
        let updates = self.tail.since(cursor?)?;
        (updates.iter().map(|update| update.0.len()).sum::<usize>() <= UPDATE_BYTES).then_some(updates)
    }

    async fn joined(&self, conn: Option<ConnId>, first: Vec<Frame>) {
        if let Some(conn) = conn {
            let joined = ShardMsg::RoomJoined { room: self.home.id.clone(), conn, first };
            to_shard(&self.home.rooms, conn.shard, joined).await;
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
        let messages = Messages::default();
        let ack = |id| membership::joined_ack(id, &self.home.id, self.room.head, role, recovered, messages);
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
        let ack = |id| membership::left_ack(id, &self.home.id, self.room.head);
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
        to_shard(&self.home.rooms, conn.shard, ShardMsg::RoomLeft { room: self.home.id.clone(), conn, last }).await;
        if let Some(reply) = reply.filter(|_| !answered) {
            self.ack(reply, ack).await;
        }
    }

    fn members_page(&self, id: Option<i64>, offset: usize, limit: usize) -> Vec<u8> {
        let line = |(user, person): (&'_ UserId, &'_ crate::server::rooms::members::Person)| {
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
        membership::members_ack(id, &self.home.id, &members, self.members.count())
    }

    /// Whoever may not come in may not read either.
    fn may_read(&self, reader: Option<&UserId>) -> Result<(), Refusal> {
        match reader.and_then(|user| self.room.ban_of(user, self.now())) {
            Some(until) => Err(to_refusal(&Reject::Until { code: Code::Forbidden, until })),
            None => Ok(()),
        }
    }

    pub(super) fn polled(&self, cursor: Option<Cursor>) -> Polled {
        let body = match self.missed(cursor) {
            Some(updates) => {
                let updates: Vec<Bytes> = updates.iter().map(Frame::payload).collect();
                let updates: Vec<&[u8]> = updates.iter().map(AsRef::as_ref).collect();
                membership::polled(Ok(&updates), self.room.head)
            }
            None => membership::polled(Err(&last_snapshot(&self.room, self.now(), self.is_stale())), self.room.head),
        };
        Polled { cursor: self.room.head, news: cursor != Some(self.room.head), body: body.into() }
    }

    /// Tells whether other nodes may have changed the room without this one being able to hear of it.
    fn is_stale(&self) -> bool {
        self.follow.is_some() && !self.store().healthy()
    }

    pub(super) fn snapshot(&self) -> Frame {
        Frame(text_frame(&last_snapshot(&self.room, self.now(), self.is_stale())))
    }

    pub(super) fn standing_now(&self) -> Option<u64> {
        self.home.rooms.deps().cluster.as_ref().map_or(Some(0), |cluster| cluster.standing())
    }

    /// A node that has stood still does no commands that it took before or that wait: whoever sent them may have done them elsewhere.
    pub(super) async fn refuse_in_doubt(&mut self, queue: &mut VecDeque<RoomMsg>) {
        self.standing = self.standing_now();
        let (commands, rest): (Vec<_>, Vec<_>) = queue.drain(..).partition(|message| matches!(message, RoomMsg::Command { .. }));
        queue.extend(rest);
        for _ in &commands {
            self.home.waiting.taken();
        }
        if !commands.is_empty() {
            self.turn_away(commands, &unavailable("none")).await;
        }
    }

    /// Answers a batch that could not be committed. What only reads is answered; lines that are gone stay gone.
    pub(super) async fn turn_away(&mut self, batch: Vec<RoomMsg>, refused: &Refusal) {
        let mut snapshot = None;
        for message in batch {
            self.drop_line(&message);
            match message {
                RoomMsg::Join { .. } | RoomMsg::Command { .. } | RoomMsg::Say { .. } | RoomMsg::Leave { .. } => {
                    if let RoomMsg::Join { member, .. } = &message {
                        member.rooms.remove(&self.home.id);
                    }
                    let mut errors = Vec::new();
                    refuse(message, refused, |to, id, refusal| errors.push((to, error_frame(id, refusal))));
                    for (to, frame) in errors {
                        to_shard(&self.home.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
                    }
                }
                message => self.answer_late(message, Fate::Read, &mut snapshot).await,
            }
        }
    }

    pub(super) async fn ack(&self, reply: Reply, ack: impl FnOnce(Option<i64>) -> Vec<u8>) {
        match reply {
            Reply::Conn { to, id: Some(id) } => {
                let frame = Frame(text_frame(&ack(Some(id))));
                to_shard(&self.home.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
            }
            Reply::Http { id, sender } => drop(sender.send(Ok(ack(id).into()))),
            Reply::Conn { id: None, .. } | Reply::Nobody => {}
        }
    }

    pub(super) async fn error(&self, reply: Reply, refusal: &Refusal) {
        match reply {
            Reply::Conn { to, id } => {
                let frame = error_frame(id, refusal);
                to_shard(&self.home.rooms, to.shard, ShardMsg::Deliver { to, frame, class: Class::Must }).await;
            }
            Reply::Http { sender, .. } => drop(sender.send(Err(refusal.clone()))),
            Reply::Nobody => {}
        }
    }

    pub(super) async fn to_members(&self, frame: Frame, class: Class) {
        let rooms = &self.home.rooms;
        for mail in self.members.listeners() {
            match class {
                Class::Normal | Class::Droppable | Class::Latest(_) => mail.push(frame.clone(), class),
                // It is asked for: the room's log and its kept messages have positions.
                Class::Must | Class::Snapshot(_) => mail.ring(&self.home.id),
            }
        }
        for shard in self.members.shards() {
            let message = ShardMsg::RoomFrame { room: self.home.id.clone(), frame: frame.clone(), class };
            if class != Class::Droppable {
                to_shard(rooms, shard, message).await;
            } else if rooms.deps().shards.get(usize::from(shard)).is_some_and(|handle| handle.try_send(message).is_err()) {
                // Nobody waits for what may be dropped.
                metrics::counter!("michub_room_messages_dropped_total", "at" => "shard").increment(1);
            }
        }
    }
}
