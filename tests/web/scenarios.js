// What a client must do, as one list: run by Node and by Chromium against the same hub. Each scenario is self-contained: its text travels into the page.

/** What scenarios work with. `michub` is the client's module, `control(what)` reaches the hub from outside, `transport` is how everybody reaches it. */
export function makeKit(michub, base, control, transport) {
  const clients = [];
  const own = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 6)}`;
  const kit = {
    ...michub, control, base, transport, url: `${base.replace("http", "ws")}/ws`,
    /** An id that no other scenario uses. */
    id: (name) => `${name}-${own}`,
    client(name, options = {}) {
      const client = new michub.HubClient({ url: kit.url, userId: kit.id(name), reconnect: () => 50, transport, ...options });
      clients.push(client);
      return client;
    },
    async member(name, room, options) {
      const client = kit.client(name, options);
      await client.connect();
      await client.room(room).join();
      await kit.until("a state", () => client.room(room).state);
      return client.room(room);
    },
    /** Waits until `probe` holds. */
    async until(what, probe, ms = 60_000) {
      const end = Date.now() + ms;
      while (!probe()) {
        if (Date.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
        await new Promise((wake) => setTimeout(wake, 10));
      }
    },
    once: (source, event, probe = () => true, ms = 60_000) => new Promise((done, refuse) => {
      const late = setTimeout(() => { off(); refuse(new Error(`no ${event} within ${ms} ms`)); }, ms);
      const off = source.on(event, (value) => { if (probe(value)) { clearTimeout(late); off(); done(value); } });
    }),
    equal(got, wanted, what = "value") {
      const [a, b] = [got, wanted].map((value) => JSON.stringify(value));
      if (a !== b) throw new Error(`${what}: ${a}, wanted ${b}`);
    },
    /** Makes every way to the hub fail, as a dead network does; gives when each try began. Ends with the scenario. */
    refuse() {
      const at = [];
      const { fetch: real, WebSocket: Real } = globalThis;
      kit.undo = () => Object.assign(globalThis, { fetch: real, WebSocket: Real });
      globalThis.fetch = async () => { at.push(Date.now()); throw new TypeError("no network"); };
      globalThis.WebSocket = class { constructor() { at.push(Date.now()); queueMicrotask(() => this.onclose?.({ code: 1006, reason: "" })); } send() {} close() {} };
      return at;
    },
    async refused(promise, name) {
      const error = await promise.then(() => null, (reason) => reason);
      kit.equal(error?.name, name, "refusal");
      return error;
    },
    waiting: (room) => room.queue.map((entry) => entry.user_id),
    async snapshot(room) { return (await (await fetch(`${base}/api/rooms/${room}`)).json()).state; },
    end() { kit.undo?.(); for (const client of clients) client.close(); },
  };
  return kit;
}

export const scenarios = [
  { name: "initialize, ask, watch, direct message", async run(kit) {
    const manager = new kit.OnlineStatusManager(kit.client("kol", { userType: "kol" }));
    await manager.initialize();
    const [before] = await manager.requestOnlineStatus([kit.id("fan")]);
    kit.equal([before.online, before.status], [false, "offline"]);
    const seen = [];
    manager.onUserStatusChange(kit.id("fan"), ({ status }) => seen.push(status));
    const fan = kit.client("fan");
    await fan.connect();
    await fan.setStatus("busy");
    await kit.until("busy is seen", () => seen.at(-1) === "busy");
    const told = kit.once(fan, "message");
    kit.equal((await manager.client.sendMessage(kit.id("fan"), "你好")).delivered, 1);
    kit.equal((await told).message, "你好");
    await kit.refused(manager.client.sendMessage(kit.id("nobody"), "x"), "user_not_reachable");
  } },
  { name: "optimistic move, and its rollback", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    await owner.send("mode_set", { mode: "chair" });
    const [a, b, c] = [await kit.member("a", id), await kit.member("b", id), await kit.member("c", id)];
    for (const one of [a, b, c]) await one.send("queue_join");
    const [ida, idb, idc] = ["a", "b", "c"].map(kit.id);
    await kit.until("three wait", () => owner.queue.length === 3);
    const asked = owner.move(idc, { before: ida });
    kit.equal(kit.waiting(owner), [idc, ida, idb], "shown at once");
    await asked;
    await kit.until("seen by another", () => String(kit.waiting(a)) === String([idc, ida, idb]));
    const taken = kit.once(a, "rollback");
    await kit.refused(a.move(ida, "front", { force: true }), "forbidden");
    await taken;
    kit.equal(kit.waiting(a), [idc, ida, idb], "after the rollback");
  } },
  { name: "a stale reorder is refused and rebased", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    await owner.send("mode_set", { mode: "chair" });
    const other = await kit.member("o", id);
    const names = ["a", "b", "c"].map(kit.id);
    for (const name of ["a", "b", "c"]) await (await kit.member(name, id)).send("queue_join");
    await kit.until("both see three", () => owner.queue.length === 3 && owner.cursor === other.cursor);
    const both = await Promise.allSettled([owner.reorder([...names].reverse()), other.reorder([names[1], names[0], names[2]])]);
    kit.equal(both.map(({ status }) => status).sort(), ["fulfilled", "rejected"]);
    kit.equal(both.find(({ reason }) => reason).reason.name, "stale_rev");
    await kit.until("both are equal", () => String(kit.waiting(owner)) === String(kit.waiting(other)) && owner.cursor === other.cursor);
  } },
  { name: "drop: resumed, place kept", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    await owner.send("mode_set", { mode: "chair" });
    const fan = await kit.member("f", id);
    await fan.send("queue_join");
    const session = fan.client.welcome.session_id;
    fan.client.simulate("drop");
    const back = await kit.once(fan.client, "welcome");
    kit.equal([back.resumed, back.session_id === session, back.rooms[0].recovered], [true, true, true]);
    await kit.until("still waiting", () => owner.state.queue[0]?.state === "waiting");
  } },
  { name: "half-open line found by the watchdog", async run(kit) {
    const client = kit.client("h", { watchdogMs: 400 });
    await client.connect();
    client.simulate("half_open");
    client.ping();
    const lost = await kit.once(client, "state", ({ state }) => state === "disconnected");
    kit.equal(lost.reason, "no sign of life");
    kit.equal((await kit.once(client, "welcome")).resumed, true);
  } },
  { name: "expired token: 4301, a new one, resumed", async run(kit) {
    const asked = [];
    const mint = async (seconds) => (await (await fetch(`${kit.base}/api/online-status/rts-token`, { method: "POST", body: JSON.stringify({ user_id: kit.id("t"), expire_time: seconds }) })).json()).token;
    const client = kit.client("t", { getToken: ({ reason }) => { asked.push(reason); if (reason === "refresh") throw new Error("the backend sleeps"); return mint(reason === "connect" ? 5 : 600); } });
    await client.connect();
    const lost = await kit.once(client, "state", ({ state }) => state === "disconnected");
    kit.equal([lost.code, lost.nextDelayMs], [4301, 0]);
    kit.equal((await kit.once(client, "welcome")).resumed, true);
    kit.equal(asked, ["connect", "refresh", "expired"]);
  } },
  { name: "drain: 4101, back after the hub's advice", async run(kit) {
    const client = kit.client("d", { reconnect: () => 0 });
    await client.connect();
    const closing = kit.once(client, "closing");
    const lost = kit.once(client, "state", ({ state }) => state === "disconnected");
    await kit.control("drain");
    const advice = await closing;
    const { code, nextDelayMs } = await lost;
    kit.equal([advice.name, code, nextDelayMs === advice.retry_after_ms], ["draining", 4101, true]);
    kit.equal((await kit.once(client, "welcome")).resumed, true);
  } },
  { name: "kill -9: nothing lost, nothing twice", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    await owner.send("mode_set", { mode: "chair" });
    const people = [];
    // A page has six connections to a host, and every person without a socket holds one.
    for (let index = 0; index < 4; index++) people.push(await kit.member(`p${index}`, id));
    await Promise.all(people.slice(0, 2).map((one) => one.send("queue_join")));
    const rest = people.slice(2).map((one) => one.send("queue_join"));
    await kit.control("restart");
    await Promise.all(rest);
    await kit.until("four wait", () => owner.queue.length === 4);
    kit.equal(new Set(kit.waiting(owner)).size, 4);
    kit.equal((await kit.snapshot(id)).queue.map((entry) => entry.user_id), kit.waiting(owner));
  } },
  { name: "a gap is found and filled", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    await owner.send("mode_set", { mode: "chair" });
    const fan = await kit.member("f", id);
    let synced = 0;
    fan.client.on("frame", ({ out, frame }) => { if (out && frame.type === "room_sync") synced++; });
    fan.cursor = "0.0";
    await (await kit.member("q", id)).send("queue_join");
    await kit.until("filled", () => fan.cursor === owner.cursor && fan.queue.length === 1);
    kit.equal(synced, 1, "asked");
  } },
  { name: "messages: kept ones in order, others while one is here", async run(kit) {
    const id = kit.id("room");
    const [sender, fan] = [await kit.member("s", id), await kit.member("f", id)];
    const heard = [];
    fan.on("message", ({ class: weight, body }) => heard.push(`${weight} ${body}`));
    for (const weight of ["must", "normal", "droppable"]) await sender.say(weight, { class: weight });
    await kit.until("three came", () => heard.length === 3);
    kit.equal([...heard].sort(), ["droppable droppable", "must must", "normal normal"]);
    fan.client.simulate("drop");
    for (const body of ["one", "two"]) await sender.say(body, { class: "must" });
    await kit.until("the missed ones came", () => heard.length === 5);
    kit.equal(heard.slice(3), ["must one", "must two"]);
    await kit.refused(sender.say("x".repeat(13_000)), "message_too_large");
  } },
  { name: "who is here: presence of the room", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    const changes = [];
    owner.on("presence", (frame) => changes.push(...frame.changes));
    const fan = await kit.member("f", id);
    await kit.until("two are here", () => owner.online === 2 && fan.online === 2);
    await fan.client.setStatus("away");
    await kit.until("away is seen", () => changes.at(-1)?.user_id === kit.id("f") && changes.at(-1).status === "away");
    await fan.leave();
    await kit.until("one is here", () => owner.online === 1 && changes.at(-1).joined === false);
  } },
  { name: "kicked: told so, and out", async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    const fan = await kit.member("f", id);
    await owner.send("user_kick", { target_user_id: kit.id("f") });
    await kit.until("he is out", () => !fan.joined);
    await kit.refused(fan.send("queue_join"), "not_member");
    await fan.join();
    await kit.until("he is back", () => fan.joined && owner.online === 2);
  } },
  { name: "from one transport to another: nobody sees anything", mixed: true, async run(kit) {
    const id = kit.id("room");
    const owner = await kit.member("o", id);
    await owner.send("mode_set", { mode: "chair" });
    const fan = await kit.member("f", id);
    await fan.send("queue_join");
    await kit.until("he waits", () => owner.queue.length === 1 && owner.online === 2);
    const statuses = [];
    owner.client.onUserStatusChange(kit.id("f"), ({ status }) => statuses.push(status));
    await kit.until("he is online", () => statuses.length === 1);
    const seen = [];
    owner.on("event", ({ event }) => seen.push(event));
    // A late frame may say once more that two are here, as everybody knows.
    owner.on("presence", ({ online, changes }) => { if (online !== 2 || changes.some(({ joined, status }) => !joined || status !== "online")) seen.push(`${online} here: ${JSON.stringify(changes)}`); });
    const session = fan.client.welcome.session_id;
    const told = [];
    fan.client.on("message", ({ message }) => told.push(message));
    for (const transport of ["ws", "sse", "poll", "sse", "ws", "poll", kit.transport]) {
      fan.client.transport = fan.client.options.transport = transport;
      fan.client.wake();
      fan.client.simulate("drop");
      const { resumed, session_id } = await kit.once(fan.client, "welcome");
      kit.equal([resumed, session_id === session], [true, true], transport);
      const text = `${transport} ${told.length}`;
      await owner.client.sendMessage(kit.id("f"), text);
      await kit.until("the message came", () => told.at(-1) === text);
    }
    kit.equal(told.length, 7, "each message once");
    // Dropping a line without a socket shows nothing; a socket's is held until it is back, which the room's log tells.
    kit.equal(seen.filter((event) => !/^queue_(held|returned)$/.test(event)), []);
    kit.equal(statuses, ["online"]);
    kit.equal(owner.queue.length, 1);
  } },
  { name: "three refused upgrades: polling", transports: ["ws"], async run(kit) {
    const Refusing = class { constructor() { setTimeout(() => this.onclose?.({ code: 1006, reason: "" }), 5); } send() {} close() {} };
    const client = kit.client("r", { WebSocket: Refusing, transport: "auto" });
    await client.connect();
    kit.equal(client.transport, "poll");
    const room = client.room(kit.id("room"));
    await room.join();
    await kit.until("a state", () => room.state);
    kit.equal(room.state.owner_user_id, kit.id("r"));
  } },
  { name: "offline: bounded, never lost in silence", async run(kit) {
    const client = kit.client("q", { offlineMax: 2, reconnect: () => 300 });
    await client.connect();
    client.simulate("drop");
    const asked = ["busy", "away", "busy"].map((status) => client.setStatus(status));
    await kit.refused(asked[2], "offline_full");
    await Promise.all(asked.slice(0, 2));
  } },
  { name: "the table: 0, 3, 6, 12, 24 s, five attempts", virtual: true, async run(kit, pass) {
    const at = kit.refuse();
    const client = new kit.HubClient({ url: kit.url, userId: "v", transport: kit.transport });
    const states = [];
    let last;
    const over = () => new Promise((done) => {
      const off = client.on("state", (change) => {
        states.push(change.state);
        last = change;
        if (change.state === "connecting") return;
        off();
        done();
      });
    });
    let tried = over();
    client.connect().catch(() => {});
    // A try takes as long as it takes; virtual time passes between tries alone.
    for (;;) {
      await tried;
      if (!last.willRetry) break;
      tried = over();
      await pass(Math.max(1, last.nextDelayMs));
    }
    kit.equal(at.map((when) => Math.round((when - at[0]) / 1000)), [0, 0, 3, 9, 21, 45]);
    kit.equal([client.state, states.filter((state) => state === "connecting").length], ["failed", 6]);
    await pass(120_000);
    kit.equal(at.length, 6, "tries");
  } },
];
