// The people of this window: an owner and five others, each a real client over a real socket, and how they open a room.
import { HubClient, persistent, standard } from "./vendor/michub.js";
import { windowMemory } from "./dom.js";
import { LateSocket } from "./faults.js";

const query = new URLSearchParams(location.search);
export const roomId = query.get("room") ?? "demo";
/** No life of its own, no tour: for tests and pictures. */
export const calm = query.has("calm");
const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
const tag = windowMemory.get("michub.window") ?? Math.random().toString(36).slice(2, 5).padEnd(3, "0");
windowMemory.set("michub.window", tag);

export const NAMES = ["mei", "jun", "ana", "leo", "kai", "noor", "yuki", "omar", "zoe", "ivan", "lucia", "tao", "ada", "ravi", "elin", "hugo", "mina", "paul", "xia", "sara"];
const offset = query.has("room") && calm ? 0 : [...tag].reduce((sum, letter) => sum + letter.charCodeAt(0), 0);
/** The first window of a room has its cast in the usual order; others begin elsewhere, so that names differ. */
const names = Array.from({ length: 5 }, (_, index) => NAMES[(index + offset * 5) % NAMES.length]);
const adminName = query.get("admin");

/** Who runs this window: the room's owner `lin` in every window, or a second admin named in the address. */
export const adminId = adminName ? `${adminName}-${tag}` : "lin";

/** Another admin has a token that says so; in development the hub gives it to anybody on this machine. */
async function adminToken() {
  const answer = await fetch("/api/online-status/rts-token", { method: "POST", body: JSON.stringify({ user_id: adminId, room_id: roomId, role: "admin", expire_time: 3600 }) });
  if (!answer.ok) throw Object.assign(new Error(`no token: ${answer.status}`), { name: "Unauthorized" });
  return (await answer.json()).token;
}

class Person {
  /** @param {string} id @param {boolean} admin */
  constructor(id, admin) {
    this.id = id;
    this.admin = admin;
    this.delayMs = 0;
    /** The status that he chose; the hub may show another one. */
    this.choice = "online";
    /** Round trips of the last minute: [when, ms]. */
    this.samples = [];
    this.change = null;
    this.changedAt = 0;
    const person = this;
    const WebSocket = class extends LateSocket { constructor(...args) { super(...args); this.late = () => person.delayMs; } };
    this.client = new HubClient({ url, userId: id, userType: admin ? "kol" : "user", reconnect: calm ? standard() : persistent(), watchdogMs: 4000, WebSocket, getToken: adminName && admin ? adminToken : undefined });
    this.room = this.client.room(roomId);
    this.client.on("state", (change) => { this.change = change; this.changedAt = Date.now(); });
    this.client.on("latency", (ms) => this.samples.push([Date.now(), ms]));
  }

  get queued() { return this.room.queue.findIndex((entry) => entry.user_id === this.id); }
  get seat() { return this.room.state?.seats.find((seat) => seat.occupant?.user_id === this.id); }
  get turn() { return this.room.state?.turns.find((turn) => turn.user_id === this.id); }
  get apply() { return this.room.state?.applies.find((apply) => apply.user_id === this.id); }
  get invite() { return this.room.state?.invites.find((invite) => invite.user_id === this.id); }
  /** Sends a command of this person. */
  send(type, fields) { return this.room.send(type, fields); }
}

export const admin = new Person(adminId, true);
export const guests = names.map((name) => new Person(`${name}-${tag}`, false));
export const everybody = [admin, ...guests];
export const personOf = (id) => everybody.find((person) => person.id === id);

/** How a person is called on the page. */
export function nameOf(id) {
  const parts = /^([a-z]+)(?:-([a-z0-9]{3}))?$/.exec(id);
  if (!parts) return id;
  return parts[1][0].toUpperCase() + parts[1].slice(1) + (parts[2] && parts[2] !== tag ? ` ·${parts[2]}` : "");
}

const quiet = (promise) => promise.catch(() => {});
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

/** What is known of everybody's presence. */
export const statuses = new Map();
/** Why people stand where they stand, as the hub told it when they joined or were moved. */
export const reasons = new Map();

function note(event) {
  if (event.event === "queue_joined") reasons.set(event.user_id, { why: event.why ?? [], by: event.pinned ? event.by : null });
  else if (event.event === "queue_moved") reasons.set(event.user_id, { why: [], by: event.by });
  else if (event.event === "queue_left") reasons.delete(event.user_id);
}

/** Has the room its furniture? A fresh one has other seats first, which nobody needs to see. */
export let isFurnished = false;

/** A fresh room gets rules that show something; in every room this window's people get their roles. */
async function furnish() {
  const { room } = admin;
  const fresh = room.state.owner_user_id === admin.id && room.state.rev === 0;
  const [vip, host] = guests;
  if (fresh) await quiet(admin.send("rules_set", { rules: { ...room.state.rules, max_mic_count: 4, timeout_seconds: 90, turn_max_total_seconds: 600, roles: [{ role_id: "vip", level: 200, priority_level: 50, timeout_seconds: 120 }] } }));
  if (!room.state.seats[0].occupant) await quiet(admin.send("seat_take", { seat_no: 1 }));
  if (fresh) await quiet(admin.send("seat_lock", { seat_nos: [4, 5], on: true }));
  for (const [{ id }, role_id] of [[vip, "vip"], [host, "host"]]) if (!room.state.roles[id]) await quiet(admin.send("role_set", { target_user_id: id, role_id }));
}

const NOTES = ["", "", "a question about pricing", "想说两句", "first time here"];

/** Connects everybody; resolves when the room is alive. */
export async function open() {
  admin.client.on("status", (changes) => changes.forEach((one) => statuses.set(one.user_id, one)));
  admin.room.on("event", note);
  admin.room.on("presence", ({ changes }) => changes.forEach((one) => one.joined && statuses.set(one.user_id, { ...statuses.get(one.user_id), ...one, online: one.status !== "offline" })));
  await admin.client.connect();
  await admin.room.join();
  while (!admin.room.state) await new Promise((done) => { const off = admin.room.on("change", () => { off(); done(); }); });
  for (const { id } of everybody) admin.client.onUserStatusChange(id, () => {});
  await furnish();
  isFurnished = true;
  for (const [index, guest] of guests.entries()) {
    await guest.client.connect();
    await guest.room.join();
    await quiet(guest.send("queue_join", NOTES[index] ? { note: NOTES[index] } : {}));
    if (!calm) await pause(250);
  }
  if (!calm) live();
  setInterval(beat, 1000);
}

/** Measures round trips once a second while somebody looks. */
function beat() {
  const old = Date.now() - 60_000;
  for (const { client, samples } of everybody) {
    while (samples.length && samples[0][0] < old) samples.shift();
    if (document.visibilityState === "visible") client.ping();
  }
}

/** Whoever was on the stage comes back to the queue after a while, as people do; seldom somebody mutes himself. */
async function live() {
  for (;;) {
    await pause(3500 + 3000 * Math.random());
    if (document.visibilityState !== "visible") continue;
    const idle = guests.filter((guest) => guest.client.state === "connected" && guest.room.joined && !guest.seat && guest.queued < 0 && !guest.apply && !guest.invite && !guest.left);
    const one = idle[Math.floor(Math.random() * idle.length)];
    if (one) await quiet(admin.room.state?.mode === "apply" ? one.send("apply_submit", {}) : one.send("queue_join"));
  }
}

/** Who seems to speak: nobody's voice is in this page, so seats take turns at it. */
export const speaking = new Set();
setInterval(() => {
  speaking.clear();
  const heard = admin.room.state?.seats.filter(({ occupant }) => occupant && !occupant.silenced && !occupant.held_until_ms) ?? [];
  const one = heard[Math.floor(Math.random() * heard.length * 1.25)];
  if (one) speaking.add(one.occupant.user_id);
}, 2400);
