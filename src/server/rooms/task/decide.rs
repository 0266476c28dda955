//! What a batch is decided with: its messages in their order on the draft, behind what is due and before a look at who is here. Commits nothing.
use super::{Fate, Task};
use crate::server::{
    msg::{EndedByHub, Member, RoomMsg, TokenRole},
    rooms::members::Handover,
};
use crate::{
    hub::{
        actor::Actor,
        code::{Code, Reject},
        command::{Command, Request},
        decide::Decision,
        event::Event,
        id::CommitId,
        mode::Status,
        time::{Millis, UnixMs},
    },
    wire::event::weight,
};

/// For how long after a load nobody is promoted past somebody held.
const LOAD_GRACE: Millis = Millis(10_000);
/// At how many bytes of events a batch ends.
const BATCH_BYTES: usize = 64 * 1024;
/// How long somebody whom a hub going down has sent away may take, from when he may be back, until he is shown held.
const DRAINED: Millis = Millis(5_000);

impl Task {
    /// Decides as much as makes one commit; what does not fit goes to the front of `rest`.
    pub(super) fn decide(&mut self, batch: &mut Vec<RoomMsg>, rest: &mut Vec<RoomMsg>) -> Vec<Fate> {
        let now = self.now();
        self.kicked.clear();
        self.members.at(now);
        if self.follow.is_some() && self.held_at_load {
            self.members.expect(self.room.placed().into_iter().map(|(user, _)| user));
        }
        self.draft.begin(CommitId(rand::random()), now);
        if !self.held_at_load {
            self.no_promotion_before = now.plus(LOAD_GRACE);
            let handover = self.home.rooms.deps().settings.load().handover;
            self.draft.after_load(&self.members, handover);
        }
        if self.is_in_time() {
            self.draft.due(&self.members);
        }
        let mut fates = Vec::with_capacity(batch.len());
        let (mut steps, mut bytes) = (0, 0);
        for message in &*batch {
            fates.push(self.decide_one(message, now));
            if batch.len() > 1 {
                bytes += self.draft.steps().get(steps..).map_or(0, weight);
                steps = self.draft.steps().len();
            }
            if bytes >= BATCH_BYTES {
                break;
            }
        }
        rest.splice(0..0, batch.split_off(fates.len()));
        self.draft.level(&self.members);
        fates
    }

    fn decide_one(&mut self, message: &RoomMsg, now: UnixMs) -> Fate {
        match message {
            RoomMsg::Command { request, rated, .. } => Fate::Decided(self.command(request, *rated)),
            RoomMsg::Say { from, saying, rated, .. } => Fate::Said(self.plan(from, saying, *rated, now)),
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
            RoomMsg::Hub(command) => {
                self.by_hub(command.clone());
                Fate::Read
            }
            RoomMsg::Look => {
                self.look();
                Fate::Read
            }
            RoomMsg::Settle(_)
            | RoomMsg::Presence(_)
            | RoomMsg::Sync { .. }
            | RoomMsg::Members { .. }
            | RoomMsg::Refused { .. }
            | RoomMsg::Seat { .. }
            | RoomMsg::Snapshot { .. }
            | RoomMsg::Messages { .. }
            | RoomMsg::Create { .. }
            | RoomMsg::Updates { .. } => Fate::Read,
        }
    }

    pub(super) fn drop_line(&mut self, message: &RoomMsg) {
        match message {
            RoomMsg::Lost { session, conn, by_hub } => {
                let handover = by_hub.map(|ended| self.handover(ended));
                self.members.lost(session, *conn, handover);
            }
            RoomMsg::Gone { user, session, conn } => self.members.gone(user, session, *conn),
            _ => {}
        }
    }

    fn handover(&self, ended: EndedByHub) -> Handover {
        let hold = ended.retry_after.plus(self.home.rooms.deps().settings.load().handover);
        let drained = ended.drained.then(|| self.now().plus(ended.retry_after.plus(DRAINED)));
        Handover { hold, shown_from: drained.unwrap_or(UnixMs(0)) }
    }

    fn command(&mut self, request: &Request, rated: bool) -> Result<Decision, Reject> {
        let rated = rated && !self.draft.is_known(request);
        let cost = if let Command::Batch { ops, .. } = &request.command { ops.len() as u64 } else { 1 };
        if rated && !self.bucket.take_many(cost, self.home.rooms.deps().clock.mono()) {
            return Err(Reject::Plain(Code::RateLimited));
        }
        let before = self.draft.steps().len();
        let decision = self.draft.decide(request, &self.members)?;
        for event in self.draft.steps().iter().skip(before).flat_map(|step| &step.events) {
            if let Event::MemberKicked { user, .. } | Event::MemberBanned { user, .. } = event {
                self.kicked.extend(self.members.put_out(user));
            }
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
            tracing::error!(room = %self.home.id, ?request, %reject, "the hub's own command is refused");
        }
    }
}
