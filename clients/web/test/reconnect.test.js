// The whole reconnect behaviour in virtual time.
import assert from "node:assert/strict";
import { afterEach, beforeEach, mock, test } from "node:test";
import { HubClient, HubError, persistent, standard } from "../dist/michub.js";
import { FakeSocket, settle } from "./fake.js";

let states;
let clients;
beforeEach(() => {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 });
  FakeSocket.all = [];
  states = [];
  clients = [];
});
afterEach(() => {
  for (const client of clients) client.close();
  mock.timers.reset();
  mock.restoreAll();
});

/** Advances virtual time in small steps, so that what one timer causes is there for the next. */
async function pass(ms) {
  for (let left = ms; left > 0;) {
    const step = Math.min(left, 100);
    mock.timers.tick(step);
    await settle();
    left -= step;
  }
}

async function made(options = {}) {
  const client = new HubClient({ url: "ws://hub/ws", userId: "u1", WebSocket: FakeSocket, transport: "ws", ...options });
  clients.push(client);
  client.on("state", (change) => states.push(change));
  client.connect().catch(() => {});
  await settle();
  return client;
}

async function connected(options) {
  const client = await made(options);
  FakeSocket.last.welcome();
  await settle();
  return client;
}

test("the table is 0, 3, 6, 12, 24 s and five attempts", async () => {
  const client = await connected();
  await pass(10_000);
  const lostAt = Date.now();
  FakeSocket.last.end();
  const tries = [];
  for (let round = 0; round < 5; round++) {
    const before = FakeSocket.all.length;
    for (let waited = 0; FakeSocket.all.length === before && waited < 30_000; waited += 100) await pass(100);
    tries.push(Math.round((FakeSocket.last.at - lostAt) / 1000));
    assert.equal(client.attempt, round + 1);
    FakeSocket.last.end();
    await settle();
  }
  assert.deepEqual(tries, [0, 3, 9, 21, 45]);
  assert.equal(client.state, "failed");
  assert.equal(states.at(-1).why, "exhausted");
  assert.deepEqual([...new Set(states.map(({ state }) => state))], ["connecting", "connected", "disconnected", "failed"]);
  await pass(120_000);
  assert.equal(FakeSocket.all.length, 6);
});

test("every wait of the table is announced", async () => {
  await made();
  for (let round = 0; round < 6; round++) { FakeSocket.last.end(); await pass(25_000); }
  assert.deepEqual(states.filter(({ state }) => state === "disconnected").map(({ attempt, nextDelayMs }) => [attempt, nextDelayMs]), [[1, 0], [2, 3000], [3, 6000], [4, 12_000], [5, 24_000]]);
});

test("the presets", () => {
  const waits = (policy, count) => Array.from({ length: count }, (_, index) => policy({ attempt: index + 1 }));
  assert.deepEqual(waits(standard(), 6), [0, 3000, 6000, 12_000, 24_000, null]);
  for (const [low, high, random] of [[0.8, 0.8, 0], [1.2, 1.2, 1]]) {
    mock.method(Math, "random", () => random);
    assert.deepEqual(waits(standard({ jitter: 0.2 }), 5).map(Math.round), [0, 3000 * low, 6000 * high, 12_000 * low, 24_000 * low].map(Math.round));
    mock.restoreAll();
  }
  const long = waits(persistent(), 50);
  assert.ok(long[0] >= 0 && long[0] <= 500);
  assert.ok(long.slice(4).every((wait) => wait >= 12_000 && wait <= 36_000));
});

test("a custom policy sees what was lost and decides", async () => {
  const seen = [];
  await connected({ reconnect: (lost) => { seen.push(lost); return lost.attempt > 1 ? null : 700; } });
  FakeSocket.last.say({ type: "closing", code: 4102, name: "slow_consumer", retry_after_ms: 900 });
  FakeSocket.last.end(4102, "slow");
  assert.deepEqual(seen, [{ attempt: 1, elapsedMs: 0, closeCode: 4102, reason: "slow", serverAdviceMs: 900 }]);
  assert.equal(states.at(-1).nextDelayMs, 900);
  await pass(1000);
  FakeSocket.last.end();
  assert.equal(states.at(-1).state, "failed");
});

test("the counter returns to zero only after 5 s of a stable line", async () => {
  const client = await connected();
  FakeSocket.last.end();
  await pass(100);
  FakeSocket.last.welcome();
  await pass(4000);
  FakeSocket.last.end();
  assert.deepEqual([client.attempt, states.at(-1).nextDelayMs], [2, 3000]);
  await pass(3100);
  FakeSocket.last.welcome();
  await pass(5100);
  FakeSocket.last.end();
  assert.deepEqual([client.attempt, states.at(-1).nextDelayMs], [1, 0]);
});

for (const [code, outcome] of [[4000, "terminal"], [4001, "auth"], [4003, "terminal"], [4009, "terminal"], [4042, "terminal"], [1000, "terminal"], [1002, "terminal"], [1009, "terminal"]]) {
  test(`close ${code} ends in failed (${outcome})`, async () => {
    await connected();
    FakeSocket.last.end(code);
    assert.deepEqual([states.at(-1).state, states.at(-1).why, states.at(-1).willRetry], ["failed", outcome, false]);
    await pass(60_000);
    assert.equal(FakeSocket.all.length, 1);
  });
}

for (const code of [1001, 1005, 1006, 1011, 1012, 1014, 4100, 4101, 4108, 4129, 4177, 4200, 4255, 4301]) {
  test(`close ${code} comes back`, async () => {
    await connected();
    FakeSocket.last.end(code);
    await pass(200);
    assert.equal(FakeSocket.all.length, 2);
  });
}

test("the hub's advice wins over a shorter wait", async () => {
  await connected();
  FakeSocket.last.say({ type: "closing", code: 4101, name: "draining", retry_after_ms: 1840 });
  FakeSocket.last.end(4101);
  await pass(1700);
  assert.equal(FakeSocket.all.length, 1);
  await pass(200);
  assert.equal(FakeSocket.all.length, 2);
});

test("a token is asked for at connect, after 43xx, and before it ends", async () => {
  const asked = [];
  const token = (seconds) => `x.${btoa(JSON.stringify({ exp: Date.now() / 1000 + seconds }))}.y`;
  await connected({ getToken: ({ reason }) => { asked.push(reason); return token(100); } });
  assert.equal(FakeSocket.last.sent[0].token.slice(0, 2), "x.");
  await pass(79_900);
  assert.deepEqual(asked, ["connect"]);
  await pass(200);
  assert.deepEqual(asked, ["connect", "refresh"]);
  FakeSocket.last.ack("refresh_token", { expires_at_ms: 1 });
  await settle();
  FakeSocket.last.end(4301);
  await pass(100);
  assert.deepEqual(asked, ["connect", "refresh", "expired"]);
  assert.equal(FakeSocket.all.length, 2);
});

test("Unauthorized from the token callback is final; another error is a lost try", async () => {
  await made({ getToken: () => { throw Object.assign(new Error("no"), { name: "Unauthorized" }); } });
  assert.deepEqual([states.at(-1).state, states.at(-1).why], ["failed", "auth"]);
  states = [];
  await made({ getToken: () => Promise.reject(new Error("backend is away")) });
  assert.deepEqual([states[1].state, states[1].willRetry], ["disconnected", true]);
});

test("after failed, wake and connect start a new round", async () => {
  const client = await made();
  for (let round = 0; round < 6; round++) { FakeSocket.last.end(); await pass(25_000); }
  assert.equal(client.state, "failed");
  client.wake();
  await settle();
  assert.equal(client.state, "connecting");
  FakeSocket.last.welcome();
  await settle();
  assert.deepEqual([client.state, client.attempt], ["connected", 0]);
});

test("no frame for the ping interval, a heartbeat, no answer: the watchdog ends the line", async () => {
  const client = await connected();
  await pass(10_000);
  FakeSocket.last.alive = false;
  FakeSocket.last.say({ type: "room_presence", room_id: "x", online: 1, changes: [] });
  const quiet = Date.now();
  while (client.state === "connected" && Date.now() - quiet < 60_000) await pass(100);
  assert.ok((Date.now() - quiet) / 1000 <= 35, `${Date.now() - quiet} ms`);
  assert.equal(FakeSocket.all[0].closed, true);
});

test("after a sleep of the machine the line is asked, and not waited for long", async () => {
  const client = await connected();
  await pass(10_000);
  FakeSocket.last.alive = false;
  const now = Date.now;
  mock.method(Date, "now", () => now() + 600_000);
  await pass(16_900);
  assert.equal(states.findLast(({ state }) => state === "disconnected")?.reason, "no sign of life");
});

test("pinging often does not put the watchdog off", async () => {
  const client = await connected();
  FakeSocket.last.alive = false;
  for (let second = 0; second < 15 && client.state === "connected"; second++) { client.ping(); await pass(1000); }
  assert.equal(client.state === "connected", false);
});

test("a line with answers stays, with a heartbeat at least every 30 s", async () => {
  const client = await connected();
  const socket = FakeSocket.last;
  await pass(300_000);
  assert.equal(client.state, "connected");
  const beats = socket.sent.filter(({ type }) => type === "heartbeat").map(({ ts_ms }) => ts_ms);
  assert.ok(beats.length >= 10 && beats.every((at, index) => index === 0 || at - beats[index - 1] <= 30_000));
});

test("with late timers every inbound frame still brings the heartbeat", async () => {
  const client = await connected();
  const socket = FakeSocket.last;
  socket.sent.length = 0;
  mock.timers.setTime(Date.now()); // no timer runs from here, as in a hidden page
  const now = Date.now();
  mock.method(Date, "now", () => now + 31_000);
  socket.say({ type: "room_presence", room_id: "x", online: 1, changes: [] });
  assert.deepEqual(socket.types(), ["heartbeat"]);
  mock.restoreAll();
  assert.equal(client.state, "connected");
});

test("what waits for a line is bounded, and never lost in silence", async () => {
  const client = await made({ offlineMax: 3 });
  const outcome = [];
  const note = (name) => [() => outcome.push(`${name} done`), (error) => outcome.push(`${name} ${error.name}`)];
  client.request("status_change", { status: "busy" }).then(...note("a"));
  client.request("room_message", { room_id: "r", class: "droppable", body: "x" }).then(...note("b"));
  client.request("status_change", { status: "away" }).then(...note("c"));
  client.request("status_change", { status: "online" }).then(...note("d"));
  client.request("status_change", { status: "busy" }).then(...note("e"));
  await settle();
  assert.deepEqual(outcome, ["b offline_full", "e offline_full"]);
  FakeSocket.last.welcome();
  await settle();
  assert.deepEqual(FakeSocket.last.sent.filter(({ type }) => type === "status_change").map(({ status }) => status), ["busy", "away", "online"]);
  for (const frame of FakeSocket.last.sent.filter(({ id }) => id)) FakeSocket.last.say({ type: "ack", id: frame.id });
  await settle();
  assert.deepEqual(outcome.slice(2), ["a done", "c done", "d done"]);
  client.close();
  await assert.rejects(client.request("status_change", {}), (error) => error instanceof HubError && error.name === "disconnected");
});

test("a command in flight goes out again with the same op_id; a direct message is rejected", async () => {
  const client = await connected();
  const moved = client.room("r").send("queue_join");
  const told = client.sendMessage("u2", "hello");
  const first = FakeSocket.last.sent.find(({ type }) => type === "queue_join");
  FakeSocket.last.end();
  await assert.rejects(told, { name: "disconnected" });
  await pass(100);
  FakeSocket.last.welcome();
  await settle();
  const second = FakeSocket.last.sent.find(({ type }) => type === "queue_join");
  assert.ok(first.op_id);
  assert.deepEqual(second, first);
  FakeSocket.last.ack("queue_join", { dup: true, rev: 4 });
  assert.equal((await moved).dup, true);
});

test("every room command has a key, however it is sent; what changes no room has none", async () => {
  const client = await connected();
  const room = client.room("r");
  const sent = [() => room.send("turn_next", {}), () => client.request("turn_next", { room_id: "r" }), () => client.request("room_close", { room_id: "r" }), () => room.send("queue_join", { op_id: "mine" }),
    () => room.send("explain", { command: { type: "queue_join" } }), () => client.request("room_members", { room_id: "r" }), () => client.setStatus("busy")].map((send) => {
    send().catch(() => {});
    return FakeSocket.last.sent.at(-1).op_id;
  });
  assert.deepEqual(sent.map((key) => key === "mine" ? key : typeof key), ["string", "string", "string", "mine", "undefined", "undefined", "undefined"]);
  assert.notEqual(sent[0], sent[1]);
});

test("a request without an answer ends in timeout", async () => {
  const client = await connected({ timeoutMs: 2000 });
  const asked = client.request("status_change", { status: "busy" });
  asked.catch(() => {});
  await pass(2100);
  await assert.rejects(asked, { name: "timeout" });
});

test("resuming names the session, the rooms and how long the line was away", async () => {
  const client = await connected();
  const room = client.room("r");
  room.join();
  FakeSocket.last.ack("room_join", { room_id: "r", cursor: "0.aa", rev: 0, role: "owner", recovered: false });
  FakeSocket.last.say({ type: "room_snapshot", room_id: "r", cursor: "0.aa", rev: 0, state: { rev: 0, queue: [] }, server_time_ms: 0 });
  await pass(6000);
  FakeSocket.last.end();
  await pass(100);
  FakeSocket.last.open();
  const hello = FakeSocket.last.sent[0];
  assert.deepEqual([hello.session_token, hello.rooms, hello.attempt, hello.down_ms], ["st", [{ room_id: "r", cursor: "0.aa" }], 1, 100]);
});

test("faults can be simulated", async () => {
  const client = await connected();
  for (const fault of ["drop", "token_expired", "drain"]) {
    const before = FakeSocket.all.length;
    client.simulate(fault);
    assert.equal(client.state, "disconnected");
    await pass(3100);
    assert.equal(FakeSocket.all.length, before + 1);
    FakeSocket.last.welcome();
    await pass(6000);
  }
  client.simulate("half_open");
  while (client.state === "connected") await pass(100);
  assert.equal(states.findLast(({ state }) => state === "disconnected").reason, "no sign of life");
});

test("three refused upgrades in a row turn to polling", async () => {
  const client = await made({ transport: "auto", reconnect: () => 100 });
  for (let refusal = 0; refusal < 3; refusal++) {
    assert.equal(client.transport, "ws");
    FakeSocket.last.end();
    await pass(200);
  }
  assert.equal(client.transport, "poll");
  assert.equal(FakeSocket.all.length, 3);
});

test("upgrades that nobody answers, and lines that stay silent, turn to polling too", async () => {
  const client = await made({ transport: "auto", reconnect: () => 100 });
  await pass(10_200);
  FakeSocket.last.open();
  await pass(10_200);
  assert.equal(client.transport, "ws");
  FakeSocket.last.open();
  await pass(10_200);
  assert.deepEqual([client.transport, FakeSocket.all.length], ["poll", 3]);
});

test("a network that lets upgrades in and swallows their frames is polled, and tried seldom", async () => {
  await import("../dist/poll.js");
  const welcome = { type: "welcome", session_id: "s1", user_id: "u1", session_token: "st", heartbeat_interval_ms: 30_000, ping_interval_ms: 25_000, server_time_ms: 0, rooms: [], frames: [], heard: "" };
  mock.method(globalThis, "fetch", async (url, { body }) => JSON.parse(body).wait_ms ? new Promise(() => {}) : { ok: true, status: 200, json: async () => ({ ...welcome, server_time_ms: Date.now() }) });
  const client = await made({ transport: "auto", reconnect: () => 100 });
  // What is no timer needs real turns of the loop.
  const polls = async () => {
    for (let turn = 0; turn < 50 && !(client.transport === "poll" && client.state === "connected"); turn++) await new Promise(setImmediate);
    assert.deepEqual([client.transport, client.state], ["poll", "connected"]);
  };
  for (let round = 0; round < 3; round++) {
    FakeSocket.last.open();
    await pass(10_200);
  }
  await polls();
  await pass(7000);
  assert.equal(FakeSocket.all.length, 4, "an upgrade is tried soon");
  FakeSocket.last.open();
  await pass(200);
  assert.equal(FakeSocket.all.length, 5, "and used");
  FakeSocket.last.open();
  await pass(10_200);
  await polls();
  for (let second = 0; second < 280; second++) await pass(1000);
  assert.equal(FakeSocket.all.length, 5, "not again for minutes");
  for (let second = 0; second < 30; second++) await pass(1000);
  assert.equal(FakeSocket.all.length, 6);
});

test("lines that were up and broke are no reason to poll", async () => {
  const client = await connected({ transport: "auto", reconnect: () => 100 });
  for (let round = 0; round < 5; round++) {
    FakeSocket.last.end();
    await pass(200);
    FakeSocket.last.welcome();
  }
  assert.deepEqual([client.transport, client.state], ["ws", "connected"]);
});

test("a token that never comes is asked for again", async () => {
  let asked = 0;
  const client = await made({ getToken: () => new Promise((done) => { if (++asked > 1) done("t"); }) });
  assert.deepEqual([client.state, FakeSocket.all.length], ["connecting", 0]);
  await pass(10_100);
  assert.deepEqual([asked, FakeSocket.all.length], [2, 1]);
});

test("a token provider that throws at once ends connect() all the same", async () => {
  const client = new HubClient({ url: "ws://hub/ws", userId: "u1", WebSocket: FakeSocket, getToken: () => { throw Object.assign(new Error("no"), { name: "Unauthorized" }); } });
  await assert.rejects(client.connect(), { name: "auth" });
  assert.equal(client.state, "failed");
});

test("a token provider that fails is asked again, by the table, and is no reason to poll", async () => {
  let asked = 0;
  const client = await made({ transport: "auto", getToken: async () => { if (++asked < 5) throw new Error("down"); return "t"; } });
  await pass(22_000);
  assert.deepEqual([asked, client.transport, FakeSocket.all.length], [5, "ws", 1]);
});

test("a socket that cannot even be made is a refused one", async () => {
  const client = await made({ transport: "auto", reconnect: () => 100, WebSocket: class { constructor() { throw new Error("not allowed here"); } } });
  await pass(250);
  assert.equal(client.transport, "poll");
});

test("whoever closes while it connects stays closed", async () => {
  const client = new HubClient({ url: "ws://hub/ws", userId: "u1", WebSocket: FakeSocket });
  client.on("state", ({ state }) => { if (state === "connecting") client.close(); });
  await assert.rejects(client.connect(), { name: "closed" });
  await pass(60_000);
  assert.deepEqual([client.state, FakeSocket.all.length], ["disconnected", 0]);
});

test("what is no frame, and frames of a newer hub, end nothing", async () => {
  const client = await connected();
  mock.method(console, "error", () => {});
  const socket = FakeSocket.last;
  for (const data of ["", "null", "[1", "7", '"text"', "{}", '{"type":7}', '{"type":"ack","id":99}', '{"type":"thought","room_id":"r"}', '{"type":"room_update","room_id":"nowhere"}', "[object Blob]"]) socket.onmessage({ data });
  await pass(31_000);
  assert.deepEqual([client.state, FakeSocket.all.length], ["connected", 1]);
});

test("a clock that is put back by an hour stops no heartbeat", async () => {
  const client = await connected();
  const socket = FakeSocket.last;
  await pass(10_000);
  const now = Date.now.bind(Date);
  mock.method(Date, "now", () => now() - 3_600_000);
  socket.sent.length = 0;
  await pass(90_000);
  assert.ok(socket.types().filter((type) => type === "heartbeat").length >= 3);
  assert.equal(client.state, "connected");
});

test("a clock that is wrong by hours renews a token as often as a right one", async () => {
  for (const wrong of [-3, 3]) {
    const asked = [];
    const real = () => Date.now() + wrong * 3_600_000;
    await made({ getToken: ({ reason }) => { asked.push(reason); return `x.${btoa(JSON.stringify({ exp: real() / 1000 + 100 }))}.y`; } });
    FakeSocket.last.welcome({ server_time_ms: real() });
    const socket = FakeSocket.last;
    socket.alive = false;
    for (let step = 0; step < 160; step++) {
      socket.say({ type: "heartbeat_ack", timestamp: 0, ts_ms: Date.now(), server_ts_ms: real() });
      await pass(500);
    }
    assert.deepEqual(asked, ["connect", "refresh"]);
  }
});

test("a page that was frozen with a question open asks again before it gives the line up", async () => {
  const client = await connected();
  FakeSocket.last.alive = false;
  await pass(31_000);
  const now = Date.now.bind(Date);
  mock.method(Date, "now", () => now() + 600_000);
  const before = FakeSocket.last.types().length;
  client.wake();
  await pass(500);
  assert.ok(FakeSocket.last.types().length > before);
  FakeSocket.last.say({ type: "heartbeat_ack", timestamp: 0, ts_ms: Date.now(), server_ts_ms: Date.now() });
  await pass(5000);
  assert.deepEqual([client.state, FakeSocket.all.length], ["connected", 1]);
});

test("a page that is put aside opens nothing until it is shown again", async () => {
  const told = {};
  globalThis.addEventListener = (name, run) => { told[name] = run; };
  try { await connected(); } finally { delete globalThis.addEventListener; }
  told.pagehide({ persisted: true });
  assert.deepEqual([FakeSocket.last.closed, states.at(-1).willRetry], [true, true]);
  await pass(60_000);
  assert.equal(FakeSocket.all.length, 1);
  told.pageshow({ persisted: true });
  FakeSocket.last.welcome();
  assert.equal(FakeSocket.all.length, 2);
});

test("countdowns follow the hub's clock", async () => {
  const client = await connected();
  FakeSocket.last.say({ type: "heartbeat_ack", timestamp: 0, ts_ms: Date.now(), server_ts_ms: Date.now() + 7000 });
  assert.equal(client.room("r").skewMs, 7000);
});

/** A client that was in room `r`, and has just come back to a hub that says `error` about it. */
async function back(error) {
  const client = await connected();
  const room = client.room("r");
  const refused = [];
  room.on("refused", (name) => refused.push(name));
  room.join();
  FakeSocket.last.ack("room_join", { room_id: "r", cursor: "0.aa", rev: 0, role: "owner", recovered: false });
  FakeSocket.last.say({ type: "room_snapshot", room_id: "r", cursor: "0.aa", rev: 0, state: { rev: 0, queue: [] }, server_time_ms: 0 });
  await pass(6000);
  FakeSocket.last.end();
  await pass(100);
  FakeSocket.last.welcome({ rooms: [{ room_id: "r", error }] });
  await settle();
  const asked = () => FakeSocket.last.sent.filter(({ type }) => type === "room_join");
  const refuse = (fields) => FakeSocket.last.say({ type: "error", id: asked().at(-1).id, message: "", retry_after_ms: 0, details: {}, temporary: false, ...fields });
  return { room, refused, asked, refuse };
}

test("a room that is closed for now is tried again, and stays as it was shown", async () => {
  const { room, refused, asked, refuse } = await back("unavailable");
  for (let tries = 1; tries < 4; tries++) {
    assert.equal(asked().length, tries);
    refuse({ code: 1017, name: "unavailable", temporary: true, retry_after_ms: 1500 });
    await pass(1400);
    assert.equal(asked().length, tries);
    await pass(200);
  }
  assert.deepEqual([room.joined, room.state.rev, refused], [true, 0, []]);
  FakeSocket.last.ack("room_join", { room_id: "r", cursor: "0.aa", rev: 0, role: "owner", recovered: true });
  await pass(60_000);
  assert.equal(asked().length, 4);
});

test("a room that is closed for good is left, and its page told so", async () => {
  const { room, refused, asked, refuse } = await back("forbidden");
  refuse({ code: 1005, name: "forbidden" });
  await pass(60_000);
  assert.deepEqual([room.joined, room.state, refused, asked().length], [false, null, ["forbidden"], 1]);
});

test("thousands of updates, repeated ones, gaps and unknown events are survived", async () => {
  const client = await connected();
  const room = client.room("r");
  room.join();
  const snapshot = () => ({ type: "room_snapshot", room_id: "r", cursor: "c0", state: { rev: 0, queue: [], seats: [], turns: [], roles: {}, flags: {}, rules: { on_deck_size: 1, roles: [] } }, server_time_ms: 0 });
  FakeSocket.last.ack("room_join", { room_id: "r", cursor: "c0", rev: 0 });
  FakeSocket.last.say(snapshot());
  for (let at = 1; at <= 5000; at++) {
    const update = { type: "room_update", room_id: "r", prev: at % 50 === 0 ? "gap" : room.cursor, cursor: `c${at}`, events: [{ rev: at, event: at % 70 === 0 ? "dreamt" : "queue_on_deck", by: "hub", at_ms: 0 }] };
    FakeSocket.last.say(update);
    FakeSocket.last.say(update);
    const asked = FakeSocket.last.sent.findLast(({ type }) => type === "room_sync");
    if (asked && FakeSocket.last.sent.length) {
      FakeSocket.last.ack("room_sync", { room_id: "r", cursor: room.cursor });
      FakeSocket.last.say(snapshot());
      await settle();
    }
    FakeSocket.last.sent.length = 0;
  }
  assert.deepEqual([client.state, room.joined, room.cursor !== ""], ["connected", true, true]);
});
