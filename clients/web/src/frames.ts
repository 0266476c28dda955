// What travels between a client and the hub, as types only: all but a few are written from the hub's sources (wire.ts).
import type { Closing, DirectMessage, ErrorFrame, Flags, OnlineStatus, RoomMessage, RoomPresence, RoomReset, RoomSnapshot, RoomUpdate, UserStatus, Welcome } from "./wire.js";
export type * from "./wire.js";

export type Status = UserStatus["status"];
export type Flag = keyof Flags;

/** What every room command may carry. `op_id`: a key that makes a repeat harmless; the client adds one. `if_rev`: refuse with `stale_rev` unless the room is there. */
export interface Envelope { op_id?: string; if_rev?: string | number }
/** The answer to a request that was accepted. */
export interface Ack { type: string; id?: number; room_id?: string; rev?: number; cursor?: string; dup?: boolean; noop?: boolean; [field: string]: any }
/** The one frame that the hub writes byte by byte. */
export interface HeartbeatAck { type: "heartbeat_ack"; timestamp: number; ts_ms?: number; server_ts_ms: number }
/** Every frame that the hub sends. */
export type ServerFrame = Ack & { type: "ack" } | Welcome | ErrorFrame | Closing | DirectMessage | RoomMessage | RoomPresence | RoomSnapshot | RoomUpdate | RoomReset | HeartbeatAck | OnlineStatus;
