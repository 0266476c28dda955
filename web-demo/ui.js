// Small pieces that every part of the page uses: faces, chips, the one menu, the one message line.
import { h, icon, render } from "./dom.js";
import { NAMES, nameOf } from "./cast.js";
import { said, t } from "./words.js";

const $ = (id) => document.getElementById(id);
/** People of the cast are as far apart in colour as can be. */
function hue(name) {
  const index = NAMES.indexOf(name);
  return Math.round((index >= 0 ? 20 + index * 137.5 : [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 997, 242)) % 360);
}

/** A round face with a person's first letter. */
export const face = (id, size = "") => h("span", { class: `face ${size}`, vars: { "--hue": String(hue(id.split("-")[0])) }, "aria-hidden": "true" }, [...nameOf(id)][0].toUpperCase());
export const chip = (kind, text, name) => h("span", { class: `chip c-${kind}` }, name && icon(name, 13), h("span", null, text));
/** The role of a person in a room, if he has one. */
export const roleChip = (state, id) => {
  const role = state.roles[id];
  return role && chip("role", t(role), role === "vip" ? "star" : "shield");
};

/** Says something to screen readers. */
export function announce(text) { $("live").textContent = text; }

let hiding = 0;
/** Shows a line at the bottom for a while. */
export function toast(text, bad = false) {
  const line = $("toast");
  line.textContent = text;
  line.classList.toggle("bad", bad);
  line.classList.add("on");
  clearTimeout(hiding);
  hiding = setTimeout(() => line.classList.remove("on"), 5000);
}

/** Runs an action and shows why it was refused, if it was. */
export function attempt(promise) {
  return promise.catch(async (error) => {
    const detail = error.details?.path ?? (error.details?.until_ms ? new Date(error.details.until_ms).toLocaleTimeString() : "");
    toast(`${t("refused")}: ${error.name} — ${await said(error)}${detail ? ` (${detail})` : ""}`, true);
  });
}

let anchor = null;
/** Opens the menu at `button`. An item is `[label, run, { icon?, bad?, disabled? }]`; a text alone is a heading. */
export function openMenu(button, title, items) {
  const menu = $("menu");
  anchor = button;
  const rows = items.filter(Boolean).map((item, index) => typeof item === "string" ? h("p", { key: `h${index}`, class: "head", role: "presentation" }, item)
    : h("button", { key: index, type: "button", role: "menuitem", class: item[2]?.bad ? "danger" : "", disabled: item[2]?.disabled, onclick: () => { menu.hidePopover(); item[1](); } }, item[2]?.icon ? icon(item[2].icon, 18) : h("span", { class: "noicon" }), h("span", null, item[0])));
  menu.setAttribute("aria-label", title);
  render(menu, [h("p", { key: "title", class: "title", role: "presentation" }, title), ...rows]);
  menu.showPopover();
  const box = button.getBoundingClientRect();
  const { offsetWidth: width, offsetHeight: height } = menu;
  const below = box.bottom + 4 + height < innerHeight;
  menu.style.left = `${Math.max(8, Math.min(box.right - width, innerWidth - width - 8))}px`;
  menu.style.top = `${Math.max(8, below ? box.bottom + 4 : box.top - height - 4)}px`;
  menu.querySelector("button:not(:disabled)")?.focus();
}

/** Prepares the menu's keys; called once. */
export function prepareMenu() {
  const menu = $("menu");
  menu.addEventListener("keydown", (event) => {
    const all = [...menu.querySelectorAll("button:not(:disabled)")];
    const now = all.indexOf(document.activeElement);
    const next = { ArrowDown: now + 1, ArrowUp: now - 1, Home: 0, End: all.length - 1 }[event.key];
    if (next === undefined) return;
    event.preventDefault();
    all[(next + all.length) % all.length]?.focus();
  });
  menu.addEventListener("toggle", ({ newState }) => { if (newState === "closed" && (document.activeElement === document.body || menu.contains(document.activeElement))) anchor?.focus(); });
}
