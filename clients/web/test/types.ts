// What an editor knows of the client: this file must type-check, and each line that is marked must not. Nothing here runs.
import { HubClient, HubError, OnlineStatusManager, persistent, standard, type Commands, type Entry, type RoomEvent, type Turn, type UserStatus } from "@michub/client";

const client = new HubClient({ userId: "u1", reconnect: persistent(), transport: "sse", getToken: async ({ reason }) => (reason === "expired" ? "new" : "old") });
// @ts-expect-error a client needs to know whose it is
new HubClient({});
// @ts-expect-error there is no such transport
new HubClient({ userId: "u1", transport: "carrier pigeon" });
standard({ jitter: 0.2 });
// @ts-expect-error a policy gives milliseconds, or null
new HubClient({ userId: "u1", reconnect: () => "soon" });

client.on("state", ({ state, nextDelayMs }) => { const wait: number | undefined = state === "disconnected" ? nextDelayMs : 0; return wait; });
// @ts-expect-error there are four states
client.on("state", ({ state }) => state === "online");
client.on("message", ({ from_user_id, message }) => `${from_user_id}: ${message}`);
// @ts-expect-error there is no such event
client.on("massage", () => {});

const room = client.room("lobby");
room.send("queue_join");
room.send("queue_join", { note: "about pricing", op_id: "k-1" });
// @ts-expect-error a note is a text
room.send("queue_join", { note: 7 });
// @ts-expect-error there is no such command
room.send("queue_jump");
// @ts-expect-error it needs to know whom
room.send("queue_move", { place: "front" });
// @ts-expect-error and where to
room.send("queue_move", { target_user_id: "u2" });
// @ts-expect-error a place is never an index
room.send("queue_move", { target_user_id: "u2", place: 3 });
// @ts-expect-error these fields cannot be left out
room.send("seat_lock");
room.send("seat_lock", { seat_nos: "all", on: true });
// @ts-expect-error neither a number nor "all"
room.send("seat_lock", { seat_nos: "both", on: true });
room.send("seat_move", { seat_no: 2, policy: "swap" });
// @ts-expect-error only seat_move swaps
room.send("seat_assign", { target_user_id: "u2", policy: "swap" });
room.send("mode_set", { mode: "chair" });
// @ts-expect-error there are four modes
room.send("mode_set", { mode: "party" });
room.send("queue_reorder", { user_ids: ["u2", "u3"], if_rev: room.cursor });
room.send("role_set", { target_user_id: "u2", role_id: null });
// @ts-expect-error a typing error in a field's name
room.send("turn_extend", { expect_turn_id: "t1", second: 30 });
room.send("talk_set", { slow_mode_seconds: 5 });
room.send("batch", { ops: [{ type: "queue_join" }, { type: "seat_mute", seat_nos: [1], on: true }], atomic: false });
// @ts-expect-error a batch knows its commands, too
room.send("batch", { ops: [{ type: "seat_mute", on: true }] });
// @ts-expect-error batches do not nest
room.send("batch", { ops: [{ type: "batch", ops: [] }] });
room.send("explain", { command: { type: "queue_join" }, as_user_id: "u2" });
room.say("hello", { class: "must" });
// @ts-expect-error there are three classes
room.say("hello", { class: "loud" });

client.request("room_members", { room_id: "lobby", limit: 50 });
client.request("blocked_users");
client.request("queue_leave", { room_id: "lobby" });
// @ts-expect-error at least somebody
client.request("block_users", {});
// @ts-expect-error no such frame
client.request("status", {});

room.on("event", (event: RoomEvent) => {
  if (event.event === "queue_moved") { const to: number = event.to; return to; }
  // @ts-expect-error this event has no reason
  if (event.event === "seat_taken") return event.reason;
  return event.rev;
});
const head: Entry | undefined = room.state?.queue[0];
const turns: Turn[] = room.state?.turns ?? [];
// @ts-expect-error a turn without an end has none
const end: number = turns[0]!.ends_at_ms;
const manager = new OnlineStatusManager(client);
const off: () => void = manager.onUserStatusChange("u2", ({ status }: UserStatus) => status === "busy");
const every: Commands["queue_join"] = { want_seat: 2 };
try { await manager.initialize(); } catch (error) { if (error instanceof HubError && error.temporary) setTimeout(off, error.retry_after_ms); }
export { end, every, head };
