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
export type RoomSnapshot = { type: "room_snapshot"; room_id: string; cursor: string; rev: number; state: RoomState; server_time_ms: number; stale?: boolean };
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
/** A place is a neighbour, an end or a step, never an index. */
export type Place = Neighbour | { up: number } | { down: number };
export type Neighbour = "front" | "back" | { before: string } | { after: string };
/** A command without its envelope, as `batch` and `explain` take it. */
export type Operation = { [Name in Exclude<keyof Commands, "batch" | "explain">]: { type: Name } & Commands[Name] }[Exclude<keyof Commands, "batch" | "explain">];
/** What each room command carries beside `room_id`, `id`, `op_id` and `if_rev`. */
export type Commands = {
  /** Joins the mic queue. */
  queue_join: { want_seat?: number; note?: string };
  /** Leaves the queue. */
  queue_leave: {};
  /** Puts somebody into the queue. */
  queue_insert: { target_user_id: string; place: Neighbour; respect_rules?: boolean };
  /** Takes people out of the queue. */
  queue_remove: { target_user_ids: string[]; reason?: string };
  /** Moves somebody in the queue. */
  queue_move: { target_user_id: string; place: Place; on_missing?: "fail" | "nearest"; force?: boolean };
  /** Gives people of the queue a new order; needs if_rev. */
  queue_reorder: { user_ids: string[] };
  /** Empties the queue; can be undone. */
  queue_clear: {};
  /** Undoes a queue_clear. */
  queue_restore: { undo_id: string };
  /** Orders the queue by the rules again. */
  queue_resort: {};
  /** Takes a seat. */
  seat_take: { seat_no?: number };
  /** Leaves the own seat. */
  seat_leave: {};
  /** Puts somebody on a seat. */
  seat_assign: { target_user_id: string; seat_no?: number; policy?: "fail" | "replace"; requeue?: boolean };
  /** Moves somebody, or oneself, to another seat. */
  seat_move: { seat_no: number; target_user_id?: string; policy?: "fail" | "replace" | "swap" };
  /** Takes somebody off his seat. */
  seat_kick: { target_user_id: string; requeue?: boolean; cooldown_seconds?: number };
  /** Locks or opens seats. */
  seat_lock: { seat_nos: number[] | "all"; on: boolean; evict?: boolean };
  /** Mutes or unmutes seats. */
  seat_mute: { seat_nos: number[] | "all"; on: boolean };
  /** Writes a seat's free text. */
  seat_extra: { seat_no: number; extra: string; if_extra_rev?: number };
  /** Applies for the mic. */
  apply_submit: { want_seat?: number };
  /** Takes the own application back. */
  apply_cancel: { apply_id: string };
  /** Approves or rejects an application. */
  apply_resolve: { apply_id: string; approve: boolean; seat_no?: number };
  /** Invites somebody to a seat, which is kept for him. */
  invite_send: { target_user_id: string; seat_no?: number; ttl_seconds?: number };
  /** Accepts or declines an invitation. */
  invite_reply: { invite_id: string; accept: boolean };
  /** Takes an invitation back. */
  invite_cancel: { invite_id: string };
  /** Ends a turn and calls the next person. */
  turn_next: { expect_turn_id?: string; seat_no?: number };
  /** Makes a turn longer or shorter. */
  turn_extend: { expect_turn_id: string; seconds: number };
  /** Pauses a turn. */
  turn_pause: { expect_turn_id: string };
  /** Lets a turn go on. */
  turn_resume: { expect_turn_id: string };
  /** Ends the own turn. */
  turn_yield: { expect_turn_id?: string };
  /** Changes the room's mode. */
  mode_set: { mode: "free" | "apply" | "queue" | "chair" };
  /** Switches a flag. */
  flag_set: { flag: "queue_open" | "floor_controlled" | "mute_all"; on: boolean };
  /** Replaces the room's rules. */
  rules_set: { rules: Partial<Rules>; if_rules_rev?: number };
  /** Gives somebody a role, or none. */
  role_set: { target_user_id: string; role_id: string | null };
  /** Gives the room away. */
  owner_transfer: { target_user_id: string };
  /** Puts somebody out. */
  user_kick: { target_user_id: string; reason?: string };
  /** Bans somebody. */
  user_ban: { target_user_id: string; reason?: string; until_ms?: number };
  /** Lifts a ban. */
  user_unban: { target_user_id: string };
  /** Bans somebody from the queue until a time; 0 lifts it. */
  queue_ban: { target_user_id: string; until_ms: number };
  /** Closes the room for ever. */
  room_close: { reason?: string };
  /** Says who may say what in the room. */
  talk_set: { slow_mode_seconds?: number; must_level?: number; normal_level?: number; droppable_level?: number };
  /** Takes the word from somebody until a time; 0 gives it back. */
  talk_mute: { target_user_id: string; until_ms?: number };
  /** Up to 32 commands as one commit. */
  batch: { ops: Operation[]; atomic?: boolean };
  /** Says what a command would do. */
  explain: { command: Operation; as_user_id?: string };
};
/** What each other frame of a client carries beside `id`. */
export type ClientFrames = {
  /** Opens the session; the first frame of a socket. */
  user_online: { user_id?: string; user_type?: string; token?: string; session_token?: string; heard?: string; rooms?: { room_id: string; cursor?: string; msg_cursor?: string }[]; attempt?: number; down_ms?: number; timestamp?: number };
  /** Every 30 s; any frame counts as a sign of life. */
  heartbeat: { user_id?: string; user_type?: string; timestamp?: number; ts_ms?: number };
  /** The status that the user chooses for himself. */
  status_change: { status: "online" | "busy" | "away" | "offline"; user_id?: string; user_type?: string; timestamp?: number };
  /** A direct message to every session of somebody. */
  message: { to_user_id: string; message: string; from_user_id?: string; timestamp?: number };
  /** The session ends at once. */
  user_offline: { user_id?: string; user_type?: string; timestamp?: number };
  /** Asks for people's statuses. */
  request_online_status: { user_ids: string[] };
  /** Asks to hear of changes of people's statuses. */
  watch_status: { user_ids: string[] };
  /** Asks to hear no more of them. */
  unwatch_status: { user_ids: string[] };
  /** A newer token of the same user. */
  refresh_token: { token: string };
  /** Enters a room, at a position if the client has one. */
  room_join: { room_id: string; cursor?: string; msg_cursor?: string };
  /** Leaves a room; place and seat are freed. */
  room_leave: { room_id: string };
  /** Asks for what was missed since a position. */
  room_sync: { room_id: string; cursor?: string };
  /** Says something in a room. */
  room_message: { room_id: string; class: "must" | "normal" | "droppable"; kind: string; body: string; dedup_id?: string };
  /** Blocks people: their direct messages do not arrive. */
  block_users: { user_ids: string[] };
  /** Blocks people no longer. */
  unblock_users: { user_ids: string[] };
  /** Asks who is blocked. */
  blocked_users: {};
  /** Asks for a page of members. */
  room_members: { room_id: string; offset?: number; limit?: number };
};
/** The names of all room commands. */
export type CommandName = keyof Commands;
/** The names of all errors. */
export type ErrorName = "bad_request" | "unauthorized" | "room_not_found" | "room_closed" | "not_member" | "forbidden" | "target_rank" | "bad_argument" | "rate_limited" | "stale_rev" | "rev_required" | "unknown_type" | "wrong_mode" | "too_soon" | "batch_failed" | "last_owner" | "identity_mismatch" | "unavailable" | "too_many" | "busy" | "internal" | "seat_not_found" | "seat_locked" | "seat_taken" | "already_seated" | "not_seated" | "no_seat" | "seat_reserved" | "queue_closed" | "queue_full" | "already_queued" | "not_queued" | "anchor_gone" | "self_anchor" | "snapshot_gone" | "cooldown" | "turn_changed" | "turn_limit" | "apply_exists" | "apply_resolved" | "apply_not_found" | "invite_exists" | "invite_expired" | "invite_not_found" | "blacklisted" | "not_whitelisted" | "window_closed" | "bad_rules" | "user_not_reachable" | "message_too_large";
