//! The state as `room_snapshot` shows it.
use super::{Ask, Media, Model, Seat};
use serde_json::{Map, Value, json};

/// How long a cleared queue can be restored.
pub const DAY: u64 = 24 * 3_600_000;

impl Model {
    /// Returns the state document; what has expired is left out.
    pub fn shown(&self) -> Value {
        let s = &self.s;
        let queue: Vec<Value> = s.queue.iter().enumerate().map(|(i, e)| json!({
            "user_id": e.user, "seq": e.seq, "eff_priority": e.prio, "skip_queue": e.skip, "want_seat": e.want, "note": e.note,
            "held_until_ms": e.held, "pinned": e.pinned, "jumped_by": e.jumped, "joined_at_ms": e.joined,
            "state": if e.held.is_some() { "held" } else { "waiting" }, "on_deck": i < s.rules.on_deck_size,
        })).collect();
        let turns: Vec<Value> = s.turns.iter().map(|t| {
            let paused = !t.causes.is_empty();
            json!({
                "turn_id": t.id, "user_id": t.user, "seat_no": s.seat_of(&t.user).map(|seat| seat.no), "started_at_ms": t.started,
                "paused": paused, "ends_at_ms": s.ends_at(t), "paused_remaining_ms": t.left.filter(|_| paused),
                "extended_ms": t.extended, "length_ms": t.length, "paused_by": t.causes,
            })
        }).collect();
        let open = |list: &[Ask]| -> Vec<Ask> { list.iter().filter(|ask| ask.ended.is_none()).cloned().collect() };
        let applies: Vec<Value> = open(&s.applies)
            .iter()
            .map(|a| {
                json!({
                    "apply_id": a.id, "user_id": a.user, "want_seat": a.seat, "expires_at_ms": a.until,
                })
            })
            .collect();
        let invites: Vec<Value> = open(&s.invites)
            .iter()
            .map(|a| {
                json!({
                    "invite_id": a.id, "user_id": a.user, "by": a.by, "seat_no": a.seat, "expires_at_ms": a.until,
                })
            })
            .collect();
        let mut roles: Map<String, Value> = Map::new();
        for (user, (role, _)) in &s.roles {
            if let Some(role) = role {
                roles.insert(user.clone(), json!(role));
            }
        }
        roles.insert(s.owner.clone(), json!("owner"));
        let ahead = |until: u64| until > s.now;
        let bans: Map<String, Value> = s
            .bans
            .iter()
            .filter(|(_, until)| until.is_none_or(ahead))
            .map(|(user, until)| (user.clone(), json!(until)))
            .collect();
        let dated = |map: &std::collections::BTreeMap<String, u64>| -> Map<String, Value> {
            map.iter().filter(|(_, until)| ahead(**until)).map(|(user, until)| (user.clone(), json!(until))).collect()
        };
        json!({
            "rev": s.rev, "status": if s.closed { "closed" } else { "open" }, "owner_user_id": s.owner, "mode": s.mode,
            "rules_rev": s.rules_rev, "rules": s.rules.doc, "flags": s.flags,
            "seats": s.seats.iter().map(|seat| self.shown_seat(seat)).collect::<Vec<_>>(), "queue": queue,
            "applies": applies, "invites": invites, "turns": turns, "roles": roles, "bans": bans,
            "queue_bans": dated(&s.queue_bans), "cooldowns": dated(&s.cooldowns),
            "undo": s.undo.iter().filter(|(_, at, _)| s.now - at <= DAY).map(|(id, at, list)| json!({"undo_id": id, "at_ms": at, "count": list.len()})).collect::<Vec<_>>(),
        })
    }

    fn shown_seat(&self, seat: &Seat) -> Value {
        let s = &self.s;
        let reserved = s.reserved(seat.no);
        let state = match &seat.occ {
            Some(occ) if occ.held.is_some() => "held",
            Some(_) => "occupied",
            None if seat.locked => "locked",
            None if reserved.is_some() => "reserved",
            None => "empty",
        };
        let occ = seat.occ.as_ref().map(|occ| {
            let level = s.level_of(&occ.user);
            let silenced = seat.admin_muted
                || occ.self_muted
                || (s.flags["mute_all"] && level < 800)
                || (s.flags["floor_controlled"] && s.turns.iter().any(|turn| turn.user == occ.user))
                || (s.mode == "chair" && level < s.rules.chair_min);
            json!({"user_id": occ.user, "since_ms": occ.since, "via": occ.via, "self_muted": occ.self_muted,
                "silenced": silenced, "held_until_ms": occ.held})
        });
        let kept = reserved.map(|ask| json!({"user_id": ask.user, "invite_id": ask.id, "until_ms": ask.until}));
        let (media, lost) = Media::shown(seat.occ.as_ref().map_or(Media::None, |occ| occ.media));
        json!({
            "no": seat.no, "kind": if seat.host { "host" } else { "guest" }, "state": state, "closing": seat.closing,
            "locked": seat.locked, "admin_muted": seat.admin_muted, "extra": seat.extra, "extra_rev": seat.extra_rev,
            "occupant": occ, "reserved_for": kept, "media": media, "media_lost_until_ms": lost,
        })
    }
}
