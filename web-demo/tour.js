// Four steps that point at what is worth a look. Shown once, and whenever somebody asks.
import { h, icon, memory, render } from "./dom.js";
import { t } from "./words.js";

const STEPS = [[".stage", "tour1"], [".mine", "tour2"], [".other", "tour3"], [".folk", "tour4"]];
const box = document.getElementById("tour");
let step = -1;

function end() {
  step = -1;
  memory.set("michub.toured", "1");
  show();
}

function go(to) {
  step = to;
  if (step >= STEPS.length) return end();
  const [selector] = STEPS[step];
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  document.querySelector(selector).scrollIntoView({ block: "center", behavior: still ? "auto" : "smooth" });
  show();
  box.querySelector("button.strong")?.focus({ preventScroll: true });
}

/** Draws the current step, in the current language. */
export function show() {
  for (const [index, [selector]] of STEPS.entries()) document.querySelector(selector).classList.toggle("toured", index === step);
  box.hidden = step < 0;
  if (step < 0) return;
  const key = STEPS[step][1];
  render(box, [h("h2", { key: "t", id: "t-tour" }, t(key)), h("p", { key: "b" }, t(`${key}b`)),
    h("p", { key: "tools", class: "tools" }, h("span", { class: "soft" }, t("step", step + 1, STEPS.length)), h("button", { type: "button", onclick: end }, t("skip")),
      h("button", { type: "button", class: "strong", onclick: () => go(step + 1) }, h("span", null, t(step + 1 < STEPS.length ? "nextStep" : "done")), step + 1 < STEPS.length && icon("play", 14)))]);
}

export const startTour = () => go(0);
box.addEventListener("keydown", (event) => { if (event.key === "Escape") end(); });
