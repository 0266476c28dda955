// What travels between a client and the hub, as types only. What the hub says is written from its sources (wire.ts); what it understands stands here.
import type { Closing, CommandName, DirectMessage, ErrorFrame, Mode, OnlineStatus, RoomMessage, RoomPresence, RoomReset, RoomSnapshot, RoomUpdate, UserStatus, Welcome } from "./wire.js";
export type * from "./wire.js";

export type Status = UserStatus["status"];
export type Flag = "queue_open" | "floor_controlled" | "mute_all";
/** A place is a neighbour, an end or a step, never an index. */
export type Place = "front" | "back" | { before: string } | { after: string } | { up: number } | { down: number };

type Target = { target_user_id: string };
interface Known {
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
  talk_set: { slow_mode_seconds?: number; must_level?: number; normal_level?: number; droppable_level?: number };
  talk_mute: Target & { until_ms?: number };
  batch: { ops: ({ type: string } & Record<string, unknown>)[]; atomic?: boolean };
  explain: { command: { type: string } & Record<string, unknown>; as_user_id?: string };
}

/** Every command of a room and what it carries beside `room_id`, `id` and `op_id`, which the client adds. One that the hub knows and that is not described above takes any fields. */
export type Commands = Known & Record<Exclude<CommandName, keyof Known>, Record<string, unknown>>;

/** The answer to a request that was accepted. */
export interface Ack { type: string; id?: number; room_id?: string; rev?: number; cursor?: string; dup?: boolean; noop?: boolean; [field: string]: any }
/** The one frame that the hub writes byte by byte. */
export interface HeartbeatAck { type: "heartbeat_ack"; timestamp: number; ts_ms?: number; server_ts_ms: number }
/** Every frame that the hub sends. */
export type ServerFrame = Ack & { type: "ack" } | Welcome | ErrorFrame | Closing | DirectMessage | RoomMessage | RoomPresence | RoomSnapshot | RoomUpdate | RoomReset | HeartbeatAck | OnlineStatus;
