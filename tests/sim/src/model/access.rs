//! Who may what: levels, ranks, bans, lists, windows, cooldowns.
use super::{
    Model, Refusal, State, no, no_with,
    rules::{has, inside},
    text,
};
use serde_json::{Value, json};

/// The level that a command needs by default.
pub fn level_for(command: &str, frame: &Value) -> u64 {
    match command {
        "queue_join" | "queue_leave" | "seat_take" | "seat_leave" | "apply_submit" | "apply_cancel" | "invite_reply"
        | "turn_yield" | "explain" | "seat_mute" | "seat_move" | "batch" => 0,
        "queue_move" if frame["force"] == true => 800,
        "queue_insert" | "queue_remove" | "queue_move" | "queue_reorder" | "apply_resolve" | "invite_send" | "invite_cancel"
        | "seat_assign" | "seat_kick" | "seat_lock" | "seat_extra" | "turn_next" | "turn_extend" | "turn_pause"
        | "turn_resume" => 600,
        "queue_clear" | "queue_restore" | "queue_resort" | "mode_set" | "flag_set" | "user_kick" | "user_ban" | "user_unban"
        | "queue_ban" | "role_set" => 800,
        _ => 1000,
    }
}

impl State {
    pub fn role_of(&self, user: &str) -> String {
        if user == self.owner {
            return "owner".to_owned();
        }
        self.roles.get(user).and_then(|(role, _)| role.clone()).unwrap_or_else(|| "member".to_owned())
    }

    pub fn level_of(&self, user: &str) -> u64 {
        if user == "service" { u64::MAX } else { self.rules.level(&self.role_of(user)).unwrap_or(100) }
    }

    /// Whether the actor's role lists this command.
    pub fn has_perm(&self, user: &str, command: &str) -> bool {
        self.rules.role(&self.role_of(user)).is_some_and(|role| has(&role["perms"], command))
    }

    pub fn ban_of(&self, user: &str) -> Option<Option<u64>> {
        self.bans.get(user).copied().filter(|until| until.is_none_or(|until| until > self.now))
    }

    pub fn queue_ban_of(&self, user: &str) -> Option<u64> {
        self.queue_bans.get(user).copied().filter(|until| *until > self.now)
    }

    pub fn is_blacklisted(&self, user: &str) -> bool {
        self.rules.doc["access"] != "open" && has(&self.rules.doc["blacklist"], user)
    }

    /// Banned, blacklisted or banned from the queue; the owner never.
    pub fn check_banned(&self, user: &str) -> Result<(), Refusal> {
        if user == self.owner {
            return Ok(());
        }
        if let Some(until) = self.ban_of(user) {
            return no_with("blacklisted", json!({"until_ms": until}));
        }
        if self.is_blacklisted(user) {
            return no("blacklisted");
        }
        match self.queue_ban_of(user) {
            Some(until) => no_with("blacklisted", json!({"until_ms": until})),
            None => Ok(()),
        }
    }

    /// Whether the windows let this role in at `at`.
    fn window_open(&self, role: &str, at: u64) -> bool {
        let active: Vec<&Value> = self.rules.list("time_based_rules").iter().filter(|window| inside(window, at)).collect();
        let names = |window: &Value, key: &str| window[key].as_array().is_some_and(|list| !list.is_empty());
        !active.iter().any(|window| has(&window["deny_roles"], role))
            && active.iter().filter(|window| names(window, "only_roles")).all(|window| has(&window["only_roles"], role))
    }

    /// Bans, lists, windows and cooldown, in this order.
    pub fn check_access(&self, user: &str) -> Result<(), Refusal> {
        if user == self.owner {
            return Ok(());
        }
        self.check_banned(user)?;
        let role = self.role_of(user);
        if !self.window_open(&role, self.now) {
            let minute = self.now / 60_000 + 1;
            let opens = (minute..minute + 8 * 1440).map(|m| m * 60_000).find(|at| self.window_open(&role, *at));
            return no_with("window_closed", json!({"opens_at_ms": opens}));
        }
        if self.rules.doc["access"] == "whitelist" && !has(&self.rules.doc["whitelist"], user) {
            return no("not_whitelisted");
        }
        match self.cooldowns.get(user).filter(|until| **until > self.now) {
            Some(until) => no_with("cooldown", json!({"until_ms": until})),
            None => Ok(()),
        }
    }

    /// On another person one acts only with a higher level.
    pub fn check_rank(&self, actor: &str, target: &str) -> Result<(), Refusal> {
        let fine = actor == target || actor == self.owner || self.level_of(actor) > self.level_of(target);
        if fine { Ok(()) } else { no("target_rank") }
    }

    /// Somebody put on a seat by another must be here, not away.
    pub fn check_here(&self, target: &str) -> Result<(), Refusal> {
        if self.held(target).is_some() {
            return no_with("not_member", json!({"user_id": target, "held": true}));
        }
        if self.is_live(target) { Ok(()) } else { no_with("not_member", json!({"user_id": target})) }
    }
}

impl Model {
    /// The actor's level or permission.
    pub(super) fn check_allowed(&self, actor: &str, f: &Value) -> Result<(), Refusal> {
        let (s, command) = (&self.s, text(f, "type"));
        let level = s.level_of(actor);
        let perm = s.has_perm(actor, command);
        if level < level_for(command, f) && !(perm && f["force"] != true) {
            return no("forbidden");
        }
        if level >= 600 || perm {
            return Ok(());
        }
        let mine = |no: &Value| s.seat_of(actor).is_some_and(|seat| no.as_u64() == Some(seat.no));
        let own = match command {
            "seat_mute" => f["seat_nos"].as_array().is_some_and(|list| list.iter().all(mine)),
            "seat_move" => f["target_user_id"].is_null() || f["target_user_id"] == actor,
            _ => true,
        };
        if own { Ok(()) } else { no("forbidden") }
    }
}
