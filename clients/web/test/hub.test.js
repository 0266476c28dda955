// The client against the real hub.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { startHub } from "../../../tests/web/hub.js";
import { HubClient, OnlineStatusManager } from "../dist/michub.js";

let hub;
const clients = [];
before(async () => { hub = await startHub({ MICHUB_ROOM__RULES__MODE_MIN_INTERVAL_SECONDS: "0", MICHUB_ROOM__RULES__MODE_GRACE_SECONDS: "0" }); });
after(async () => { for (const client of clients) client.close(); await hub.stop(); });

function made(userId, options = {}) {
  const client = new HubClient({ url: `${hub.url}/ws`, userId, reconnect: () => 100, ...options });
  clients.push(client);
  return client;
}

async function member(userId, roomId, options) {
  const client = made(userId, options);
  await client.connect();
  const room = client.room(roomId);
  await room.join();
  await shown(room, () => room.state !== null);
  return room;
}

/** Waits until `probe` holds. */
async function shown(room, probe) {
  const end = Date.now() + 60_000;
  while (!probe()) {
    if (Date.now() > end) throw new Error(`not shown: ${JSON.stringify(room.state)}`);
    await new Promise((wake) => setTimeout(wake, 5));
  }
}

const waiting = (room) => room.queue.map(({ user_id }) => user_id);
async function snapshot(roomId) { return (await (await fetch(`${hub.url}/api/rooms/${roomId}`)).json()).state; }

test("the inherited class: initialize, ask, watch", async () => {
  const manager = new OnlineStatusManager(made("kol_1", { userType: "kol" }));
  await manager.initialize();
  const [before] = await manager.requestOnlineStatus(["fan_1"]);
  assert.deepEqual([before.online, before.status], [false, "offline"]);
  const seen = [];
  const busy = new Promise((done) => manager.onUserStatusChange("fan_1", ({ status }) => { seen.push(status); if (status === "busy") done(); }));
  const fan = made("fan_1");
  await fan.connect();
  await fan.setStatus("busy");
  await busy;
  assert.deepEqual([seen[0], seen.at(-1)], ["offline", "busy"]);
  const told = new Promise((done) => fan.on("message", done));
  assert.equal((await manager.client.sendMessage("fan_1", "你好")).delivered, 1);
  assert.equal((await told).message, "你好");
  await assert.rejects(manager.client.sendMessage("nobody", "x"), { name: "user_not_reachable", code: 7001 });
});

test("a move shows at once, and is taken back when refused", async () => {
  const owner = await member("o2", "r2");
  await owner.send("mode_set", { mode: "chair" });
  const people = await Promise.all(["a", "b", "c"].map((name) => member(`${name}2`, "r2")));
  for (const one of people) await one.send("queue_join");
  await shown(owner, () => waiting(owner).length === 3);
  const moved = owner.move("c2", { before: "a2" });
  assert.deepEqual(waiting(owner), ["c2", "a2", "b2"]);
  assert.deepEqual(owner.state.queue.map(({ user_id }) => user_id), ["a2", "b2", "c2"]);
  await moved;
  await shown(people[0], () => String(waiting(people[0])) === "c2,a2,b2");
  const rollback = new Promise((done) => people[0].on("rollback", done));
  const refused = people[0].move("a2", "front", { force: true });
  await assert.rejects(refused, { name: "forbidden", code: 1005 });
  await rollback;
  assert.deepEqual(waiting(people[0]), ["c2", "a2", "b2"]);
});

test("the loser of a stale reorder sees the rebased list", async () => {
  const owner = await member("o3", "r3");
  await owner.send("mode_set", { mode: "chair" });
  const other = await member("o3", "r3");
  const people = await Promise.all(["a", "b", "c"].map((name) => member(`${name}3`, "r3")));
  for (const one of people) await one.send("queue_join");
  await Promise.all([owner, other].map((room) => shown(room, () => waiting(room).length === 3)));
  const both = await Promise.allSettled([owner.reorder(["c3", "b3", "a3"]), other.reorder(["b3", "a3", "c3"])]);
  assert.deepEqual(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
  assert.equal(both.find(({ reason }) => reason).reason.name, "stale_rev");
  await shown(other, () => String(waiting(other)) === String(waiting(owner)) && other.cursor === owner.cursor);
});

test("a lost line resumes: same session, same place", async () => {
  const owner = await member("o4", "r4");
  await owner.send("mode_set", { mode: "chair" });
  const fan = await member("f4", "r4");
  await fan.send("queue_join");
  const { client } = fan;
  const session = client.welcome.session_id;
  for (const fault of ["drop", "drain", "token_expired"]) {
    const back = new Promise((done) => { const off = client.on("welcome", (welcome) => { off(); done(welcome); }); });
    client.simulate(fault);
    const welcome = await back;
    assert.deepEqual([welcome.resumed, welcome.session_id, welcome.rooms[0].recovered], [true, session, true], fault);
    await shown(owner, () => owner.state.queue[0]?.user_id === "f4" && owner.state.queue[0].state === "waiting");
  }
});

test("a half-open line is found by the watchdog", async () => {
  const client = made("half", { watchdogMs: 400 });
  await client.connect();
  const away = new Promise((done) => client.on("state", ({ state, reason }) => state === "disconnected" && done(reason)));
  client.simulate("half_open");
  client.ping();
  assert.equal(await away, "no sign of life");
  await new Promise((done) => client.on("welcome", done));
});

test("kill -9 under commands: every accepted one is there, none twice", async () => {
  const owner = await member("o6", "r6");
  await owner.send("mode_set", { mode: "chair" });
  const people = await Promise.all(Array.from({ length: 8 }, (_, index) => member(`p6-${index}`, "r6")));
  await Promise.all(people.slice(0, 4).map((one) => one.send("queue_join")));
  const rest = people.slice(4).map((one) => one.send("queue_join"));
  await hub.restart();
  const acks = await Promise.all(rest);
  assert.equal(acks.length, 4);
  await shown(owner, () => waiting(owner).length === 8);
  assert.equal(new Set(waiting(owner)).size, 8);
  const state = await snapshot("r6");
  assert.deepEqual(state.queue.map(({ user_id }) => user_id), waiting(owner));
});

test("without a socket the same is seen and said", async () => {
  const owner = await member("own9", "r9");
  await owner.send("seat_lock", { seat_nos: "all", on: true });
  const polls = await member("p9", "r9", { transport: "poll" });
  assert.equal(polls.client.transport, "poll");
  await polls.send("queue_join");
  await shown(owner, () => String(waiting(owner)) === "p9");
  const heard = new Promise((done) => polls.on("message", done));
  await owner.client.request("room_message", { room_id: "r9", class: "must", kind: "chat", body: "你好" });
  assert.equal((await heard).body, "你好");
  const told = new Promise((done) => owner.on("message", (message) => message.from_user_id === "p9" && done(message)));
  await polls.client.request("room_message", { room_id: "r9", class: "normal", kind: "chat", body: "hi" });
  assert.equal((await told).body, "hi");
  const direct = new Promise((done) => owner.client.on("message", done));
  assert.equal((await polls.client.sendMessage("own9", "yes")).delivered, 1);
  assert.equal((await direct).message, "yes");
  await polls.client.setStatus("busy");
  const [shownAs] = (await owner.client.request("request_online_status", { user_ids: ["p9"] })).user_status;
  assert.equal(shownAs.status, "busy");
  const { members, total } = await polls.client.request("room_members", { room_id: "r9" });
  assert.deepEqual([members.map(({ user_id }) => user_id), total], [["own9", "p9"], 2]);
  await polls.leave();
  await shown(owner, () => waiting(owner).length === 0);
});

test("a hub that was down is no network without sockets: the session goes back to one by itself", async () => {
  let isDown = true;
  const Late = class extends WebSocket { constructor(url, protocols) { super(isDown ? "ws://127.0.0.1:1/ws" : url, protocols); } };
  const watcher = made("watcher");
  await watcher.connect();
  const seen = [];
  watcher.onUserStatusChange("late", ({ status }) => seen.push(status));
  const room = await member("late", "r9", { WebSocket: Late });
  assert.equal(room.client.transport, "poll");
  const session = room.client.welcome.session_id;
  await room.send("queue_join");
  isDown = false;
  await shown(room, () => room.client.transport === "ws" && room.client.state === "connected");
  assert.deepEqual([room.client.welcome.resumed, room.client.welcome.session_id], [true, session]);
  await room.send("queue_leave").catch((error) => assert.equal(error.name, "not_queued"));
  assert.ok(!seen.slice(seen.indexOf("online")).includes("offline"), String(seen));
});

test("where making a socket throws, polling goes on, also after it has been tried beside it", async () => {
  let tries = 0;
  const Forbidden = class { constructor() { tries++; throw new Error("not allowed here"); } };
  const room = await member("barred", "r10", { WebSocket: Forbidden });
  const lost = [];
  room.client.on("state", ({ state }) => lost.push(state));
  await shown(room, () => tries === 4);
  await room.send("queue_join");
  assert.deepEqual([room.client.transport, room.client.state, lost], ["poll", "connected", []]);
});

for (const transport of ["ws", "poll", "sse"]) {
  test(`a program ends soon after its client is closed (${transport})`, async () => {
    const program = `import { HubClient } from ${JSON.stringify(new URL("../dist/michub.js", import.meta.url).href)};
      const client = new HubClient({ url: "${hub.url}/ws", userId: "brief-${transport}", transport: "${transport}" });
      await client.connect();
      await client.room("brief").join();
      client.close();
      const closed = Date.now();
      process.on("exit", () => console.log(Date.now() - closed));`;
    const { stdout } = await promisify(execFile)(process.execPath, ["--experimental-websocket", "--input-type=module", "-e", program], { timeout: 60_000 });
    assert.ok(Number(stdout) < 20_000, `${stdout} ms`);
  });
}
