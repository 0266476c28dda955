// The people of this window: what each may do now, how his line is, and ways to break it. And one of them as the second view's owner.
import { admin, everybody, guests, nameOf, statuses } from "./cast.js";
import { button, clock, h, icon, iconButton } from "./dom.js";
import { timeLeft } from "./stage.js";
import { attempt, chip, face, openMenu, roleChip, toast } from "./ui.js";
import { t } from "./words.js";

/** Where somebody is, as he would say it. */
function where(person) {
  const { seat, turn, queued, room } = person;
  const left = turn && timeLeft(turn, Date.now() + room.skewMs);
  if (!room.joined) return t("youOut");
  if (seat) return `${t("youSeat", seat.no)}${left ? ` · ${t("left", clock(left.ms))}` : ""}`;
  return queued >= 0 ? t("youQueue", queued + 1) : t("youListen");
}

/** What a person can do for himself now; the first is the obvious one. */
function ownActions(person) {
  const { seat, turn, queued, room, apply } = person;
  const state = room.state;
  const act = (label, type, fields, name) => [label, () => { person.left = /_(leave|cancel)$/.test(type); attempt(person.send(type, fields)); }, name];
  if (!room.joined || !state) return person.client.state === "connected" ? [[t("back"), () => attempt(room.join()), "back"]] : [];
  if (seat) {
    return [turn ? act(t("yield_"), "turn_yield", { expect_turn_id: turn.turn_id }, "yield") : act(t("leaveSeat"), "seat_leave", {}, "leaveSeat"),
      act(t(seat.occupant.self_muted ? "unmuteMe" : "muteMe"), "seat_mute", { seat_nos: [seat.no], on: !seat.occupant.self_muted }, "mute")];
  }
  const waits = queued >= 0 ? act(t("leave"), "queue_leave", {}, "leave") : act(t("join"), "queue_join", {}, "join");
  if (state.mode === "apply") return [apply ? act(t("unapply"), "apply_cancel", { apply_id: apply.apply_id }, "unapply") : act(t("apply"), "apply_submit", {}, "apply"), waits];
  if (state.mode === "free") return [act(t("takeSeat"), "seat_take", {}, "take"), waits];
  return [waits];
}

/** Asks the hub what would happen if he joined, and why. */
async function explain(person) {
  const { would, name, index, why = [], code } = await person.send("explain", { command: { type: "queue_join" } });
  const where = would === "ok" ? t("wouldBe", index + 1) : `${name} (${code})`;
  toast([where, ...why].join(" · "), would !== "ok");
}

const actButtons = (person) => ownActions(person).map(([label, run, name], index) => button(label, run, { key: name, class: index ? "" : "strong", "data-act": name, disabled: person.client.state !== "connected" }));

/** The line of a person: state, attempt, countdown; null if there is nothing to say. */
export function line(person) {
  const { state, attempt: tries, transport } = person.client;
  const { change, changedAt } = person;
  if (state === "connected") return person.delayMs ? chip("warn", t("slow"), "clock") : transport === "ws" ? null : chip("warn", t(transport));
  if (state === "disconnected" && change?.willRetry) {
    const left = Math.max(0, (changedAt + change.nextDelayMs - Date.now()) / 1000);
    return chip("down", t("retryIn", Number.isFinite(left) ? left.toFixed(1) : "…", tries), "bolt");
  }
  return chip("down", t(state), "bolt");
}

function faults(target, person) {
  const { client } = person;
  const up = client.state === "connected";
  openMenu(target, `${t("faults")}: ${nameOf(person.id)}`, [
    up && [t("f_drop"), () => client.simulate("drop"), { icon: "bolt" }],
    up && [t("f_half"), () => { client.simulate("half_open"); client.ping(); }, { icon: "bolt" }],
    up && [person.delayMs ? t("f_fast") : t("f_slow"), () => { person.delayMs = person.delayMs ? 0 : 500; }, { icon: "clock" }],
    up && [t("f_token"), () => client.simulate("token_expired"), { icon: "lock" }],
    ...["ws", "poll", "sse"].filter((transport) => up && transport !== client.transport).map((transport) => [t("f_over", t(transport)), () => { client.transport = client.options.transport = transport; client.simulate("drop"); }, { icon: "window" }]),
    up && [t("f_offline"), () => client.close(), { icon: "x" }],
    !up && [t("f_connect"), () => attempt(client.connect()), { icon: "play" }],
    up && !person.admin && [t("f_kick"), () => attempt(admin.send("user_kick", { target_user_id: person.id })), { icon: "x", bad: true }],
  ]);
}

function row(person) {
  const { id, client } = person;
  const shown = statuses.get(id)?.status ?? "offline";
  const up = client.state === "connected";
  const label = { online: t("online"), busy: t("busy"), away: t("status_away"), offline: t("offline") };
  return h("li", { key: id, "data-user": id, class: up ? "" : "lost" }, face(id, "small"),
    h("span", { class: "who" }, h("span", { class: "top" }, h("b", null, nameOf(id)), admin.room.state && roleChip(admin.room.state, id), chip(shown, label[shown] ?? shown)),
      h("span", { class: "note" }, up ? where(person) : "", line(person))),
    h("span", { class: "acts" }, actButtons(person),
      h("select", { "aria-label": `${t("status")}: ${nameOf(id)}`, value: person.choice, disabled: !up, onchange: (event) => { person.choice = event.target.value; attempt(client.setStatus(person.choice)); } },
        ["online", "busy", "away"].map((value) => h("option", { key: value, value }, label[value]))),
      iconButton("bolt", `${t("faults")}: ${nameOf(id)}`, (event) => faults(event.currentTarget, person), { "data-act": "faults", class: "danger" })));
}

/** Everybody, one row each. */
export const people = () => h("ul", { id: "people", class: "people" }, everybody.map(row));

let chosen = guests[1];
export const viewer = () => chosen;

/** Who could look on in the second view. */
export function viewerTabs(draw) {
  const choose = (person) => { chosen = person; draw(); };
  return [h("div", { key: "tabs", class: "tabs", role: "group", "aria-label": t("viewAs") }, guests.map((person) => h("button", { key: person.id, type: "button", "aria-pressed": String(person === chosen), "data-as": person.id, title: nameOf(person.id), "aria-label": t("viewOf", nameOf(person.id)), onclick: () => choose(person) }, face(person.id, "small"))))];
}

/** Where he is, what he can do, who invites him. */
export function viewerLine() {
  const { invite } = chosen;
  const now = Date.now() + chosen.room.skewMs;
  return h("div", { key: "me", class: "me" }, h("span", { class: "where" }, invite ? t("invitesYou", nameOf(invite.by), invite.seat_no) : where(chosen), invite && h("small", null, ` ${clock(invite.expires_at_ms - now)}`), " ", line(chosen)),
      h("span", { class: "acts" }, invite
        ? [button(t("accept"), () => attempt(chosen.send("invite_reply", { invite_id: invite.invite_id, accept: true })), { key: "yes", class: "strong", "data-act": "accept" }), button(t("decline"), () => attempt(chosen.send("invite_reply", { invite_id: invite.invite_id, accept: false })), { key: "no", "data-act": "decline" })]
        : [actButtons(chosen), chosen.queued < 0 && !chosen.seat && iconButton("info", t("whatIf"), () => attempt(explain(chosen)), { key: "if", "data-act": "explain", disabled: chosen.client.state !== "connected" })]));
}

/** Do both views stand at the same position? */
export function sync() {
  const [a, b] = [admin.room, chosen.room];
  const same = a.state && b.state && a.cursor === b.cursor;
  const off = [a, b].find((room) => room.state && room.client.state !== "connected");
  if (off) return h("span", { id: "sync", class: "chip c-behind" }, icon("bolt", 14), h("span", null, `${t("noLine")} ${off.state.rev}`));
  return h("span", { id: "sync", class: `chip ${same ? "c-same" : "c-behind"}` }, same ? icon("check", 14) : icon("clock", 14), h("span", null, same ? `${t("inSync")} ${a.state.rev}` : `${t("behind")} ${b.state?.rev ?? "–"} → ${a.state?.rev ?? "–"}`));
}
