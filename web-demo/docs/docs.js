// The page `/docs`: the protocol as the hub's own tables tell it (protocol.json), to be searched and read in two languages.
import { h, icon, iconButton, memory, render } from "/dom.js";
import { CHINESE, CLOSES, EVENTS, PAGE } from "/docs/words.js";

const $ = (id) => document.getElementById(id);
const SECTIONS = ["command", "client", "hub", "event", "http", "error", "close"];
let language = memory.get("michub.language") ?? (navigator.language.startsWith("zh") ? "zh" : "en");
let theme = memory.get("michub.theme") ?? "auto";
let query = "";
let copied = "";
let spoken = { items: [], errors: [], closes: [] };

const pick = ([english, chinese]) => (language === "zh" ? chinese : english);
const t = (key, ...values) => { const word = pick(PAGE[key]); return typeof word === "function" ? word(...values) : word; };
const role = (level) => (level >= 1000 ? t("owner") : level >= 800 ? t("admin") : level >= 600 ? t("host") : null);

/** What an entry is about, in the page's language. */
function about({ side, name, about: english }) {
  if (side === "event") return pick(EVENTS[name]);
  if (side === "close") return pick(CLOSES[name]);
  return language === "zh" ? CHINESE[side][name] : english;
}

/** All entries, those of the tables of codes included. */
const entries = () => [
  ...spoken.items,
  ...spoken.errors.map(([number, name, english, temporary]) => ({ side: "error", name, number, about: english, temporary, fields: [], examples: [] })),
  ...spoken.closes.map(([number, label]) => ({ side: "close", name: String(number), number, label, fields: [], examples: [] })),
];

const fits = (entry) => !query || [entry.name, entry.label, entry.route, entry.number, about(entry), ...entry.fields.flatMap(([name, kind]) => [name, kind])].some((text) => text !== undefined && String(text).toLowerCase().includes(query));

function wearTheme() { document.documentElement.style.colorScheme = theme === "auto" ? "light dark" : theme; }

/** What says what it is stands in front. */
const ordered = ({ type, event, id, room_id, ...rest }) => JSON.parse(JSON.stringify({ type, event, id, room_id, ...rest }));
const pretty = (value) => JSON.stringify(value, null, 2).replace(/\[\n\s+([^[\]{}]{0,60}?)\n\s+\]/g, (_, inner) => `[${inner.replace(/\s*\n\s*/g, " ")}]`);

async function copy(id, text) {
  await navigator.clipboard.writeText(text).catch(() => {});
  copied = id;
  draw();
  setTimeout(() => { copied = ""; draw(); }, 1500);
}

function fieldTable(fields) {
  if (!fields.length) return h("p", { class: "hint" }, t("noFields"));
  return h("div", { class: "wide-table", tabindex: "0", role: "group", "aria-label": t("field") }, h("table", { class: "fields" },
    h("thead", null, h("tr", null, h("th", { scope: "col" }, t("field")), h("th", { scope: "col" }, t("kind")), h("th", { scope: "col" }, ""))),
    h("tbody", null, fields.map(([name, kind, needed]) => h("tr", { key: name }, h("th", { scope: "row" }, h("code", null, name)), h("td", null, h("code", { class: "soft" }, kind)), h("td", { class: needed ? "must" : "soft" }, t(needed ? "needed" : "optional")))))));
}

function example(entry, frame, index) {
  const id = `${entry.side}-${entry.name}-${index}`;
  const text = JSON.stringify(ordered(frame));
  return h("div", { key: id, class: "example" }, h("pre", { tabindex: "0", role: "group", "aria-label": `${t("example")}: ${entry.name}` }, h("code", null, pretty(ordered(frame)))),
    h("button", { type: "button", class: "copy", "aria-label": `${t("copy")}: ${entry.name} ${index + 1}`, onclick: () => copy(id, text) }, copied === id ? t("copied") : t("copy")));
}

function article(entry) {
  const needs = entry.level ? role(entry.level) : null;
  return h("article", { key: entry.name, id: `${entry.side}-${entry.name}`, class: "entry" },
    h("div", { class: "said" }, h("h3", null, h("a", { href: `#${entry.side}-${entry.name}` }, entry.route ?? entry.name), needs && h("span", { class: "chip c-role" }, icon("shield", 13), h("span", null, t("level", needs)))), h("p", null, about(entry)), fieldTable(entry.fields), entry.statuses && h("p", { class: "hint" }, t("statuses"), " ", entry.statuses.join(" · "))),
    h("div", { class: "shown" }, entry.examples.map((frame, index) => example(entry, frame, index))));
}

function codeTable(side, list) {
  const band = (number) => pick(PAGE[`band${Math.floor(number / 100)}`] ?? ["", ""]);
  return h("div", { class: "wide-table", tabindex: "0", role: "group", "aria-label": t(side) }, h("table", { class: "codes" },
    h("thead", null, h("tr", null, [t("number"), t("name"), t("meaning"), ""].map((word, index) => h("th", { key: index, scope: "col" }, word)))),
    h("tbody", null, list.map((entry) => h("tr", { key: entry.name, id: `${side}-${entry.name}` }, h("td", null, entry.number), h("th", { scope: "row" }, h("code", null, entry.label ?? entry.name)), h("td", null, about(entry)),
      h("td", { class: "soft" }, side === "close" ? band(entry.number) : entry.temporary && h("span", { class: "chip c-warn" }, t("temporary"))))))));
}

const FIRST = [["start1"], ["start2", { type: "user_online", user_id: "kol_123", user_type: "kol" }], ["start3", { type: "room_join", id: 1, room_id: "lobby" }], ["start4", { type: "queue_join", id: 2, room_id: "lobby", op_id: "join-1" }], ["start5"], ["start6", { type: "heartbeat", user_id: "kol_123", timestamp: 1640995200 }], ["start7"]];

function start() {
  return h("section", { key: "start", id: "start", class: "card" }, h("h2", null, t("start")), h("ol", { class: "steps" }, FIRST.map(([key, frame]) => h("li", { key }, h("span", null, t(key)), frame && h("code", { class: "line" }, JSON.stringify(frame))))),
    h("p", { class: "hint" }, t("machines"), ": ", h("a", { href: "/api/asyncapi.json" }, "AsyncAPI"), " · ", h("a", { href: "/api/openapi.json" }, "OpenAPI"), " · ", h("code", null, "michub spec schema")));
}

function section(side, all) {
  const list = all.filter((entry) => entry.side === side);
  if (!list.length) return null;
  const inside = side === "error" || side === "close" ? codeTable(side, list) : list.map(article);
  return h("section", { key: side, id: side, class: "card" }, h("h2", null, t(side), " ", h("small", null, list.length)), h("p", { class: "hint" }, t(`${side}Hint`)), inside);
}

function contents(all) {
  const list = (side) => all.filter((entry) => entry.side === side);
  return [!query && h("a", { key: "start", class: "part", href: "#start" }, t("start")), ...SECTIONS.filter((side) => list(side).length).map((side) => h("details", { key: side, open: Boolean(query) || side === "command" },
    h("summary", null, t(side), " ", h("small", null, list(side).length)), h("ul", null, list(side).map((entry) => h("li", { key: entry.name }, h("a", { href: `#${entry.side}-${entry.name}` }, entry.label ? `${entry.name} ${entry.label}` : entry.route ?? entry.name))))))];
}

function draw() {
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.title = `michub · ${t("title")}`;
  const all = entries().filter(fits);
  $("skip").textContent = t("skip");
  $("tagline").textContent = t("tagline");
  $("search").placeholder = t("search");
  $("search").setAttribute("aria-label", t("search"));
  $("count").textContent = t("results", all.length);
  render($("tools"), [
    h("a", { key: "demo", class: "btn", href: "/", "aria-label": t("demo") }, icon("window", 18), h("span", { class: "wide" }, t("demo"))),
    iconButton("theme", t("theme"), () => { theme = { auto: "light", light: "dark", dark: "auto" }[theme]; memory.set("michub.theme", theme); wearTheme(); }, { key: "theme" }),
    h("button", { key: "language", type: "button", id: "language", lang: language === "zh" ? "en" : "zh-CN", onclick: () => { language = language === "zh" ? "en" : "zh"; memory.set("michub.language", language); draw(); } }, t("language")),
  ]);
  render($("contents"), contents(all));
  render($("page"), [!query && start(), ...SECTIONS.map((side) => section(side, all)), !all.length && h("p", { key: "nothing", class: "card empty-note" }, t("nothing"))]);
}

wearTheme();
$("search").addEventListener("input", (event) => { query = event.target.value.trim().toLowerCase(); draw(); });
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || document.activeElement === $("search") || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  $("search").focus();
});
draw();
spoken = await (await fetch("/docs/protocol.json")).json();
draw();
if (location.hash) document.getElementById(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
