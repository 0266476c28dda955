//! Who may: a person's role, whether he is admitted to queue, seats and talk, and with which priority. The rules applied to one person at one time.
use super::{
    actor::Actor,
    code::{Code, Reject},
    id::{RoleId, UserId},
    mode::Status,
    roles,
    room::Room,
    talk::Weight,
    time::UnixMs,
    windows,
};

/// What the rules give somebody who joins the queue now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// His number: the larger of his role's and his own priority, and the boosts of the open windows.
    pub eff_priority: i64,
    /// He counts as above every number.
    pub skip_queue: bool,
    /// What made it so, for people to read.
    pub why: Vec<String>,
}

impl Room {
    /// Returns the role of `user`: the one given to him, else `member`.
    #[must_use]
    pub fn role_of<'a>(&'a self, user: &UserId) -> &'a str {
        if *user == self.owner {
            return "owner";
        }
        self.roles.get(user).and_then(|grant| grant.role.as_ref()).map_or("member", RoleId::as_str)
    }

    /// Returns the level of `user`'s role.
    #[must_use]
    pub fn level_of(&self, user: &UserId) -> u32 {
        self.rules.level_of_role(self.role_of(user)).unwrap_or(roles::MEMBER)
    }

    /// Tells whether a ban, a queue ban or the blacklist refuses `user` everywhere. The owner is never refused.
    ///
    /// Errors: `blacklisted`, with the end of the ban if it has one.
    pub fn check_refused(&self, user: &UserId, now: UnixMs) -> Result<(), Reject> {
        if *user == self.owner {
            return Ok(());
        }
        let refused = |until| Err(Reject::Until { code: Code::Blacklisted, until });
        match (self.ban_of(user, now), self.queue_ban_of(user, now)) {
            (Some(until), _) => refused(until),
            (None, Some(until)) => refused(Some(until)),
            (None, None) if self.rules.blacklists(user) => refused(None),
            (None, None) => Ok(()),
        }
    }

    /// Tells whether the rules admit `user` now: refused people, then the hours of his role, then the whitelist.
    ///
    /// Errors: `blacklisted`, `window_closed` with the time when it opens, `not_whitelisted`.
    pub fn check_admitted(&self, user: &UserId, now: UnixMs) -> Result<(), Reject> {
        if *user == self.owner {
            return Ok(());
        }
        self.check_refused(user, now)?;
        let role = self.role_of(user);
        if self.rules.open_windows(now).any(|window| window.refuses(role)) {
            return Err(Reject::WindowClosed { opens_at: windows::opens_at(&self.rules.windows, role, now) });
        }
        if self.rules.misses(user) { Err(Reject::Plain(Code::NotWhitelisted)) } else { Ok(()) }
    }

    /// Tells whether `user` has waited long enough since he left. The owner need not wait.
    ///
    /// Errors: `cooldown`, with its end.
    pub fn check_cooldown(&self, user: &UserId, now: UnixMs) -> Result<(), Reject> {
        match self.cooldowns.get(user).copied().filter(|until| *until > now && *user != self.owner) {
            Some(until) => Err(Reject::Until { code: Code::Cooldown, until: Some(until) }),
            None => Ok(()),
        }
    }

    /// Returns with which priority `user` joins now. Only what counts is named in `why`: its numbers add up to `eff_priority`.
    #[must_use]
    pub fn standing(&self, user: &UserId, now: UnixMs) -> Standing {
        let role = self.role_of(user);
        let rule = self.rules.role(role);
        let by_role = rule.map_or(0, |rule| rule.priority);
        let special = self.rules.special_priority(user, now).filter(|special| *special > by_role);
        let mut why = Vec::new();
        match special {
            Some(special) => why.push(format!("special priority {special}")),
            None if by_role != 0 => why.push(format!("role:{role} priority {by_role}")),
            None => {}
        }
        let mut eff_priority = special.unwrap_or(by_role);
        for window in self.rules.open_windows(now) {
            let boost = window.boost.iter().find(|(boosted, _)| boosted.as_str() == role);
            if let Some(boost) = boost.map(|(_, boost)| *boost).filter(|boost| *boost != 0) {
                why.push(format!("window \"{}\" boost {boost}", window.name));
                eff_priority += boost;
            }
        }
        let skip_queue = rule.is_some_and(|rule| rule.can_skip_queue);
        why.extend(skip_queue.then(|| "skip_queue".to_owned()));
        Standing { eff_priority, skip_queue, why }
    }
    /// Tells whether `actor`, who is here, may say something of this weight now; `last` is when he last said anything.
    ///
    /// Errors: `room_closed`; `forbidden`, with the end of a mute; `too_soon`, with the end of the wait.
    pub fn check_talk(&self, actor: &Actor, weight: Weight, last: Option<UnixMs>, now: UnixMs) -> Result<(), Reject> {
        if self.status == Status::Closed {
            return Err(Reject::Plain(Code::RoomClosed));
        }
        let Actor::User(user) = actor else { return Ok(()) };
        if let Some(until) = self.talk.mute_of(user, now) {
            return Err(Reject::Until { code: Code::Forbidden, until });
        }
        let level = self.level_of(user);
        if level < self.talk.level_for(weight) {
            return Err(Reject::Plain(Code::Forbidden));
        }
        let wait = last.map(|last| last.plus(self.talk.slow_mode)).filter(|until| *until > now && level < roles::ADMIN);
        wait.map_or(Ok(()), |until| Err(Reject::too_soon(until, now)))
    }
}
