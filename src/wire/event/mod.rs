//! Events as JSON: what `room_update` frames show and the store's records keep. How hub events become them, and back, stands beside.
mod convert;

use super::{
    rules::RulesJson,
    state::{EntryJson, FlagsJson, MediaJson},
    turn::CauseJson,
    words::{ModeJson, ViaJson},
};
use crate::hub::event::Step;
use serde::{Deserialize, Serialize};

/// Returns how many bytes the events of these steps take as JSON. Cost: that of writing them.
#[must_use]
pub fn weight(steps: &[Step]) -> usize {
    struct Count(usize);
    impl std::io::Write for Count {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 += bytes.len();
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let mut count = Count(0);
    for event in steps.iter().flat_map(|step| &step.events) {
        // Counting cannot fail.
        let _ = serde_json::to_writer(&mut count, &EventJson::from(event));
    }
    count.0
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde asks for")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// An event as a JSON object; `event` names it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the fields are those that PROTOCOL.md lists")]
pub enum EventJson {
    QueueJoined {
        user_id: String,
        index: usize,
        eff_priority: i64,
        #[serde(default, skip_serializing_if = "is_false")]
        skip_queue: bool,
        seq: u64,
        pinned: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        want_seat: Option<u32>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
        why: Vec<String>,
    },
    QueueLeft {
        user_id: String,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        note: Option<String>,
    },
    QueueMoved {
        user_id: String,
        from: usize,
        to: usize,
        after_user_id: Option<String>,
    },
    QueueReordered {
        order: Vec<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        resort: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        jumped_by: Vec<(String, u32)>,
    },
    QueueCleared {
        undo_id: String,
        count: usize,
    },
    QueueRestored {
        undo_id: String,
        order: Vec<String>,
        entries: Vec<EntryJson>,
    },
    QueueHeld {
        user_id: String,
        held_until_ms: u64,
    },
    QueueReturned {
        user_id: String,
    },
    QueueOnDeck {
        user_id: String,
    },
    SeatTaken {
        seat_no: u32,
        user_id: String,
        via: ViaJson,
    },
    SeatLeft {
        seat_no: u32,
        user_id: String,
        reason: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cooldown_until_ms: Option<u64>,
    },
    SeatMoved {
        user_id: String,
        from: u32,
        to: u32,
    },
    SeatUpdated {
        seat_no: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        locked: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        admin_muted: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        self_muted: Option<bool>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extra: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        extra_rev: Option<u64>,
        #[serde(default, flatten)]
        media: Option<MediaJson>,
    },
    SeatHeld {
        seat_no: u32,
        user_id: String,
        held_until_ms: u64,
    },
    SeatReturned {
        seat_no: u32,
        user_id: String,
    },
    ApplySubmitted {
        apply_id: String,
        user_id: String,
        want_seat: Option<u32>,
        seq: u64,
        expires_at_ms: u64,
    },
    ApplyEnded {
        apply_id: String,
        user_id: String,
        outcome: String,
    },
    InviteSent {
        invite_id: String,
        user_id: String,
        seat_no: u32,
        expires_at_ms: u64,
    },
    InviteEnded {
        invite_id: String,
        user_id: String,
        seat_no: u32,
        outcome: String,
    },
    TurnStarted {
        turn_id: String,
        user_id: String,
        seat_no: u32,
        ends_at_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paused_remaining_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "is_false")]
        paused: bool,
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        paused_by: Vec<CauseJson>,
    },
    TurnUpdated {
        turn_id: String,
        ends_at_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        paused_remaining_ms: Option<u64>,
        paused: bool,
        paused_by: Vec<CauseJson>,
        extended_ms: i64,
    },
    TurnEnded {
        turn_id: String,
        user_id: String,
        seat_no: u32,
        reason: String,
    },
    ModeChanged {
        mode: ModeJson,
        from: ModeJson,
    },
    FlagsChanged {
        flags: FlagsJson,
    },
    RulesChanged {
        rules_rev: u64,
        rules: RulesJson,
    },
    RoleChanged {
        user_id: String,
        role_id: Option<String>,
        from: String,
        #[serde(default, skip_serializing_if = "is_false")]
        by_token: bool,
    },
    MemberKicked {
        user_id: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    MemberBanned {
        user_id: String,
        until_ms: Option<u64>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    MemberUnbanned {
        user_id: String,
    },
    QueueBanned {
        user_id: String,
        until_ms: u64,
    },
    RoomClosed {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    TalkChanged {
        slow_mode_seconds: u64,
        must_level: u32,
        normal_level: u32,
        droppable_level: u32,
    },
    TalkMuted {
        user_id: String,
        until_ms: Option<u64>,
    },
}
