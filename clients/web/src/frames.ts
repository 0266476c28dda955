// What travels between a client and the hub, as types only. PROTOCOL.md says what each field means.

export type Status = "online" | "busy" | "away" | "offline";
export type Mode = "free" | "apply" | "queue" | "chair";
export type Flag = "queue_open" | "floor_controlled" | "mute_all";
/** A place is a neighbour, an end or a step, never an index. */
export type Place = "front" | "back" | { before: string } | { after: string } | { up: number } | { down: number };

export interface UserStatus {
  user_id: string;
  user_type: string;
  online: boolean;
  status: Status;
  /** Unix seconds; 0 = never seen. */
  last_seen: number;
}

/** What the media servers say about a person on a seat. */
export type Media = "none" | "publishing" | "lost";

export interface Occupant {
  user_id: string;
  since_ms: number;
  via: "take" | "apply" | "invite" | "promote" | "assign" | "move";
  self_muted: boolean;
  silenced: boolean;
  held_until_ms?: number;
}

export interface Seat {
  no: number;
  kind: "guest" | "host";
  state: "held" | "occupied" | "locked" | "reserved" | "empty";
  closing: boolean;
  locked: boolean;
  admin_muted: boolean;
  extra: string;
  extra_rev: number;
  media: Media;
  media_lost_until_ms?: number;
  occupant?: Occupant;
  reserved_for?: { user_id: string; invite_id: string; until_ms: number };
}

export interface Entry {
  user_id: string;
  seq: number;
  eff_priority: number;
  skip_queue: boolean;
  want_seat?: number;
  note?: string;
  state: "waiting" | "held";
  held_until_ms?: number;
  on_deck: boolean;
  pinned: boolean;
  jumped_by: number;
  joined_at_ms: number;
}

export interface Turn {
  turn_id: string;
  user_id: string;
  seat_no: number;
  started_at_ms: number;
  paused: boolean;
  paused_by: string[];
  /** null = unlimited, or paused. */
  ends_at_ms: number | null;
  paused_remaining_ms?: number | null;
  /** What it began with; 0 = unlimited. */
  length_ms: number;
  extended_ms: number;
}

export interface Apply { apply_id: string; user_id: string; want_seat?: number | null; seq: number; expires_at_ms: number }
export interface Invite { invite_id: string; user_id: string; by: string; seat_no: number; expires_at_ms: number }
export interface Flags { queue_open: boolean; floor_controlled: boolean; mute_all: boolean }
export interface Role { role_id: string; level: number; priority_level: number; can_skip_queue?: boolean; timeout_seconds?: number; perms?: string[] }

export interface Rules {
  max_mic_count: number;
  host_seat: boolean;
  max_queue_len: number;
  queue_mode: Mode;
  on_deck_size: number;
  chair_min_level?: number;
  roles?: Role[];
  [key: string]: unknown;
}

export interface RoomState {
  room_id: string;
  rev: number;
  status: "open" | "closed";
  owner_user_id: string;
  mode: Mode;
  rules_rev: number;
  rules: Rules;
  flags: Flags;
  seats: Seat[];
  queue: Entry[];
  applies: Apply[];
  invites: Invite[];
  turns: Turn[];
  roles: Record<string, string>;
  bans: Record<string, number | null>;
  queue_bans: Record<string, number>;
  cooldowns: Record<string, number>;
  undo: { undo_id: string; count: number; at_ms: number }[];
}

interface EventFields {
  queue_joined: { user_id: string; index: number; eff_priority: number; skip_queue?: boolean; seq: number; pinned: boolean; want_seat?: number; note?: string; why: string[] };
  queue_left: { user_id: string; reason: string; note?: string };
  queue_moved: { user_id: string; from: number; to: number; after_user_id: string | null };
  queue_reordered: { order: string[]; resort?: boolean; jumped_by?: [string, number][] };
  queue_cleared: { undo_id: string; count: number };
  queue_restored: { undo_id: string; order: string[]; entries: Omit<Entry, "state" | "on_deck">[] };
  queue_held: { user_id: string; held_until_ms: number };
  queue_returned: { user_id: string };
  queue_on_deck: { user_id: string };
  apply_submitted: { apply_id: string; user_id: string; want_seat?: number | null; seq?: number; expires_at_ms: number };
  apply_ended: { apply_id: string; user_id?: string; outcome: string };
  invite_sent: { invite_id: string; user_id: string; seat_no: number; expires_at_ms: number };
  invite_ended: { invite_id: string; user_id?: string; seat_no?: number; outcome: string };
  seat_taken: { seat_no: number; user_id: string; via: Occupant["via"] };
  seat_left: { seat_no: number; user_id: string; reason: string; cooldown_until_ms?: number };
  seat_moved: { user_id: string; from: number; to: number };
  seat_updated: { seat_no: number; locked?: boolean; admin_muted?: boolean; self_muted?: boolean; extra?: string; extra_rev?: number; media?: Media; media_lost_until_ms?: number };
  seat_held: { seat_no: number; user_id: string; held_until_ms: number };
  seat_returned: { seat_no: number; user_id: string };
  turn_started: { turn_id: string; user_id: string; seat_no: number; ends_at_ms: number | null; paused?: boolean; paused_by?: string[]; paused_remaining_ms?: number | null };
  turn_updated: { turn_id: string; ends_at_ms?: number | null; paused?: boolean; paused_by?: string[]; paused_remaining_ms?: number | null; extended_ms?: number };
  turn_ended: { turn_id: string; user_id?: string; seat_no?: number; reason: string };
  mode_changed: { mode: Mode; from: Mode };
  flags_changed: { flags: Flags };
  rules_changed: { rules_rev: number; rules: Rules };
  role_changed: { user_id: string; role_id: string | null; from: string; by_token?: boolean };
  member_kicked: { user_id: string; reason?: string };
  member_banned: { user_id: string; until_ms: number | null; reason?: string };
  member_unbanned: { user_id: string };
  queue_banned: { user_id: string; until_ms: number };
  room_closed: { reason?: string };
}
/** One event of a room's log; `event` names it. */
export type RoomEvent = { [Name in keyof EventFields]: { event: Name; rev: number; by: string; at_ms: number; op_id?: string } & EventFields[Name] }[keyof EventFields];

type Target = { target_user_id: string };
/** Every command of a room and what it carries beside `room_id`, `id` and `op_id`, which the client adds. */
export interface Commands {
  queue_join: { want_seat?: number; note?: string };
  queue_leave: {};
  queue_insert: Target & { place: Place; respect_rules?: boolean };
  queue_remove: { target_user_ids: string[]; reason?: string };
  queue_move: Target & { place: Place; on_missing?: "fail" | "nearest"; force?: boolean };
  queue_reorder: { user_ids: string[] };
  queue_clear: {};
  queue_restore: { undo_id: string };
  queue_resort: {};
  apply_submit: { want_seat?: number };
  apply_cancel: { apply_id: string };
  apply_resolve: { apply_id: string; approve: boolean; seat_no?: number };
  invite_send: Target & { seat_no?: number; ttl_seconds?: number };
  invite_reply: { invite_id: string; accept: boolean };
  invite_cancel: { invite_id: string };
  seat_take: { seat_no?: number };
  seat_leave: {};
  seat_assign: Target & { seat_no?: number; policy?: "fail" | "replace"; requeue?: boolean };
  seat_move: { target_user_id?: string; seat_no: number; policy?: "fail" | "replace" | "swap" };
  seat_kick: Target & { requeue?: boolean; cooldown_seconds?: number };
  seat_lock: { seat_nos: number[] | "all"; on: boolean; evict?: boolean };
  seat_mute: { seat_nos: number[] | "all"; on: boolean };
  seat_extra: { seat_no: number; extra: string; if_extra_rev?: number };
  turn_next: { expect_turn_id?: string; seat_no?: number };
  turn_extend: { expect_turn_id: string; seconds: number };
  turn_pause: { expect_turn_id: string };
  turn_resume: { expect_turn_id: string };
  turn_yield: { expect_turn_id?: string };
  mode_set: { mode: Mode };
  flag_set: { flag: Flag; on: boolean };
  rules_set: { rules: unknown; if_rules_rev?: number };
  role_set: Target & { role_id: string | null };
  owner_transfer: Target;
  user_kick: Target & { reason?: string };
  user_ban: Target & { reason?: string; until_ms?: number };
  user_unban: Target;
  queue_ban: Target & { until_ms: number };
  room_close: { reason?: string };
  batch: { ops: ({ type: string } & Record<string, unknown>)[]; atomic?: boolean };
  explain: { command: { type: string } & Record<string, unknown>; as_user_id?: string };
}

/** The answer to a request that was accepted. */
export interface Ack { type: string; id?: number; room_id?: string; rev?: number; cursor?: string; dup?: boolean; noop?: boolean; [field: string]: any }
export interface Welcome {
  type: "welcome"; session_id: string; user_id: string; user_type: string; resumed: boolean; session_token: string; server_time_ms: number;
  heartbeat_interval_ms: number; heartbeat_timeout_ms: number; ping_interval_ms: number; node: string; version: string;
  rooms: { room_id: string; recovered?: boolean; cursor?: string; error?: string }[];
}
export interface ErrorFrame { type: "error"; id?: number; code: number; name: string; message: string; temporary: boolean; retry_after_ms: number; details: Record<string, any> }
export interface Closing { type: "closing"; code: number; name: string; retry_after_ms: number }
export interface DirectMessage { type: "message"; from_user_id: string; to_user_id: string; message: string; timestamp: number }
export interface RoomMessage { type: "room_message"; room_id: string; seq?: number; from_user_id: string; class: string; kind: string; body: string; at_ms: number }
export interface RoomPresence { type: "room_presence"; room_id: string; online: number; changes: { user_id: string; status: Status; joined: boolean }[] }
export interface RoomSnapshot { type: "room_snapshot"; room_id: string; cursor: string; rev: number; state: RoomState; server_time_ms: number }
export interface RoomUpdate { type: "room_update"; room_id: string; prev: string; cursor: string; events: RoomEvent[] }
export interface RoomReset { type: "room_reset"; room_id: string; reason: string }
export interface HeartbeatAck { type: "heartbeat_ack"; timestamp: number; ts_ms?: number; server_ts_ms: number }
export interface OnlineStatus { type: "userOnlineStatus"; id?: number; user_status: UserStatus[] }
/** Every frame that the hub sends. */
export type ServerFrame = Ack & { type: "ack" } | Welcome | ErrorFrame | Closing | DirectMessage | RoomMessage | RoomPresence | RoomSnapshot | RoomUpdate | RoomReset | HeartbeatAck | OnlineStatus;
