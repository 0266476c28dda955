// What is said in the room: messages with classes, notices of the backend, flowers that fly. And who may say it: slow mode and mutes, as the hub tells them.
import { admin, calm, guests, nameOf, personOf, roomId } from "./cast.js";
import { h, icon, iconButton, render } from "./dom.js";
import { viewer } from "./people.js";
import { announce, attempt, face, openMenu, toast } from "./ui.js";
import { said, t } from "./words.js";

const MAX = 200;
const FLOWERS = ["🌸", "🌹", "🌻", "🌷", "💐"];
const FLYING_MAX = 40;
const SLOW = [0, 5, 30];
const lines = [];
const still = matchMedia("(prefers-reduced-motion: reduce)");
/** Until when the hub has told each person to be silent, and why. */
const silence = new Map();
let flowers = 0;
let kept = false;
let draft = "";
let changed = true;

function add(message) {
  if (message.kind === "flower") return fly(message);
  if (lines.some((line) => line.key === message.key)) return;
  lines.push(message);
  lines.splice(0, lines.length - MAX);
  changed = true;
}

/** A message as it came, with a key of its own. */
const heard = (message) => add({ ...message, key: message.dedup_id ?? `${message.from_user_id} ${message.at_ms} ${message.body}` });

/** A flower flies over the stage; how many is all that is kept of it. */
function fly({ from_user_id: from, body }) {
  flowers++;
  const sky = document.getElementById("sky");
  if (still.matches || document.visibilityState !== "visible" || sky.childElementCount >= FLYING_MAX) return;
  const flower = document.createElement("span");
  flower.textContent = FLOWERS.includes(body) ? body : FLOWERS[0];
  flower.title = nameOf(from);
  flower.style.setProperty("--x", `${8 + 84 * Math.random()}%`);
  flower.style.setProperty("--sway", `${-60 + 120 * Math.random()}px`);
  flower.addEventListener("animationend", () => flower.remove());
  sky.append(flower);
}

/** Begins to listen; what was kept before this window was open comes first. */
export async function openChat() {
  admin.room.on("message", heard);
  admin.room.on("event", ({ event, user_id: user, until_ms: until, at_ms: at }) => {
    if (event === "talk_muted" && until !== null && until <= at) silence.delete(user);
  });
  const answer = await fetch(`/api/rooms/${encodeURIComponent(roomId)}/messages?limit=20`).catch(() => null);
  if (answer?.ok) (await answer.json()).messages.forEach(heard);
  if (!calm) live();
}

const SAYINGS = ["hello everybody 👋", "大家好", "this order is really live", "我下一个 😄", "who is next?", "sound is great", "听得很清楚", "👏👏👏", "nobody noticed that I lost my line"];
const any = (list) => list[Math.floor(Math.random() * list.length)];
const flowerOf = (person) => person.room.say(any(FLOWERS), { class: "droppable", kind: "flower" });

/** The cast talks a little, and throws flowers at whoever is on the stage. */
async function live() {
  for (let index = 0; ; index++) {
    await new Promise((done) => setTimeout(done, 2500 + 4500 * Math.random()));
    const here = guests.filter(({ client, room }) => client.state === "connected" && room.joined);
    if (document.visibilityState !== "visible" || !here.length) continue;
    // A mute or slow mode is part of the show: what is refused is not said.
    const words = Math.random() < 0.55 ? [any(here).room.say(SAYINGS[index % SAYINGS.length])] : here.slice(0, 1 + Math.floor(Math.random() * 3)).map(flowerOf);
    await Promise.allSettled(words);
  }
}

/** Says something as a person; a refusal becomes a countdown at his field. */
async function say(person, body, options) {
  try {
    await person.room.say(body, options);
    silence.delete(person.id);
    return true;
  } catch (error) {
    const until = error.details?.until_ms;
    if (error.name === "too_soon") silence.set(person.id, { until, why: "slow" });
    else if (error.name === "forbidden" && until !== undefined) silence.set(person.id, { until, why: "quiet" });
    else toast(`${t("refused")}: ${error.name} — ${await said(error)}`, true);
    announce(quiet(person)?.text ?? await said(error));
    return false;
  }
}

/** Why a person may say nothing now, as far as is known. */
function quiet(person) {
  const now = Date.now() + person.room.skewMs;
  const mutes = person.room.state?.talk?.mutes ?? {};
  const muted = person.id in mutes && (mutes[person.id] === null || mutes[person.id] > now) ? { until: mutes[person.id], why: "quiet" } : null;
  const known = muted ?? silence.get(person.id);
  if (!known) return null;
  if (known.until === null) return { text: t("quietForEver") };
  const seconds = Math.ceil((known.until - now) / 1000);
  if (seconds <= 0) { silence.delete(person.id); return null; }
  return { text: t(known.why === "slow" ? "slowFor" : "quietFor", seconds) };
}

async function notice() {
  const answer = await fetch(`/api/rooms/${encodeURIComponent(roomId)}/messages`, { method: "POST", body: JSON.stringify({ class: "must", kind: "notice", body: t("noticeText"), dedup_id: `notice-${Date.now()}` }) });
  if (!answer.ok) throw Object.assign(new Error(String(answer.status)), { name: (await answer.json()).name });
}

function menu(button, message) {
  const { room } = admin;
  const user = message.from_user_id;
  const isMuted = user in (room.state.talk?.mutes ?? {});
  const mute = (until_ms) => attempt(admin.send("talk_mute", until_ms === undefined ? { target_user_id: user } : { target_user_id: user, until_ms }));
  openMenu(button, nameOf(user), [
    [t("quietMinute"), () => mute(Date.now() + room.skewMs + 60_000), { icon: "clock" }],
    [t("quietAlways"), () => mute(), { icon: "micOff", bad: true }],
    isMuted && [t("speakAgain"), () => mute(0), { icon: "check" }],
  ]);
}

const clockOf = (at) => new Date(at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

function row(message) {
  const { key, from_user_id: from, body, system, class: weight, at_ms: at, skipped } = message;
  const gap = skipped && h("p", { class: "gap" }, t("skipped"));
  if (system) return h("li", { key, class: "notice" }, gap, icon("info", 15), h("span", null, body));
  const person = personOf(from);
  const mayMute = admin.room.level(admin.id) > admin.room.level(from) && from !== admin.id;
  return h("li", { key, class: person ? "" : "others" }, gap, face(from, "small"), h("span", { class: "said" }, h("span", { class: "top" }, h("b", null, nameOf(from)), h("small", null, clockOf(at)), weight === "must" && h("span", { class: "pin", title: t("keptHint") }, icon("pin", 13))), h("span", { class: "body" }, body)),
    mayMute && iconButton("dots", t("more", nameOf(from)), (event) => menu(event.currentTarget, message), { "data-act": "talk" }));
}

/** What stands above the messages: slow mode, a notice of the backend. */
export function chatTools() {
  const seconds = admin.room.state?.talk?.slow_mode_seconds ?? 0;
  return [
    h("label", { key: "slow", class: "slow" }, h("span", null, t("slowMode")), h("select", { id: "slow", value: String(seconds), onchange: (event) => attempt(admin.send("talk_set", { slow_mode_seconds: Number(event.target.value) })) },
      [...new Set([...SLOW, seconds])].map((each) => h("option", { key: each, value: String(each), selected: each === seconds }, each ? t("everySeconds", each) : t("off"))))),
    h("button", { key: "notice", type: "button", id: "notice", title: t("noticeHint"), onclick: () => attempt(notice()) }, icon("info", 16), h("span", { class: "wide" }, t("notice"))),
  ];
}

/** The field below the messages: whose words, what, kept or not, and flowers. */
export function composer() {
  // Whose view is shown beside speaks here.
  const person = viewer();
  const hushed = quiet(person);
  const off = person.client.state !== "connected" || !person.room.joined;
  const send = async (event) => {
    event.preventDefault();
    const body = draft.trim();
    if (!body || !(await say(person, body, kept ? { class: "must" } : {}))) return;
    // What was typed meanwhile stays.
    if (draft.trim() !== body) return;
    draft = "";
    document.getElementById("say").value = "";
  };
  return h("form", { key: "composer", class: `composer ${hushed ? "hushed" : ""}`, onsubmit: send }, face(person.id, "small"),
    h("input", { id: "say", type: "text", maxlength: "400", autocomplete: "off", placeholder: hushed?.text ?? t("sayAs", nameOf(person.id)), "aria-label": t("sayAs", nameOf(person.id)), "aria-describedby": "hushed", disabled: off, oninput: (event) => { draft = event.target.value; } }),
    h("button", { type: "button", class: "ib", id: "keep", "aria-pressed": String(kept), title: t("keptHint"), "aria-label": t("keptHint"), onclick: () => { kept = !kept; } }, icon("pin")),
    h("button", { type: "button", class: "ib flower", id: "flower", title: t("flower"), "aria-label": t("flower"), disabled: off, onclick: () => say(person, any(FLOWERS), { class: "droppable", kind: "flower" }) }, "🌸"),
    h("button", { type: "submit", class: "strong", id: "send", disabled: off }, t("send")),
    h("span", { id: "hushed", class: "hushed-why", role: "status" }, hushed?.text ?? (flowers ? t("flowers", flowers) : "")));
}

/** Draws the messages if there are new ones; stays at the end if it was there. */
export function drawChat() {
  if (!changed) return;
  changed = false;
  const list = document.getElementById("chat");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
  render(list.firstElementChild, lines.length ? lines.map(row) : [h("li", { key: "none", class: "gap" }, t("nobodySpoke"))]);
  if (atEnd) list.scrollTop = list.scrollHeight;
}

/** The messages are drawn anew: names or words have changed. */
export function redrawChat() { changed = true; }
