//! The table of frames, events and their parts: one row each, fields in the short form of `shape.rs`.
use super::shape::Shape;

macro_rules! shapes {
    ($(#[$doc:meta])* $name:ident { $($row:literal $about:literal $fields:literal)* }) => {
        $(#[$doc])*
        pub(super) const $name: &[Shape] = &[$(Shape { name: $row, about: $about, fields: $fields },)*];
    };
}

/// What every frame of a client may carry.
pub(super) const ENVELOPE: &str = "id:int";
/// What every room command carries.
pub(super) const COMMAND_ENVELOPE: &str = "id:int room_id:room! op_id:key64 if_rev:if_rev user_id:user";
/// What every event carries.
pub(super) const EVENT_ENVELOPE: &str = "rev:count! by:text! at_ms:ms! op_id:key64 room_id:room";

shapes! {
    /// What a client says.
    CLIENT {
        "user_online" "Opens the session; the first frame of a socket." "user_id:user user_type:id token:text session_token:text heard:text rooms:room_at[0..64] attempt:number down_ms:number timestamp:number"
        "heartbeat" "Every 30 s; any frame counts as a sign of life." "user_id:user user_type:id timestamp:number ts_ms:int"
        "status_change" "The status that the user chooses for himself." "status:online|busy|away|offline! user_id:user user_type:id timestamp:number"
        "message" "A direct message to every session of somebody." "to_user_id:user! message:text4096! from_user_id:user timestamp:number"
        "user_offline" "The session ends at once." "user_id:user user_type:id timestamp:number"
        "request_online_status" "Asks for people's statuses." "user_ids:user[0..500]!"
        "watch_status" "Asks to hear of changes of people's statuses." "user_ids:user[0..1000]!"
        "unwatch_status" "Asks to hear no more of them." "user_ids:user[0..1000]!"
        "refresh_token" "A newer token of the same user." "token:text!"
        "room_join" "Enters a room, at a position if the client has one." "room_id:room! cursor:text msg_cursor:text"
        "room_leave" "Leaves a room; place and seat are freed." "room_id:room!"
        "room_sync" "Asks for what was missed since a position." "room_id:room! cursor:text"
        "room_message" "Says something in a room." "room_id:room! class:must|normal|droppable! kind:word64! body:text12288! dedup_id:key64"
        "block_users" "Blocks people: their direct messages do not arrive." "user_ids:user[0..1000]!"
        "unblock_users" "Blocks people no longer." "user_ids:user[0..1000]!"
        "blocked_users" "Asks who is blocked." ""
        "room_members" "Asks for a page of members." "room_id:room! offset:0..4294967295 limit:0..200"
    }
}

shapes! {
    /// What a client may ask of a room; over HTTP too.
    COMMANDS {
        "queue_join" "Joins the mic queue." "want_seat:seat note:text200"
        "queue_leave" "Leaves the queue." ""
        "queue_insert" "Puts somebody into the queue." "target_user_id:user! place:neighbour! respect_rules:bool"
        "queue_remove" "Takes people out of the queue." "target_user_ids:user[1..100]! reason:text200"
        "queue_move" "Moves somebody in the queue." "target_user_id:user! place:place! on_missing:fail|nearest force:bool"
        "queue_reorder" "Gives people of the queue a new order; needs if_rev." "user_ids:user[0..2000]!"
        "queue_clear" "Empties the queue; can be undone." ""
        "queue_restore" "Undoes a queue_clear." "undo_id:text64!"
        "queue_resort" "Orders the queue by the rules again." ""
        "seat_take" "Takes a seat." "seat_no:seat"
        "seat_leave" "Leaves the own seat." ""
        "seat_assign" "Puts somebody on a seat." "target_user_id:user! seat_no:seat policy:fail|replace requeue:bool"
        "seat_move" "Moves somebody, or oneself, to another seat." "seat_no:seat! target_user_id:user policy:fail|replace|swap"
        "seat_kick" "Takes somebody off his seat." "target_user_id:user! requeue:bool cooldown_seconds:0..86400"
        "seat_lock" "Locks or opens seats." "seat_nos:seats! on:bool! evict:bool"
        "seat_mute" "Mutes or unmutes seats." "seat_nos:seats! on:bool!"
        "seat_extra" "Writes a seat's free text." "seat_no:seat! extra:text1024! if_extra_rev:count"
        "apply_submit" "Applies for the mic." "want_seat:seat"
        "apply_cancel" "Takes the own application back." "apply_id:text64!"
        "apply_resolve" "Approves or rejects an application." "apply_id:text64! approve:bool! seat_no:seat"
        "invite_send" "Invites somebody to a seat, which is kept for him." "target_user_id:user! seat_no:seat ttl_seconds:5..3600"
        "invite_reply" "Accepts or declines an invitation." "invite_id:text64! accept:bool!"
        "invite_cancel" "Takes an invitation back." "invite_id:text64!"
        "turn_next" "Ends a turn and calls the next person." "expect_turn_id:text64 seat_no:seat"
        "turn_extend" "Makes a turn longer or shorter." "expect_turn_id:text64! seconds:-86400..86400!"
        "turn_pause" "Pauses a turn." "expect_turn_id:text64!"
        "turn_resume" "Lets a turn go on." "expect_turn_id:text64!"
        "turn_yield" "Ends the own turn." "expect_turn_id:text64"
        "mode_set" "Changes the room's mode." "mode:free|apply|queue|chair!"
        "flag_set" "Switches a flag." "flag:queue_open|floor_controlled|mute_all! on:bool!"
        "rules_set" "Replaces the room's rules." "rules:rules! if_rules_rev:count"
        "role_set" "Gives somebody a role, or none." "target_user_id:user! role_id:role~!"
        "owner_transfer" "Gives the room away." "target_user_id:user!"
        "user_kick" "Puts somebody out." "target_user_id:user! reason:text200"
        "user_ban" "Bans somebody." "target_user_id:user! reason:text200 until_ms:ms"
        "user_unban" "Lifts a ban." "target_user_id:user!"
        "queue_ban" "Bans somebody from the queue until a time; 0 lifts it." "target_user_id:user! until_ms:ms!"
        "room_close" "Closes the room for ever." "reason:text200"
        "talk_set" "Says who may say what in the room." "slow_mode_seconds:0..3600 must_level:0..1000 normal_level:0..1000 droppable_level:0..1000"
        "talk_mute" "Takes the word from somebody until a time; 0 gives it back." "target_user_id:user! until_ms:ms"
        "batch" "Up to 32 commands as one commit." "ops:operation[1..32]! atomic:bool"
        "explain" "Says what a command would do." "command:operation! as_user_id:user"
    }
}

shapes! {
    /// What the hub says.
    HUB {
        "welcome" "The session is open." "id:int session_id:text! user_id:user! user_type:id! resumed:bool! session_token:text! server_time_ms:ms! heartbeat_interval_ms:ms! heartbeat_timeout_ms:ms! ping_interval_ms:ms! node:text! version:text! rooms:entered[]! messages:hub_message[] frames:object[] heard:text user_status:person[]"
        "heartbeat_ack" "Answers a heartbeat." "id:int timestamp:seconds! ts_ms:int server_ts_ms:ms!"
        "userOnlineStatus" "Statuses: an answer with `id`, or a change of somebody watched." "id:int user_status:person[]!"
        "message" "A direct message." "from_user_id:user! to_user_id:user! message:text! timestamp:seconds!"
        "ack" "The answer to a request that was accepted: with the fields of the command's own event." "id:int room_id:room rev:count dup:true noop:true by:text cursor:cursor role:role recovered:bool event:text user_id:user index:count why:text[] results:object[] members:member[] total:count delivered:count expires_at_ms:ms user_status:person[] seq:count msg_cursor:cursor at_ms:ms blocked:user[] msg_skipped:true kept:true would:ok|error eff_priority:int limit:count opens_at_ms:ms~ until_ms:ms~ code:int name:text message:text details:object"
        "error" "A request was refused; nothing has changed." "id:int code:int! name:text! message:text! temporary:bool! retry_after_ms:ms! details:object!"
        "closing" "The hub is about to close the connection." "code:int! name:text! retry_after_ms:ms!"
        "room_snapshot" "The whole state of a room; `stale`: as this node last knew it, while the store cannot be reached." "room_id:room! cursor:cursor! rev:count! state:state! server_time_ms:ms! stale:true"
        "room_update" "What has happened since `prev`." "room_id:room! prev:cursor! cursor:cursor! events:event[]!"
        "room_reset" "What the client holds is no longer part of the history; a snapshot follows." "room_id:room! reason:text! revoked:text[]"
        "room_message" "Something said in a room; `skipped`: older ones are left out." "room_id:room! seq:count! msg_cursor:cursor from_user_id:text! system:true class:must|normal|droppable! kind:text! body:text! dedup_id:key64 at_ms:ms! skipped:true"
        "room_presence" "Who is in the room." "room_id:room! online:count! changes:presence_change[]!"
    }
}

shapes! {
    /// What happens in a room. Each carries `rev`, `by`, `at_ms`, and `op_id` if its command had one.
    EVENTS {
        "queue_joined" "" "user_id:user! index:count! eff_priority:int! skip_queue:bool seq:count! pinned:bool! want_seat:seat note:text why:text[]!"
        "queue_left" "" "user_id:user! reason:self|left|removed|promoted|seated|kicked|banned|queue_banned|blacklisted|hold_expired|room_closed! note:text"
        "queue_moved" "" "user_id:user! from:count! to:count! after_user_id:user~!"
        "queue_reordered" "" "order:user[]! resort:bool jumped_by:any[]"
        "queue_cleared" "" "undo_id:text! count:count!"
        "queue_restored" "" "undo_id:text! order:user[]! entries:object[]!"
        "queue_held" "" "user_id:user! held_until_ms:ms!"
        "queue_returned" "" "user_id:user!"
        "queue_on_deck" "" "user_id:user!"
        "seat_taken" "" "seat_no:seat! user_id:user! via:take|apply|invite|promote|assign|move!"
        "seat_left" "" "seat_no:seat! user_id:user! reason:self|left|turn_ended|kicked|banned|replaced|evicted|role|blacklisted|hold_expired|stream_stopped|room_closed! cooldown_until_ms:ms"
        "seat_moved" "" "user_id:user! from:seat! to:seat!"
        "seat_updated" "" "seat_no:seat! locked:bool admin_muted:bool self_muted:bool extra:text extra_rev:count media:none|publishing|lost media_lost_until_ms:ms"
        "seat_held" "" "seat_no:seat! user_id:user! held_until_ms:ms!"
        "seat_returned" "" "seat_no:seat! user_id:user!"
        "apply_submitted" "" "apply_id:text! user_id:user! want_seat:seat~ seq:count! expires_at_ms:ms!"
        "apply_ended" "" "apply_id:text! user_id:user! outcome:approved|rejected|cancelled|expired|mode_changed!"
        "invite_sent" "" "invite_id:text! user_id:user! seat_no:seat! expires_at_ms:ms!"
        "invite_ended" "" "invite_id:text! user_id:user! seat_no:seat! outcome:accepted|declined|cancelled|expired!"
        "turn_started" "" "turn_id:text! user_id:user! seat_no:seat! ends_at_ms:ms~! paused_remaining_ms:ms paused:bool paused_by:text[]"
        "turn_updated" "" "turn_id:text! ends_at_ms:ms~! paused_remaining_ms:ms paused:bool! paused_by:text[]! extended_ms:int!"
        "turn_ended" "" "turn_id:text! user_id:user! seat_no:seat! reason:text!"
        "mode_changed" "" "mode:free|apply|queue|chair! from:free|apply|queue|chair!"
        "flags_changed" "" "flags:flags!"
        "rules_changed" "" "rules_rev:count! rules:rules!"
        "role_changed" "" "user_id:user! role_id:role~! from:role! by_token:bool"
        "member_kicked" "" "user_id:user! reason:text"
        "member_banned" "" "user_id:user! until_ms:ms~ reason:text"
        "member_unbanned" "" "user_id:user!"
        "queue_banned" "" "user_id:user! until_ms:ms~!"
        "room_closed" "" "reason:text"
        "talk_changed" "" "slow_mode_seconds:count! must_level:count! normal_level:count! droppable_level:count!"
        "talk_muted" "" "user_id:user! until_ms:ms~!"
    }
}

shapes! {
    /// What frames are made of.
    PARTS {
        "rules" "The rules document. What is absent has its default." "max_mic_count:1..64 host_seat:bool max_queue_len:0..2000 queue_mode:free|apply|queue|chair timeout_seconds:0..86400 turn_max_total_seconds:0..86400 on_deck_size:0..10 max_jumped_by:0..1000 hold_seconds_queue:0..3600 hold_seconds_seat:0..3600 apply_ttl_seconds:5..3600 invite_ttl_seconds:5..3600 rejoin_cooldown_seconds:0..86400 stream_stop_grace_seconds:0..300 mode_grace_seconds:0..60 mode_min_interval_seconds:0..60 chair_min_level:0..1000 access:open|blacklist|whitelist blacklist:user[0..1000] whitelist:user[0..1000] roles:role_rule[0..200] special_user_list:special_user[0..1000] time_based_rules:time_window[0..50]"
        "role_rule" "What a role may and is worth; each role once." "role_id:role! level:0..1000 priority_level:-1000..1000 can_skip_queue:bool timeout_seconds:0..86400~ perms:permission[0..64]"
        "special_user" "Somebody with a priority of his own; each person once." "user_id:user! priority_level:-1000..1000 until_ms:ms~"
        "time_window" "Rules for hours of the day, in wall time of an IANA zone; over midnight if `end` is before `start`." "name:text64! days:mon|tue|wed|thu|fri|sat|sun[0..7] start:clock! end:clock! tz:zone! boost:-1000..1000{} deny_roles:role[0..200] only_roles:role[0..200] timeout_seconds:0..86400~ max_queue_len:0..2000~"
        "room_at" "A room, and the position that the client has." "room_id:room! cursor:text msg_cursor:text"
        "entered" "A room of a resumed session, or why it is not." "room_id:room! recovered:bool cursor:cursor msg_cursor:cursor msg_skipped:true error:text"
        "person" "Somebody's shown status." "user_id:user! user_type:id! online:bool! status:online|busy|away|offline! last_seen:seconds!"
        "member" "Somebody in a room." "user_id:user! user_type:id! role:role! status:online|busy|away|offline!"
        "presence_change" "A change of who is in a room." "user_id:user! status:online|busy|away|offline! joined:bool!"
        "flags" "The switches of a room." "queue_open:bool! floor_controlled:bool! mute_all:bool!"
        "entry" "Somebody who waits." "user_id:user! seq:count! state:waiting|held! joined_at_ms:ms! eff_priority:int! skip_queue:bool! jumped_by:count! pinned:bool! on_deck:bool! want_seat:seat note:text held_until_ms:ms"
        "occupant" "Somebody on a seat." "user_id:user! since_ms:ms! self_muted:bool! silenced:bool! via:text! held_until_ms:ms"
        "seat_state" "A seat." "no:seat! kind:host|guest! state:text! locked:bool! closing:bool! admin_muted:bool! extra:text! extra_rev:count! media:none|publishing|lost! media_lost_until_ms:ms occupant:occupant reserved_for:reservation"
        "reservation" "For whom a seat is kept." "user_id:user! invite_id:text! until_ms:ms!"
        "undo" "A queue that was cleared and can be restored." "undo_id:text! count:count! at_ms:ms!"
        "apply" "An open application." "apply_id:text! user_id:user! want_seat:seat~ seq:count! expires_at_ms:ms!"
        "invite" "An open invitation." "invite_id:text! user_id:user! by:text! seat_no:seat! expires_at_ms:ms!"
        "turn" "A turn." "turn_id:text! user_id:user! seat_no:seat! started_at_ms:ms! paused:bool! ends_at_ms:ms~! paused_remaining_ms:ms paused_by:text[]! length_ms:ms! extended_ms:int!"
        "talk" "Who may say what." "slow_mode_seconds:count! must_level:count! normal_level:count! droppable_level:count! mutes:ms~{}!"
        "state" "A room." "room_id:room! rev:count! status:open|closed! owner_user_id:user! mode:free|apply|queue|chair! rules_rev:count! rules:rules! flags:flags! seats:seat_state[]! queue:entry[]! applies:apply[]! invites:invite[]! turns:turn[]! roles:role{}! bans:ms~{}! queue_bans:ms{}! cooldowns:ms{}! talk:talk undo:undo[]!"
    }
}
