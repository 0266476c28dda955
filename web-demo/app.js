// The demo page: five people over five real sockets, one of them the room's owner; what they see is drawn from their own replicas.
import { Client } from "./client.js";
import { switchLanguage, t, translatePage } from "./i18n.js";
import { makeSortable } from "./sort.js";

const query = new URLSearchParams(location.search);
const roomId = query.get("room") ?? "demo";
const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`;
// Every window is another device of the owner; the four others are this window's own.
const window_ = sessionStorage.getItem("michub.window") ?? Math.random().toString(36).slice(2, 5);
sessionStorage.setItem("michub.window", window_);
const NAMES = ["mei", "jun", "ana", "leo", "kai"];
const owner = new Client({ url, roomId, userId: "host-lin", userType: "kol" });
const guests = NAMES.map((name) => new Client({ url, roomId, userId: `${name}-${window_}`, userType: "user" }));
const everybody = [owner, ...guests];
const $ = (id) => document.getElementById(id);

function make(tag, { text, ...fields } = {}, ...children) {
  const element = Object.assign(document.createElement(tag), fields);
  if (text !== undefined) element.textContent = text;
  element.append(...children.filter(Boolean));
  return element;
}

const hue = (name) => [...name.split("-")[0]].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 360, 7);

function face(name, small) {
  const element = make("span", { className: small ? "face small" : "face", text: name.slice(0, 1).toUpperCase() });
  element.style.setProperty("--hue", hue(name));
  element.setAttribute("aria-hidden", "true");
  return element;
}

const chip = (kind, text = t(kind)) => make("span", { className: `chip ${kind}`, text });

function act(label, run, name) {
  const button = make("button", { text: label, type: "button" });
  if (name) button.setAttribute("aria-label", name);
  button.onclick = () => run().catch(refused);
  return button;
}

function refused(error) {
  $("live").textContent = `${t("refused")}: ${error.name}`;
}

function drawSeats(room) {
  $("seats").replaceChildren(...room.seats.map((seat) => {
    const who = seat.occupant?.user_id;
    const held = seat.occupant?.held_until_ms;
    const label = seat.kind === "host" ? t("host") : `${t("seat")} ${seat.no}`;
    const mark = who ? face(who) : make("span", { className: "face empty", text: seat.locked ? "🔒" : "+" });
    const state = who ? (held ? chip("held") : null) : make("span", { text: t(seat.locked ? "locked" : "empty") });
    const kick = () => owner.ask("seat_kick", { target_user_id: who });
    const leave = () => owner.ask("seat_leave");
    const lock = () => owner.ask("seat_lock", { seat_nos: [seat.no], on: !seat.locked });
    const take = () => owner.ask("seat_take", { seat_no: seat.no });
    const button = who === owner.userId ? act(t("leaveSeat"), leave) : who ? act(t("kick"), kick)
      : seat.kind === "host" ? act(t("take"), take) : act(t(seat.locked ? "unlock" : "lock"), lock);
    button.setAttribute("aria-label", `${button.textContent}: ${label} ${who ?? ""}`);
    const place = make("li", { className: who ? (held ? "held" : "occupied") : "" }, make("small", { text: label }), mark, make("b", { text: who ?? "" }), state, button);
    if (who) place.dataset.user = who;
    return place;
  }));
}

function move(user, place) {
  return owner.ask("queue_move", { target_user_id: user, place, force: true }).then(() => {
    const index = owner.room.queue.findIndex((entry) => entry.user_id === user);
    $("live").textContent = t("moved", user, index + 1);
  }).catch(refused);
}

const sortable = makeSortable($("queue"), move);

function drawQueue(room) {
  if (sortable.dragging) return;
  const focused = document.activeElement?.closest("#queue li")?.dataset.user;
  const action = document.activeElement?.dataset.act;
  const rows = room.queue.map((entry, index) => {
    const user = entry.user_id;
    const grip = make("button", { className: "grip", text: "⠿", type: "button" });
    const up = act("↑", () => move(user, { up: 1 }), `${t("up")}: ${user}`);
    const down = act("↓", () => move(user, { down: 1 }), `${t("down")}: ${user}`);
    const remove = act("×", () => owner.ask("queue_remove", { target_user_ids: [user] }), `${t("remove")}: ${user}`);
    grip.setAttribute("aria-label", `${t("grip")}: ${user}`);
    grip.setAttribute("aria-describedby", "keys");
    [up.disabled, down.disabled] = [index === 0, index === room.queue.length - 1];
    Object.entries({ grip, up, down, remove }).forEach(([name, button]) => (button.dataset.act = name));
    const badges = [index < room.rules.on_deck_size && chip("deck"), entry.state === "held" && chip("held")];
    const who = make("span", { className: "who" }, make("b", { text: user }), " ", ...badges.filter(Boolean), entry.note && make("small", { className: "note", text: entry.note }));
    const row = make("li", {}, grip, make("span", { text: index + 1 }), face(user, true), who, up, down, remove);
    row.dataset.user = user;
    return row;
  });
  $("queue").replaceChildren(...(rows.length ? rows : [make("li", { text: t("nobody"), className: "hint" })]));
  if (focused) $("queue").querySelector(`[data-user="${CSS.escape(focused)}"] [data-act="${action}"]`)?.focus();
  const undo = room.undo.at(-1);
  $("undo").hidden = !undo;
  $("undo").onclick = () => owner.ask("queue_restore", { undo_id: undo.undo_id }).catch(refused);
}

function drawPeople() {
  if ($("people").contains(document.activeElement) && document.activeElement.tagName === "SELECT") return;
  const focused = document.activeElement?.closest("#people li")?.dataset.user;
  const label = document.activeElement?.textContent;
  $("people").replaceChildren(...everybody.map((client) => {
    const user = client.userId;
    const shown = owner.people.get(user) ?? "offline";
    const waits = owner.room?.queue.some((entry) => entry.user_id === user);
    const sits = owner.room?.seats.some((seat) => seat.occupant?.user_id === user);
    const line = client.state === "connected" ? null : chip("down", `${t(client.state)} ${client.attempt}/5`);
    const status = make("select", { ariaLabel: `${t("status")}: ${user}` }, ...["online", "busy", "away"].map((value) => make("option", { value, text: t(value), selected: value === shown })));
    status.onchange = () => client.ask("status_change", { status: status.value }).catch(refused).finally(() => status.blur());
    const queue = waits ? act(t("leave"), () => client.ask("queue_leave")) : sits ? act(t("leaveSeat"), () => client.ask("seat_leave")) : act(t("join"), () => client.ask("queue_join"));
    const drop = act(t("drop"), async () => client.drop());
    drop.dataset.act = "drop";
    queue.disabled = drop.disabled = client.state !== "connected";
    const role = owner.room?.roles[user];
    const who = make("span", {}, make("b", { text: user }), " ", chip(shown), " ", role ? chip("role", t(role)) : "", " ", line ?? "");
    const row = make("li", {}, face(user, true), who, make("span", { className: "acts" }, status, queue, drop));
    row.dataset.user = user;
    return row;
  }));
  if (focused) [...$("people").querySelectorAll(`[data-user="${CSS.escape(focused)}"] button`)].find((button) => button.textContent === label)?.focus();
}

let scheduled = false;
function draw() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => {
    scheduled = false;
    drawPeople();
    const { room } = owner;
    if (!room) return;
    drawSeats(room);
    drawQueue(room);
    const sorted = [...owner.latency].sort((a, b) => a - b);
    const p = (q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
    $("room").textContent = roomId;
    $("rev").textContent = `rev ${room.rev}`;
    $("online").textContent = owner.online === undefined ? "" : t("people_n", owner.online);
    $("latency").textContent = sorted.length ? `p50 ${p(0.5)} ms · p99 ${p(0.99)} ms` : "";
    $("node").textContent = owner.node ?? "";
    $("language").textContent = t("language");
  });
}

const lines = [];
let paused = false;
function drawLog() {
  if (paused) return;
  const wanted = $("filter").value.toLowerCase();
  const shown = lines.filter((line) => line.text.toLowerCase().includes(wanted)).slice(-200);
  $("log").replaceChildren(...shown.map((line) => make("li", { className: line.kind, text: line.text })));
  $("log").scrollTop = $("log").scrollHeight;
}

function note(client, { out, frame }) {
  const text = `${new Date().toISOString().slice(11, 23)} ${client.userId} ${out ? "→" : "←"} ${JSON.stringify({ ...frame, session_token: undefined })}`;
  lines.push({ text, kind: frame.type === "error" || frame.type === "closing" ? "bad" : out ? "out" : "in" });
  lines.splice(0, lines.length - 500);
  drawLog();
}

/** Makes a fresh room alive: two open seats, two people on them, two waiting. */
async function open() {
  if (owner.room.owner_user_id === owner.userId && owner.room.rev === 0) {
    const spare = owner.room.seats.filter((seat) => seat.kind === "guest").slice(2).map((seat) => seat.no);
    await owner.ask("seat_take", { seat_no: 1 }).catch(() => {});
    if (spare.length) await owner.ask("seat_lock", { seat_nos: spare, on: true }).catch(() => {});
  }
  for (const guest of guests) {
    guest.addEventListener("ready", () => guest.ask("queue_join").catch(() => {}), { once: true });
    guest.connect();
    await new Promise((done) => setTimeout(done, 120));
  }
  await owner.ask("watch_status", { user_ids: everybody.map((client) => client.userId) }).then((ack) => owner.on_userOnlineStatus(ack)).catch(() => {});
}

for (const client of everybody) {
  client.addEventListener("state", draw);
  client.addEventListener("room", draw);
  client.addEventListener("frame", (event) => note(client, event.detail));
}
owner.addEventListener("room", function opened() {
  if (!owner.room || owner.state !== "connected") return;
  owner.removeEventListener("room", opened);
  open();
});
owner.addEventListener("ready", () => owner.ask("watch_status", { user_ids: everybody.map((client) => client.userId) }).catch(() => {}));
$("language").onclick = () => (switchLanguage(), draw());
$("clear").onclick = () => owner.ask("queue_clear").catch(refused);
$("filter").oninput = drawLog;
$("pause").onclick = () => ($("pause").setAttribute("aria-pressed", (paused = !paused)), drawLog());
$("copy").onclick = () => navigator.clipboard.writeText(lines.map((line) => line.text).join("\n")).catch(() => {});
translatePage();
draw();
owner.connect();
