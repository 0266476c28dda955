// Round trips of the last minute: one line per person, and the same as numbers.
import { everybody, nameOf } from "./cast.js";
import { h } from "./dom.js";
import { face } from "./ui.js";
import { t } from "./words.js";

const W = 600;
const H = 140;
const SPAN = 60_000;
const COLORS = 6;

const at = (sorted, part) => (sorted.length ? sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] : null);
const show = (ms) => (ms === null ? "–" : String(Math.round(ms)));

function plot(now) {
  const most = Math.max(...everybody.flatMap(({ samples }) => samples.map(([, ms]) => ms)), 0);
  const top = [10, 20, 50, 100, 200, 500, 1000, 2000, 5000].find((step) => step >= most * 1.1) ?? 10_000;
  const y = (ms) => (H - 4 - (ms / top) * (H - 16)).toFixed(1);
  const line = ({ samples }) => samples.filter(([when]) => now - when < SPAN).map(([when, ms]) => `${(W - ((now - when) / SPAN) * W).toFixed(1)},${y(Math.min(ms, top))}`).join(" ");
  return h("div", { class: "plot" }, h("span", { class: "scale" }, `${top} ms`),
    h("svg", { viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", role: "img", "aria-label": t("lastMinute") },
      [0, 0.5, 1].map((part) => h("line", { key: `g${part}`, x1: 0, x2: W, y1: y(top * part), y2: y(top * part), class: "grid" })),
      everybody.map((person, index) => h("polyline", { key: person.id, points: line(person), class: `l${index % COLORS}` }))));
}

/** The plot and its table. */
export function latency() {
  const rows = everybody.map((person, index) => {
    const sorted = person.samples.map(([, ms]) => ms).sort((a, b) => a - b);
    return h("tr", { key: person.id }, h("th", { scope: "row" }, h("span", { class: `dot l${index % COLORS}` }), face(person.id, "tiny"), nameOf(person.id)), [0.5, 0.95, 0.99].map((part) => h("td", { key: part }, show(at(sorted, part)))), h("td", { key: "n" }, sorted.length));
  });
  return [plot(Date.now()), h("table", null, h("thead", null, h("tr", null, [t("who"), "p50", "p95", "p99", t("samples")].map((word) => h("th", { key: word, scope: "col" }, word)))), h("tbody", null, rows))];
}
