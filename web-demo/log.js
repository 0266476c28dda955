// Every frame in and out of this window, newest last; filtered, stopped and copied as one likes. At most 500 are kept.
import { everybody, nameOf } from "./cast.js";
import { h, render } from "./dom.js";
import { toast } from "./ui.js";
import { t } from "./words.js";

const MAX = 500;
const BEAT = /^heartbeat/;
const lines = [];
const filter = { text: "", who: "", beats: false };
let stopped = false;
let dirty = true;
let count = 0;

const two = (n, width = 2) => String(n).padStart(width, "0");
function stamp(at) { const d = new Date(at); return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}.${two(d.getMilliseconds(), 3)}`; }
const secret = (key, value) => (key === "session_token" || key === "token" ? "…" : value);

function keep(person, { out, frame }) {
  lines.push({ key: count++, at: Date.now(), who: person.id, out, type: frame.type, text: JSON.stringify(frame, secret) });
  lines.splice(0, lines.length - MAX);
  if (!BEAT.test(frame.type) || filter.beats) dirty = true;
}

/** Begins to listen to everybody's line. */
export function listen() { for (const person of everybody) person.client.on("frame", (frame) => keep(person, frame)); }

const shown = () => lines.filter((line) => (filter.beats || !BEAT.test(line.type)) && (!filter.who || line.who === filter.who) && (!filter.text || `${line.type} ${line.text}`.toLowerCase().includes(filter.text)));

/** What stands above the log. */
export function logTools() {
  const change = (fields) => { Object.assign(filter, fields); dirty = true; drawLog(); };
  return [
    h("input", { key: "text", id: "filter", type: "search", placeholder: t("filter"), "aria-label": t("filter"), autocomplete: "off", oninput: (event) => change({ text: event.target.value.toLowerCase() }) }),
    h("select", { key: "who", "aria-label": t("who"), value: filter.who, onchange: (event) => change({ who: event.target.value }) }, h("option", { key: "", value: "" }, t("everybody")), everybody.map(({ id }) => h("option", { key: id, value: id }, nameOf(id)))),
    h("label", { key: "beats", class: "switch" }, h("input", { type: "checkbox", role: "switch", checked: filter.beats, onchange: (event) => change({ beats: event.target.checked }) }), h("span", { class: "knob" }), h("span", null, t("beats"))),
    h("button", { key: "stop", type: "button", id: "pause", "aria-pressed": String(stopped), onclick: () => { stopped = !stopped; dirty = true; drawLog(); } }, t(stopped ? "goOn" : "pauseLog")),
    h("button", { key: "copy", type: "button", id: "copy", onclick: () => navigator.clipboard.writeText(shown().map((line) => line.text).join("\n")).then(() => toast(t("copied")), (error) => toast(error.message, true)) }, t("copy")),
  ];
}

/** Draws the log if something changed; stays at the end if it was there. */
export function drawLog() {
  if (!dirty || stopped && lines.length) return;
  dirty = false;
  const list = document.getElementById("log");
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  render(list.firstElementChild, shown().slice(-200).map((line) => h("li", { key: line.key, class: line.type === "error" || line.type === "closing" ? "bad" : line.out ? "out" : "in" },
    h("time", null, stamp(line.at)), h("b", null, nameOf(line.who)), h("span", { class: "way" }, line.out ? "→" : "←"), h("code", null, line.text))));
  if (atEnd) list.scrollTop = list.scrollHeight;
}
