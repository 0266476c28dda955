// Every event, folded: after each rev of a long random history by many people the replica is the hub's own snapshot, field by field. `STEPS` and `SEED` choose another history.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { startHub } from "../../../tests/web/hub.js";
import { HubClient } from "../dist/michub.js";

const STEPS = Number(process.env.STEPS ?? 2500);
const SEED = Number(process.env.SEED ?? 7);
const PEOPLE = 8;
const ROOM = "fold";
/** How many states the replica is remembered in; the hub may be ahead of it, or it of the hub. */
const REMEMBERED = 200;
const SECRET = "sec";
const PATH = "0123456789abcdef";

let hub;
const clients = [];
before(async () => { hub = await startHub({ MICHUB_ROOM__RULES__MODE_MIN_INTERVAL_SECONDS: "0", MICHUB_ROOM__RULES__MODE_GRACE_SECONDS: "0", MICHUB_MEDIA__Z__KIND: "zego", MICHUB_MEDIA__Z__SECRET_PATH: `"${PATH}"`, MICHUB_MEDIA__Z__SECRET: SECRET }); });
after(async () => { for (const client of clients) client.close(); await hub.stop(); });

async function member(userId, roomId) {
  const client = new HubClient({ url: `${hub.url}/ws`, userId, reconnect: () => 5 });
  clients.push(client);
  await client.connect();
  const room = client.room(roomId);
  await room.join();
  return room;
}

/** Waits until `probe` gives true. */
async function until(what, probe) {
  const end = Date.now() + 20_000;
  while ((await probe()) !== true) {
    if (Date.now() > end) throw new Error(`${what}: not within 20 s`);
    await new Promise((wake) => setTimeout(wake, 2));
  }
}

/** A state as JSON has it, without what is over by then: no event says that. */
function plain(state, now) {
  const { bans, queue_bans, cooldowns, talk, ...rest } = JSON.parse(JSON.stringify(state));
  const left = (times) => Object.fromEntries(Object.entries(times).filter(([, end]) => end === null || end > now));
  return { ...rest, bans: left(bans), queue_bans: left(queue_bans), cooldowns: left(cooldowns), talk: talk && { ...talk, mutes: left(talk.mutes) } };
}

/** What a media server would say of somebody's stream. */
let told = 0;
async function air(event, user) {
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), String(++told)];
  const signature = createHash("sha1").update([SECRET, timestamp, nonce].sort().join("")).digest("hex");
  const body = { event, timestamp, nonce, signature, room_id: ROOM, room_session_id: "1", user_id: user, stream_id: `s-${user}`, stream_sid: `s-${user}`, stream_seq: nonce, create_time_ms: "1780000000000" };
  const answer = await fetch(`${hub.url}/api/hooks/z/${PATH}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(answer.status, 200);
  await answer.text();
  return { noop: true };
}

test("after each rev of any history the replica is the hub's snapshot", async (context) => {
  let seed = SEED;
  const draw = (n) => { seed = (seed * 1103515245 + 12345) % 2147483648; return Math.floor(seed / 65536) % n; };
  const one = (...choices) => choices[draw(choices.length)];
  const people = [];
  for (let index = 0; index < PEOPLE; index++) people.push(await member(`p${index}`, ROOM));
  const eye = await member("eye", ROOM);
  await until("a snapshot", () => eye.state !== null);
  const seen = new Map();
  eye.on("change", () => { seen.set(eye.state.rev, structuredClone(eye.state)); seen.delete(eye.state.rev - REMEMBERED); });
  const resets = [];
  const fetched = [];
  let last;
  eye.on("reset", (reason) => resets.push(reason));
  eye.client.on("frame", ({ out, frame }) => { if (!out && frame.type === "room_update") last = frame; else if (out && frame.type === "room_sync") fetched.push(JSON.stringify(last)); });

  const is = () => eye.state;
  const boss = () => people.find(({ client }) => client.userId === is().owner_user_id);
  const whoever = () => one(...people);
  const name = () => `p${draw(PEOPLE)}`;
  const by = (user) => people.find(({ client }) => client.userId === user) ?? whoever();
  const someone = () => ({ target_user_id: name() });
  const seat = () => 1 + draw(9);
  const place = () => one("front", "back", { before: name() }, { after: name() }, { up: 1 + draw(3) }, { down: 1 + draw(3) });
  const end = () => Date.now() + one(-1000, 50, 60_000, 3_600_000);
  const turn = () => ({ expect_turn_id: one(...is().turns)?.turn_id ?? "none" });
  const rules = () => ({
    max_mic_count: 3 + draw(6), host_seat: one(true, true, true, false), max_queue_len: one(0, 5, 500), timeout_seconds: one(0, 0, 1, 60), turn_max_total_seconds: one(0, 120), on_deck_size: draw(4), max_jumped_by: one(0, 2, 100),
    hold_seconds_queue: one(0, 1, 60), hold_seconds_seat: one(0, 1, 60), apply_ttl_seconds: one(5, 60), invite_ttl_seconds: one(5, 60), rejoin_cooldown_seconds: one(0, 0, 1, 300), stream_stop_grace_seconds: one(0, 1, 60), mode_grace_seconds: 0, mode_min_interval_seconds: 0, chair_min_level: one(0, 150, 700),
    access: one("open", "open", "open", "blacklist", "whitelist"), blacklist: one([], [name()]), whitelist: people.map(({ client }) => client.userId).filter(() => draw(8)),
    ...(draw(3) === 0 && { roles: [...is().rules.roles.filter(({ role_id }) => role_id !== "star"), { role_id: "star", level: 120 + draw(100), priority_level: draw(200), can_skip_queue: draw(2) === 0 }] }),
    special_user_list: one([], [{ user_id: name(), priority_level: 1 + draw(50) }]),
  });
  const free = { rejoin_cooldown_seconds: 0, access: "open", max_queue_len: 500, mode_grace_seconds: 0, mode_min_interval_seconds: 0 };
  const some = {
    queue_join: () => [whoever(), { note: "hi 🎙" }], queue_leave: () => [whoever()], queue_insert: () => [boss(), { ...someone(), place: one("front", "back", { before: name() }, { after: name() }), respect_rules: draw(2) === 0 }],
    queue_remove: () => [boss(), { target_user_ids: [name(), name()].slice(draw(2)) }], queue_move: () => [boss(), { ...someone(), place: place(), on_missing: one("fail", "nearest"), force: draw(2) === 0 }],
    queue_reorder: () => [boss(), { user_ids: is().queue.map(({ user_id }) => user_id).filter(() => draw(4)).reverse(), if_rev: eye.cursor }], queue_clear: () => [boss()], queue_restore: () => [boss(), { undo_id: one(...is().undo)?.undo_id ?? "none" }], queue_resort: () => [boss()],
    seat_take: () => [whoever(), one({}, { seat_no: seat() })], seat_leave: () => [whoever()], seat_assign: () => [boss(), { ...someone(), ...one({}, { seat_no: seat() }), policy: one("fail", "replace"), requeue: draw(2) === 0 }],
    seat_move: () => [boss(), { ...someone(), seat_no: seat(), policy: one("fail", "replace", "swap") }], seat_kick: () => [boss(), { ...someone(), requeue: draw(2) === 0, cooldown_seconds: one(0, 0, 1, 600) }],
    seat_lock: () => [boss(), { seat_nos: one([seat()], [seat()], "all"), on: draw(3) === 0, evict: draw(2) === 0 }], seat_mute: () => [one(boss(), whoever()), { seat_nos: one([seat()], "all"), on: draw(2) === 0 }], seat_extra: () => [boss(), { seat_no: seat(), extra: one("", `x${draw(9)}`) }],
    apply_submit: () => [whoever(), one({}, { want_seat: seat() })], apply_cancel: () => { const it = one(...is().applies); return [by(it?.user_id), { apply_id: it?.apply_id ?? "none" }]; }, apply_resolve: () => [boss(), { apply_id: one(...is().applies)?.apply_id ?? "none", approve: draw(2) === 0 }],
    invite_send: () => [boss(), { ...someone(), ...one({}, { seat_no: seat() }), ...one({}, { ttl_seconds: 5 }) }], invite_reply: () => { const it = one(...is().invites); return [by(it?.user_id), { invite_id: it?.invite_id ?? "none", accept: draw(2) === 0 }]; }, invite_cancel: () => [boss(), { invite_id: one(...is().invites)?.invite_id ?? "none" }],
    turn_next: () => [boss(), one({}, turn(), { seat_no: seat() })], turn_extend: () => [boss(), { ...turn(), seconds: one(-10, 30, 1) }], turn_pause: () => [boss(), turn()], turn_resume: () => [boss(), turn()], turn_yield: () => { const it = one(...is().turns); return [by(it?.user_id), { expect_turn_id: it?.turn_id ?? "none" }]; },
    mode_set: () => [boss(), { mode: one("free", "apply", "queue", "chair") }], flag_set: () => [boss(), { flag: one("queue_open", "floor_controlled", "mute_all"), on: draw(2) === 0 }], rules_set: () => [boss(), { rules: one(rules(), free, { ...free, max_mic_count: 8 }) }],
    role_set: () => [boss(), { ...someone(), role_id: one(null, "admin", "host", "vip", "guest", "star") }], owner_transfer: () => [boss(), someone()], user_kick: () => [boss(), someone()], user_ban: () => [boss(), { ...someone(), ...one({}, { until_ms: end() }) }], user_unban: () => [boss(), someone()],
    queue_ban: () => [boss(), { ...someone(), until_ms: one(0, end()) }], talk_set: () => [boss(), { slow_mode_seconds: draw(3), must_level: one(0, 600), normal_level: draw(100) }], talk_mute: () => [boss(), { ...someone(), ...one({}, { until_ms: 0 }, { until_ms: end() }) }],
  };
  const often = ["queue_join", "queue_join", "queue_join", "seat_take", "apply_submit", "apply_submit", "seat_assign", "invite_send", "user_unban", "mode_set"];
  const others = {
    batch: () => boss().send("batch", { atomic: draw(2) === 0, ops: Array.from({ length: 1 + draw(4) }, () => { const type = one(...Object.keys(some)); return { type, ...some[type]()[1] }; }) }),
    explain: () => { const type = one(...Object.keys(some)); return boss().send("explain", { command: { type, ...some[type]()[1] }, as_user_id: name() }).then(() => ({ noop: true })); },
    room_leave: () => whoever().leave(),
    drop: async () => { const { client } = whoever(); client.simulate("drop"); return { noop: true }; },
    air: () => air(one("stream_create", "stream_create", "stream_close"), one(...is().seats.filter(({ occupant }) => occupant))?.occupant.user_id ?? name()),
  };
  const names = [...Object.keys(some), ...often, ...Object.keys(others), "drop", "batch", "air", "air"];
  const counts = new Map();
  const events = new Set();
  eye.on("event", ({ event }) => events.add(event));
  let compared = 0;
  for (let step = 0; step < STEPS || (step < 10 * STEPS && names.some((each) => !counts.has(each))); step++) {
    for (const room of people) if (!room.joined) await room.join().catch(() => {});
    const which = one(...names);
    try {
      const [actor, fields] = some[which]?.() ?? [];
      const ack = await (actor ? actor.send(which, fields) : others[which]());
      counts.set(which, (counts.get(which) ?? 0) + 1);
      if (ack.rev && !ack.noop) await until("the ack's rev", () => is().rev >= ack.rev);
    } catch (error) {
      if (!error.code) throw error;
      assert.notEqual(error.name, "unknown_type", which);
    }
    // The clock of the room makes revs too, between what is asked and what is shown.
    await until("the same rev on both sides", async () => {
      const shot = await (await fetch(`${hub.url}/api/rooms/${ROOM}`)).json();
      const mine = seen.get(shot.rev);
      if (!mine) return is().rev === shot.rev && seen.size === 0;
      assert.deepEqual(plain(mine, shot.server_time_ms), plain(shot.state, shot.server_time_ms), `rev ${shot.rev}, step ${step}, ${which}`);
      compared++;
      return true;
    });
  }
  context.diagnostic(`${is().rev} revs, ${compared} snapshots, kinds of events: ${[...events].sort().join(" ")}`);
  assert.deepEqual(names.filter((each) => !counts.has(each)), [], "commands that were never accepted");
  assert.deepEqual([resets, fetched].map(String), ["", ""], "nothing was fetched anew");
  for (const { client, joined, id } of people) if (joined) await until(client.userId, () => client.room(id).cursor === eye.cursor);
});
