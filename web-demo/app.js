// The demo page: six people over six real sockets in one room. What is drawn is what their own replicas say; two of them stand side by side.
import { admin, adminId, calm, everybody, nameOf, open, roomId } from "./cast.js";
import { chatTools, composer, drawChat, openChat, redrawChat } from "./chat.js";
import { h, icon, iconButton, memory, render } from "./dom.js";
import { latency } from "./latency.js";
import { drawLog, listen, logTools } from "./log.js";
import { line, people, sync, viewer, viewerLine, viewerTabs } from "./people.js";
import { QueueView, queueTools, requests } from "./queue.js";
import { openRules } from "./rules.js";
import { controls, stage } from "./stage.js";
import { show as showTour, startTour } from "./tour.js";
import { attempt, chip, prepareMenu, toast } from "./ui.js";
import { VERSION } from "./vendor/michub.js";
import { markLanguage, switchLanguage, t } from "./words.js";

const $ = (id) => document.getElementById(id);
const still = matchMedia("(prefers-reduced-motion: reduce)");
const mine = new QueueView("queue", () => admin, schedule);
const other = new QueueView("queue2", viewer, schedule);
/** What the hub last said about itself, and whether it can be asked now. */
let hub = null;
let isReached = false;
/** Why there is no room to show, if it is so for good. */
let broken = "";
let theme = memory.get("michub.theme") ?? "auto";

function wearTheme() { document.documentElement.style.colorScheme = theme === "auto" ? "light dark" : theme; }

function nextTheme() {
  theme = { auto: "light", light: "dark", dark: "auto" }[theme];
  memory.set("michub.theme", theme);
  wearTheme();
  schedule();
}

async function look() {
  try {
    hub = await (await fetch("/demo/hub", { cache: "no-store" })).json();
    isReached = true;
  } catch { isReached = false; }
  schedule();
}

async function drain() {
  const answer = await fetch("/demo/drain", { method: "POST" });
  toast(answer.ok ? t("drained") : `${answer.status}`, !answer.ok);
}

function header() {
  const store = !isReached ? "stale" : hub.store_healthy ? "ready" : "unavailable";
  return [
    h("span", { key: "room", id: "room" }, t("room"), " ", h("b", null, roomId)), h("span", { key: "rev", id: "rev" }, "rev ", h("b", null, admin.room.state?.rev ?? "–")), h("span", { key: "here", id: "online" }, h("b", null, t("here", admin.room.online))),
    h("span", { key: "node", id: "node" }, t("node"), " ", h("b", null, (admin.client.welcome?.node ?? "–").slice(0, 12))), h("span", { key: "store", id: "store", class: store === "ready" ? "good" : "bad", title: t(`store_${store}`) }, t("store"), " ", h("b", null, hub?.store ?? "", " ", t(store))),
    h("span", { key: "versions", id: "versions" }, t("hub"), " ", h("b", null, admin.client.welcome?.version ?? "–"), " · ", t("client"), " ", h("b", null, VERSION)),
  ];
}

function tools() {
  const second = `${location.pathname}?room=${encodeURIComponent(roomId)}&admin=noor${calm ? "&calm" : ""}`;
  return [
    hub?.faults && h("button", { key: "drain", type: "button", id: "drain", class: "danger", title: t("f_drain"), onclick: () => attempt(drain()) }, icon("bolt", 16), h("span", { class: "wide" }, t("f_drain"))),
    h("a", { key: "second", class: "btn", id: "second", href: second, target: "_blank", title: t("second") }, icon("window", 18), h("span", { class: "wide" }, t("second"))),
    h("a", { key: "docs", class: "btn", id: "docs", href: "/docs", title: t("docs"), "aria-label": t("docs") }, icon("book", 18), h("span", { class: "wide" }, t("docs"))),
    h("button", { key: "tour", type: "button", id: "tour-start", onclick: startTour }, icon("info", 18), h("span", { class: "wide" }, t("tour"))),
    iconButton("theme", `${t("theme")}: ${t(`theme_${theme}`)}`, nextTheme, { key: "theme", id: "theme" }),
    h("button", { key: "language", type: "button", id: "language", lang: t("language") === "中文" ? "zh-CN" : "en", onclick: () => { switchLanguage(); labels(); redrawChat(); schedule(); } }, t("language")),
  ];
}

function labels() {
  for (const element of document.querySelectorAll("[data-t]")) element.textContent = t(element.dataset.t);
  showTour();
}

function draw(withoutGlide) {
  render($("facts"), header());
  render($("tools"), tools());
  render($("controls"), controls(openRules));
  render($("stage"), [stage()]);
  const isOff = admin.room.state && admin.client.state !== "connected";
  render($("mode-hint"), admin.room.state ? [isOff && line(admin), isOff ? ` ${t("waitsForLine")}` : t(`modeHint_${admin.room.state.mode}`)] : [broken && chip("down", broken, "bolt")]);
  $("t-mine").textContent = `${t("queue")} · ${nameOf(adminId)}`;
  render($("queue-tools"), queueTools());
  render($("asks"), [requests()]);
  render($("mine"), [mine.list()]);
  $("t-other").textContent = t("viewOf", nameOf(viewer().id));
  render($("sync-slot"), [sync()]);
  render($("tabs"), viewerTabs(schedule));
  render($("viewer"), [viewerLine()]);
  render($("other"), [other.list()]);
  for (const view of [mine, other]) view.after(withoutGlide || still.matches);
  render($("folk"), [people()]);
  render($("chat-tools"), chatTools());
  drawChat();
  render($("composer"), [composer()]);
  render($("trips"), latency());
  render($("log-tools"), logTools());
  drawLog();
}

let scheduled = false;
function schedule() {
  if (scheduled) return;
  scheduled = true;
  requestAnimationFrame(() => { scheduled = false; draw(false); });
}

wearTheme();
markLanguage();
prepareMenu();
labels();
listen();
for (const { client, room } of everybody) {
  client.on("state", schedule);
  client.on("status", schedule);
  for (const event of ["change", "message", "presence", "refused"]) room.on(event, schedule);
  room.on("rollback", (error) => toast(`${t("taken")}: ${error.name}`, true));
}
draw(true);
document.querySelector("main").classList.remove("waits");
setInterval(() => { if (document.visibilityState === "visible") schedule(); }, 500);
setInterval(look, 5000);
look();
open().then(() => {
  if (!calm && !memory.get("michub.toured")) startTour();
  return openChat();
}).catch((error) => {
  broken = error.name === "auth" ? t("noToken") : `${error.name}: ${error.message}`;
  toast(broken, true);
  schedule();
});
