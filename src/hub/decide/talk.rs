//! What may be said in a room: slow mode, levels, mutes.
use super::{Ctx, Done, Draft, Outcome};
use crate::hub::{
    code::{Code, Reject},
    event::Event,
    id::UserId,
    rules::BANS_MAX,
    talk::Levels,
    time::{Millis, UnixMs},
};

impl Draft {
    /// Changes what is given, and leaves the rest.
    pub(super) fn talk_set(
        &mut self,
        slow_mode: Option<Millis>,
        must: Option<u32>,
        normal: Option<u32>,
        droppable: Option<u32>,
    ) -> Outcome {
        let (old, talk) = (self.room.talk.levels, &self.room.talk);
        let levels = Levels {
            must: must.unwrap_or(old.must),
            normal: normal.unwrap_or(old.normal),
            droppable: droppable.unwrap_or(old.droppable),
        };
        let slow_mode = slow_mode.unwrap_or(talk.slow_mode);
        if levels == old && slow_mode == talk.slow_mode {
            return Ok(Done::Noop);
        }
        self.own(Event::TalkChanged { slow_mode, levels })
    }

    /// Takes the word from somebody, for a time or for ever; a time that has passed gives it back.
    pub(super) fn talk_mute(&mut self, ctx: &Ctx, target: &UserId, until: Option<UnixMs>) -> Outcome {
        self.check_rank(ctx, target)?;
        let known = self.room.talk.mute_of(target, self.now);
        let lifts = until.is_some_and(|until| until <= self.now);
        if known == Some(until) || (known.is_none() && lifts) {
            return Ok(Done::Noop);
        }
        let muted = self.room.talk.mutes.values().filter(|until| until.is_none_or(|until| until > self.now)).count();
        if known.is_none() && muted >= BANS_MAX {
            return Err(Reject::Plain(Code::TooMany));
        }
        self.own(Event::TalkMuted { user: target.clone(), until })
    }
}
