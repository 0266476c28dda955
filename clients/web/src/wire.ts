// Written by `cargo xtask types` from the hub's sources; a test keeps it equal to them. PROTOCOL.md says what each field means.

export type Apply = { apply_id: string; user_id: string; want_seat?: number; seq: number; expires_at_ms: number };
export type Closing = { type: "closing"; code: number; name: string; retry_after_ms: number };
export type DirectMessage = { type: "message"; from_user_id: string; to_user_id: string; message: string; timestamp: number };
export type Entry = { state: "waiting" | "held"; on_deck: boolean } & EntryFields;
export type EntryFields = { user_id: string; seq: number; eff_priority: number; skip_queue: boolean; want_seat?: number; note?: string; held_until_ms?: number; pinned: boolean; jumped_by: number; joined_at_ms: number };
export type ErrorFrame = { type: "error"; id?: number; code: number; name: string; message: string; temporary: boolean; retry_after_ms: number; details: Record<string, any> };
export type Flags = { queue_open: boolean; floor_controlled: boolean; mute_all: boolean };
export type Invite = { invite_id: string; user_id: string; by: string; seat_no: number; expires_at_ms: number };
export type LogEvent =
  | { event: "queue_joined"; user_id: string; index: number; eff_priority: number; skip_queue?: boolean; seq: number; pinned: boolean; want_seat?: number; note?: string; why: string[] }
  | { event: "queue_left"; user_id: string; reason: string; note?: string }
  | { event: "queue_moved"; user_id: string; from: number; to: number; after_user_id: string | null }
  | { event: "queue_reordered"; order: string[]; resort?: boolean; jumped_by?: ([string, number])[] }
  | { event: "queue_cleared"; undo_id: string; count: number }
  | { event: "queue_restored"; undo_id: string; order: string[]; entries: EntryFields[] }
  | { event: "queue_held"; user_id: string; held_until_ms: number }
  | { event: "queue_returned"; user_id: string }
  | { event: "queue_on_deck"; user_id: string }
  | { event: "seat_taken"; seat_no: number; user_id: string; via: Via }
  | { event: "seat_left"; seat_no: number; user_id: string; reason: string; cooldown_until_ms?: number }
  | { event: "seat_moved"; user_id: string; from: number; to: number }
  | { event: "seat_updated"; seat_no: number; locked?: boolean; admin_muted?: boolean; self_muted?: boolean; extra?: string; extra_rev?: number } & Partial<MediaFields>
  | { event: "seat_held"; seat_no: number; user_id: string; held_until_ms: number }
  | { event: "seat_returned"; seat_no: number; user_id: string }
  | { event: "apply_submitted"; apply_id: string; user_id: string; want_seat: number | null; seq: number; expires_at_ms: number }
  | { event: "apply_ended"; apply_id: string; user_id: string; outcome: string }
  | { event: "invite_sent"; invite_id: string; user_id: string; seat_no: number; expires_at_ms: number }
  | { event: "invite_ended"; invite_id: string; user_id: string; seat_no: number; outcome: string }
  | { event: "turn_started"; turn_id: string; user_id: string; seat_no: number; ends_at_ms: number | null; paused_remaining_ms?: number; paused?: boolean; paused_by?: PauseCause[] }
  | { event: "turn_updated"; turn_id: string; ends_at_ms: number | null; paused_remaining_ms?: number; paused: boolean; paused_by: PauseCause[]; extended_ms: number }
  | { event: "turn_ended"; turn_id: string; user_id: string; seat_no: number; reason: string }
  | { event: "mode_changed"; mode: Mode; from: Mode }
  | { event: "flags_changed"; flags: Flags }
  | { event: "rules_changed"; rules_rev: number; rules: Rules }
  | { event: "role_changed"; user_id: string; role_id: string | null; from: string; by_token?: boolean }
  | { event: "member_kicked"; user_id: string; reason?: string }
  | { event: "member_banned"; user_id: string; until_ms: number | null; reason?: string }
  | { event: "member_unbanned"; user_id: string }
  | { event: "queue_banned"; user_id: string; until_ms: number }
  | { event: "room_closed"; reason?: string }
  | { event: "talk_changed"; slow_mode_seconds: number; must_level: number; normal_level: number; droppable_level: number }
  | { event: "talk_muted"; user_id: string; until_ms: number | null };
export type MediaFields =
  | { media: "none" }
  | { media: "publishing" }
  | { media: "lost"; media_lost_until_ms: number };
export type Member = { user_id: string; user_type: string; role: string; status: "online" | "busy" | "away" | "offline" };
export type Mode = "free" | "apply" | "queue" | "chair";
export type Occupant = { user_id: string; since_ms: number; via: Via; self_muted: boolean; silenced: boolean; held_until_ms?: number };
export type OnlineStatus = { type: "userOnlineStatus"; id?: number; user_status: UserStatus[] };
export type PauseCause = "hand" | "floor" | "chair";
export type PresenceChange = { user_id: string; status: "online" | "busy" | "away" | "offline"; joined: boolean };
export type Reservation = { user_id: string; invite_id: string; until_ms: number };
export type Role = { role_id: string; level: number; priority_level: number; can_skip_queue: boolean; timeout_seconds?: number; perms?: string[] };
export type RoomEvent = { rev: number; by: string; op_id?: string; at_ms: number } & LogEvent;
export type RoomMessage = { type: "room_message"; room_id: string; seq: number; msg_cursor?: string; from_user_id: string; system?: boolean; class: "must" | "normal" | "droppable"; kind: string; body: string; dedup_id?: string; at_ms: number; skipped?: boolean };
export type RoomPresence = { type: "room_presence"; room_id: string; online: number; changes: PresenceChange[] };
export type RoomReset = { type: "room_reset"; room_id: string; reason: string; revoked?: string[] };
export type RoomSnapshot = { type: "room_snapshot"; room_id: string; cursor: string; rev: number; state: RoomState; server_time_ms: number };
export type RoomState = { room_id: string; rev: number; status: RoomStatus; owner_user_id: string; mode: Mode; rules_rev: number; rules: Rules; flags: Flags; seats: Seat[]; queue: Entry[]; applies: Apply[]; invites: Invite[]; turns: Turn[]; roles: Record<string, string>; bans: Record<string, number | null>; queue_bans: Record<string, number>; cooldowns: Record<string, number>; talk?: TalkJson; undo: Undo[] };
export type RoomStatus = "open" | "closed";
export type RoomUpdate = { type: "room_update"; room_id: string; prev: string; cursor: string; events: RoomEvent[] };
export type Rules = { max_mic_count: number; host_seat: boolean; max_queue_len: number; queue_mode: Mode; timeout_seconds: number; turn_max_total_seconds: number; on_deck_size: number; max_jumped_by: number; hold_seconds_queue: number; hold_seconds_seat: number; apply_ttl_seconds: number; invite_ttl_seconds: number; rejoin_cooldown_seconds: number; stream_stop_grace_seconds: number; mode_grace_seconds: number; mode_min_interval_seconds: number; chair_min_level: number; access: "open" | "blacklist" | "whitelist"; blacklist: string[]; whitelist: string[]; roles: Role[]; special_user_list: SpecialUser[]; time_based_rules: TimeWindow[] };
export type Seat = { no: number; kind: SeatKind; state: "held" | "occupied" | "locked" | "reserved" | "empty"; closing: boolean; locked: boolean; admin_muted: boolean; extra: string; extra_rev: number; occupant?: Occupant; reserved_for?: Reservation } & MediaFields;
export type SeatKind = "guest" | "host";
export type SpecialUser = { user_id: string; priority_level: number; until_ms?: number };
export type TalkJson = { slow_mode_seconds: number; must_level: number; normal_level: number; droppable_level: number; mutes: Record<string, number | null> };
export type TimeWindow = { name: string; days: string[]; start: string; end: string; tz: string; boost: Record<string, number>; deny_roles: string[]; only_roles: string[]; timeout_seconds?: number; max_queue_len?: number };
export type Turn = { turn_id: string; user_id: string; seat_no: number; started_at_ms: number; paused: boolean; ends_at_ms: number | null; paused_remaining_ms?: number; paused_by: PauseCause[]; length_ms: number; extended_ms: number };
export type Undo = { undo_id: string; count: number; at_ms: number };
export type UserStatus = { user_id: string; user_type: string; online: boolean; status: "online" | "busy" | "away" | "offline"; last_seen: number };
export type Via = "take" | "apply" | "invite" | "promote" | "assign" | "move";
export type Welcome = { type: "welcome"; id?: number; session_id: string; user_id: string; user_type: string; resumed: boolean; session_token: string; server_time_ms: number; heartbeat_interval_ms: number; heartbeat_timeout_ms: number; ping_interval_ms: number; node: string; version: string; rooms: WelcomeRoom[] };
export type WelcomeRoom = { room_id: string; recovered?: boolean; cursor?: string; msg_cursor?: string; msg_skipped?: boolean; error?: string };
/** The names of all room commands. */
export type CommandName = "apply_cancel" | "apply_resolve" | "apply_submit" | "batch" | "explain" | "flag_set" | "invite_cancel" | "invite_reply" | "invite_send" | "mode_set" | "owner_transfer" | "queue_ban" | "queue_clear" | "queue_insert" | "queue_join" | "queue_leave" | "queue_move" | "queue_remove" | "queue_reorder" | "queue_resort" | "queue_restore" | "role_set" | "room_close" | "rules_set" | "seat_assign" | "seat_extra" | "seat_kick" | "seat_leave" | "seat_lock" | "seat_move" | "seat_mute" | "seat_take" | "talk_mute" | "talk_set" | "turn_extend" | "turn_next" | "turn_pause" | "turn_resume" | "turn_yield" | "user_ban" | "user_kick" | "user_unban";
/** The names of all errors. */
export type ErrorName = "bad_request" | "unauthorized" | "room_not_found" | "room_closed" | "not_member" | "forbidden" | "target_rank" | "bad_argument" | "rate_limited" | "stale_rev" | "rev_required" | "unknown_type" | "wrong_mode" | "too_soon" | "batch_failed" | "last_owner" | "identity_mismatch" | "unavailable" | "too_many" | "busy" | "internal" | "seat_not_found" | "seat_locked" | "seat_taken" | "already_seated" | "not_seated" | "no_seat" | "seat_reserved" | "queue_closed" | "queue_full" | "already_queued" | "not_queued" | "anchor_gone" | "self_anchor" | "snapshot_gone" | "cooldown" | "turn_changed" | "turn_limit" | "apply_exists" | "apply_resolved" | "apply_not_found" | "invite_exists" | "invite_expired" | "invite_not_found" | "blacklisted" | "not_whitelisted" | "window_closed" | "bad_rules" | "user_not_reachable" | "message_too_large";
