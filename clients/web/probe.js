// Tries what a client library does without a line, and where sockets are refused: run as `node probe.js NAME ENTRY`, prints one JSON object. Sockets, network and window are made up here; nothing leaves this process.
import { pathToFileURL } from "node:url";

const [, , name, entry] = process.argv;
const SENDS = 5000;
const pause = (ms) => new Promise((done) => setTimeout(done, ms));
let works = false;
let tries = 0;
const sent = [];

class FakeSocket extends EventTarget {
  static CONNECTING = 0; static OPEN = 1; static CLOSING = 2; static CLOSED = 3;
  CONNECTING = 0; OPEN = 1; CLOSING = 2; CLOSED = 3;
  readyState = 0; bufferedAmount = 0; protocol = ""; extensions = ""; binaryType = "blob";
  onopen = null; onmessage = null; onclose = null; onerror = null;
  constructor(url) {
    super();
    this.url = String(url);
    tries++;
    setTimeout(() => this.#say(works ? "open" : "error"), 5);
  }
  #say(type, fields = {}) {
    if (this.readyState === 3) return;
    this.readyState = type === "open" ? 1 : 3;
    for (const kind of type === "open" ? ["open"] : ["error", "close"]) {
      const event = Object.assign(new Event(kind), kind === "close" ? { code: 1006, reason: "", wasClean: false } : {}, fields);
      this[`on${kind}`]?.(event);
      this.dispatchEvent(event);
    }
  }
  send(data) { sent.push(String(data)); }
  close() { this.#say("close"); }
}
const world = new EventTarget();
const page = Object.assign(new EventTarget(), { visibilityState: "visible", hidden: false });
for (const [key, value] of Object.entries({ WebSocket: FakeSocket, window: globalThis, self: globalThis, document: page, addEventListener: world.addEventListener.bind(world), removeEventListener: world.removeEventListener.bind(world), dispatchEvent: world.dispatchEvent.bind(world), location: new URL("http://hub.invalid/") })) {
  Object.defineProperty(globalThis, key, { value, configurable: true, writable: true });
}
Object.defineProperty(globalThis, "navigator", { value: { onLine: true, userAgent: "probe" }, configurable: true });

/** Requests over HTTP: noted, and never answered. */
const asked = [];
globalThis.fetch = (url) => { asked.push(String(url)); return new Promise(() => {}); };
globalThis.XMLHttpRequest = class extends EventTarget {
  readyState = 0; status = 0; responseText = ""; withCredentials = true;
  open(_, url) { this.url = String(url); }
  setRequestHeader() {}
  send() { asked.push(this.url); }
  abort() {}
};

const library = await import(pathToFileURL(entry));
/** Each begins to connect, and gives how one message is sent: a promise if the library gives one. */
const begin = {
  "@michub/client"() {
    const client = new library.HubClient({ url: "ws://hub.invalid/ws", userId: "u", transport: "ws", reconnect: library.persistent() });
    client.connect().catch(() => {});
    return (text) => client.sendMessage("v", text);
  },
  partysocket() { const socket = new library.default("ws://hub.invalid/"); return (text) => socket.send(text); },
  phoenix() {
    const socket = new library.Socket("ws://hub.invalid/socket");
    socket.connect();
    const channel = socket.channel("room", {});
    channel.join();
    return (text) => channel.push("say", { text });
  },
  "socket.io-client"() { const socket = library.io("ws://hub.invalid", { transports: ["websocket"] }); return (text) => socket.emit("say", text); },
  centrifuge() {
    const client = new library.Centrifuge("ws://hub.invalid/connection/websocket", { timeout: 1000 });
    client.connect();
    return (text) => client.publish("room", text);
  },
};
const send = begin[name]();
// Long enough that the next try is seconds away.
await pause(name === "phoenix" ? 5000 : 4500);
let refused = 0;
for (let index = 0; index < SENDS; index++) {
  try { Promise.resolve(send(`m${index}`)).catch(() => { refused++; }); } catch { refused++; }
}
await pause(50);
const atOnce = refused;
const before = tries;
world.dispatchEvent(new Event("offline"));
world.dispatchEvent(new Event("online"));
await pause(120);
const online = tries > before;
await pause(1500);
/** Each as its documents say for networks without sockets; those that have nothing for it, as always. */
const fall = {
  "@michub/client"() { new library.HubClient({ url: "ws://hub.invalid/ws", userId: "u", reconnect: () => 50 }).connect().catch(() => {}); },
  partysocket() { new library.default("ws://hub.invalid/"); },
  phoenix() { new library.Socket("ws://hub.invalid/socket", { longPollFallbackMs: 500 }).connect(); },
  "socket.io-client"() { library.io("http://hub.invalid", { forceNew: true }); },
  centrifuge() { new library.Centrifuge([{ transport: "websocket", endpoint: "ws://hub.invalid/connection/websocket" }, { transport: "http_stream", endpoint: "http://hub.invalid/connection/http_stream" }]).connect(); },
};
asked.length = 0;
fall[name]();
await pause(4000);
const queue = atOnce > 0 ? `keeps ${SENDS - atOnce}, rejects the rest` : refused > 0 ? "keeps all until a timeout" : "keeps all";
console.log(JSON.stringify({ queue, online: online ? "yes" : "no", polls: asked.length > 0 ? "yes" : "no" }));
process.exit(0);
