// The editor of the room's rules: a few knobs, the whole document, and what the hub says about it.
import { admin } from "./cast.js";
import { h, render } from "./dom.js";
import { said, t } from "./words.js";

const KNOBS = [["max_mic_count", 1, 64], ["timeout_seconds", 0, 86400], ["max_queue_len", 0, 2000], ["on_deck_size", 0, 10], ["max_jumped_by", 0, 1000], ["hold_seconds_queue", 0, 3600]];
const dialog = document.getElementById("editor");
let text = "";
let message = null;
let rev = 0;

const parsed = () => { try { return JSON.parse(text); } catch { return null; } };

function knob([key, min, max]) {
  const rules = parsed();
  return h("label", { key, class: "knob-field" }, h("span", null, t(key)), h("input", { type: "number", min, max, name: key, value: rules?.[key] ?? "", disabled: !rules, oninput: (event) => {
    // An empty field is the default, not zero.
    const { value } = event.target;
    text = JSON.stringify({ ...parsed(), [key]: value === "" ? undefined : Number(value) }, null, 2);
    dialog.querySelector("textarea").value = text;
    draw();
  } }));
}

/** Puts the cursor on the line that the hub's JSON pointer names. */
function point(path) {
  const area = dialog.querySelector("textarea");
  const key = path.split("/").filter((part) => part && !/^\d+$/.test(part)).at(-1);
  const at = key ? text.indexOf(`"${key}"`) : -1;
  if (at < 0) return;
  area.focus();
  area.scrollTop = (text.slice(0, at).split("\n").length - 4) * Number.parseFloat(getComputedStyle(area).lineHeight);
  area.setSelectionRange(at, text.indexOf("\n", at) < 0 ? text.length : text.indexOf("\n", at));
}

async function save() {
  const rules = parsed();
  if (!rules) { message = { bad: true, path: "", text: t("notJson") }; return draw(); }
  try {
    const ack = await admin.send("rules_set", { rules, if_rules_rev: rev });
    rev = ack.rules_rev ?? rev;
    message = { text: ack.noop ? t("done") : `${t("saved")} ${rev}` };
  } catch (error) {
    message = { bad: true, path: error.details?.path ?? "", text: error.details?.message ?? await said(error), name: error.name };
    if (error.name === "stale_rev") rev = error.details.rev;
  }
  draw();
  if (message.path) point(message.path);
}

function draw() {
  render(dialog, [
    h("form", { key: "form", novalidate: true, onsubmit: (event) => { event.preventDefault(); save(); } },
      h("h2", { id: "t-rules" }, t("rulesTitle")), h("p", { class: "hint" }, t("rulesHint")),
      h("div", { class: "knobs" }, KNOBS.map(knob)),
      h("textarea", { spellcheck: "false", rows: 14, "aria-label": t("rulesTitle"), "aria-describedby": "rules-says", "aria-invalid": String(Boolean(message?.bad)), oninput: (event) => { text = event.target.value; message = null; draw(); } }),
      h("p", { id: "rules-says", class: `says ${message?.bad ? "bad" : ""}`, role: "status" }, message && [message.name && h("b", null, message.name, " "), message.path && h("code", null, message.path), " ", message.text]),
      h("p", { class: "tools" }, h("button", { type: "submit", class: "strong", id: "save-rules" }, t("save")), h("button", { type: "button", onclick: () => dialog.close() }, t("close")))),
  ]);
}

/** Opens the editor with the rules as they are now. */
export function openRules() {
  const { state } = admin.room;
  if (!state) return;
  rev = state.rules_rev;
  text = JSON.stringify(state.rules, null, 2);
  message = null;
  draw();
  dialog.querySelector("textarea").value = text;
  dialog.showModal();
}
