// The stage: seats with who sits there, who speaks, the time that is left; the room's mode and switches.
import { admin, isFurnished, nameOf, speaking } from "./cast.js";
import { clock, h, icon, iconButton } from "./dom.js";
import { candidates } from "./queue.js";
import { attempt, chip, face, openMenu, roleChip } from "./ui.js";
import { t } from "./words.js";

const RING = 2 * Math.PI * 52;
const send = (type, fields) => attempt(admin.send(type, fields));

function ring(part, paused) {
  return h("svg", { class: `ring ${paused ? "paused" : ""} ${part < 0.17 ? "late" : ""}`, viewBox: "0 0 112 112", "aria-hidden": "true" },
    h("circle", { cx: 56, cy: 56, r: 52, class: "track" }),
    h("circle", { cx: 56, cy: 56, r: 52, class: "left", vars: { "--dash": String(RING), "--gone": String(RING * (1 - Math.max(0, Math.min(1, part)))) } }));
}

/** How much of a turn is left: milliseconds and the part of the whole; null when it has no end. */
export function timeLeft(turn, now) {
  const ms = turn.paused ? turn.paused_remaining_ms ?? null : turn.ends_at_ms === null ? null : turn.ends_at_ms - now;
  return ms === null ? null : { ms, part: ms / Math.max(1, (turn.length_ms || 1) + (turn.extended_ms ?? 0)) };
}

function seatMenu(button, seat, label) {
  const who = seat.occupant?.user_id;
  const { room } = admin;
  const free = room.state.seats.filter((one) => one.state === "empty" && (one.kind === "guest" || who && room.level(who) >= 600));
  const lock = [seat.locked ? t("unlock") : t("lock"), () => send("seat_lock", { seat_nos: [seat.no], on: !seat.locked }), { icon: seat.locked ? "unlock" : "lock" }];
  const mine = who === admin.id;
  const mute = who && [seat.admin_muted || mine && seat.occupant.self_muted ? t("unmute") : t("muteThem"), () => send("seat_mute", { seat_nos: [seat.no], on: mine ? !seat.occupant.self_muted : !seat.admin_muted }), { icon: "micOff" }];
  const turn = who && room.state.turns.find((one) => one.user_id === who);
  const ofTurn = turn && (turn.ends_at_ms !== null || turn.paused) ? [
    [t(turn.paused ? "resume" : "pause"), () => send(turn.paused ? "turn_resume" : "turn_pause", { expect_turn_id: turn.turn_id }), { icon: turn.paused ? "play" : "pause" }],
    [t("extend"), () => send("turn_extend", { expect_turn_id: turn.turn_id, seconds: 30 }), { icon: "clock" }],
    [t("nextTurn"), () => send("turn_next", { expect_turn_id: turn.turn_id }), { icon: "next" }]] : [];
  if (mine) return openMenu(button, label, [mute, ...free.map((one) => [t("moveSeat", one.no), () => send("seat_move", { target_user_id: who, seat_no: one.no }), { icon: "up" }]), [t("leaveSeat"), () => send("seat_leave"), { icon: "x", bad: true }]]);
  if (who) {
    return openMenu(button, `${nameOf(who)} · ${label}`, [...ofTurn, mute, ...free.map((one) => [t("moveSeat", one.no), () => send("seat_move", { target_user_id: who, seat_no: one.no }), { icon: "up" }]),
      [t("toFront"), () => send("seat_kick", { target_user_id: who, requeue: true }), { icon: "undo" }], lock, [t("takeOff"), () => send("seat_kick", { target_user_id: who }), { icon: "x", bad: true }]]);
  }
  const people = seat.kind === "guest" && !seat.locked ? candidates() : [];
  const taken = admin.seat;
  openMenu(button, label, [
    !taken && !seat.locked && [t("take"), () => send("seat_take", { seat_no: seat.no }), { icon: "mic" }],
    seat.kind === "guest" && lock,
    people.length > 0 && t("invite"), ...people.map(({ id }) => [t("inviteTo", nameOf(id)), () => send("invite_send", { target_user_id: id, seat_no: seat.no }), { icon: "hand" }]),
    people.length > 0 && " ", ...people.map(({ id }) => [t("assign", nameOf(id)), () => send("seat_assign", { target_user_id: id, seat_no: seat.no }), { icon: "up" }]),
  ]);
}

function seatItem(seat, state, now) {
  const who = seat.occupant?.user_id;
  const label = seat.kind === "host" ? t("hostSeat") : t("seat", seat.no);
  const turn = who && state.turns.find((one) => one.user_id === who);
  const left = turn && timeLeft(turn, now);
  const held = seat.occupant?.held_until_ms;
  const muted = who && seat.occupant.silenced;
  const reserved = seat.reserved_for;
  const onAir = who && seat.media === "publishing", lost = who && seat.media === "lost";
  const kind = who ? (held ? "held" : "on") : seat.locked ? "locked" : reserved ? "kept" : "free";
  const below = held ? chip("held", t("heldFor", clock(held - now)), "clock")
    : lost ? chip("warn", t("soundLost", clock(seat.media_lost_until_ms - now)), "micOff")
    : turn ? h("span", { class: `time ${turn.paused ? "paused" : ""}` }, turn.paused && icon("pause", 14), left ? clock(left.ms) : t("endless"), roleChip(state, who))
      : who ? roleChip(state, who) ?? h("span", { class: "soft" }, label)
        : reserved ? h("span", { class: "soft" }, `${t("reserved")} ${nameOf(reserved.user_id)} ${clock(reserved.until_ms - now)}`)
          : h("span", { class: "soft" }, seat.locked ? t("locked") : t("free"));
  const name = who ? nameOf(who) : label;
  return h("li", { key: seat.no, class: `seat ${kind} ${speaking.has(who) && !muted ? "speaks" : ""} ${seat.kind}`, "data-user": who ?? null, "data-seat": seat.no, "data-media": who ? seat.media : null },
    h("span", { class: "no" }, seat.kind === "host" ? t("host") : seat.no),
    h("span", { class: "spot" }, turn && left && ring(left.part, turn.paused),
      who ? face(who, "big") : h("span", { class: "face big none", "aria-hidden": "true" }, icon(seat.locked ? "lock" : reserved ? "hand" : "plus", 26)),
      who && h("span", { class: `mic ${muted ? "off" : ""} ${onAir ? "air" : ""}`, title: [muted && t("muted"), onAir && t("onAir")].filter(Boolean).join(", ") }, icon(muted ? "micOff" : "mic", 15))),
    h("b", { class: "name" }, name), h("span", { class: "below" }, below),
    h("span", { class: "acts" },
      turn && left && iconButton(turn.paused ? "play" : "pause", `${t(turn.paused ? "resume" : "pause")}: ${name}`, () => send(turn.paused ? "turn_resume" : "turn_pause", { expect_turn_id: turn.turn_id }), { "data-act": "pause" }),
      turn && left && h("button", { type: "button", class: "ib word", "data-act": "extend", title: t("extend"), "aria-label": `${t("extend")}: ${name}`, onclick: () => send("turn_extend", { expect_turn_id: turn.turn_id, seconds: 30 }) }, "+30"),
      turn && iconButton("next", `${t("nextTurn")}: ${name}`, () => send("turn_next", { expect_turn_id: turn.turn_id }), { "data-act": "next" }),
      iconButton("dots", t("more", name), (event) => seatMenu(event.currentTarget, seat, label), { "data-act": "seat" })));
}

/** The seats. */
export function stage() {
  const { state, skewMs } = admin.room;
  if (!state || !isFurnished) return h("ol", { id: "seats", class: "seats" }, [1, 2, 3, 4, 5].map((no) => h("li", { key: `g${no}`, class: "seat ghost" }, h("span", { class: "no" }, "–"), h("span", { class: "spot" }, h("span", { class: "face big none" })), h("b", { class: "name" }, "…"), h("span", { class: "below" }), h("span", { class: "acts" }))));
  const now = Date.now() + skewMs;
  return h("ol", { id: "seats", class: "seats" }, state.seats.map((seat) => seatItem(seat, state, now)));
}

/** The mode, the switches, and the way to the rules. */
export function controls(openRules) {
  const { state } = admin.room;
  const modes = ["free", "apply", "queue", "chair"].map((mode) => h("button", { type: "button", key: mode, "aria-pressed": String(state?.mode === mode), title: t(`modeHint_${mode}`), "data-mode": mode, disabled: !state, onclick: () => send("mode_set", { mode }) }, t(`mode_${mode}`)));
  const flags = ["queue_open", "floor_controlled", "mute_all"].map((flag) => h("label", { key: flag, class: "switch" },
    h("input", { type: "checkbox", role: "switch", "data-flag": flag, disabled: !state, checked: Boolean(state?.flags[flag]), onchange: (event) => { const { target } = event; const on = target.checked; attempt(admin.send("flag_set", { flag, on }).catch((error) => { target.checked = !on; throw error; })); } }), h("span", { class: "knob" }), h("span", null, t(flag))));
  return [h("div", { key: "modes", class: "seg", role: "group", "aria-label": t("mode") }, modes), h("div", { key: "flags", class: "flags" }, flags),
    h("button", { key: "rules", type: "button", id: "rules", disabled: !state, onclick: openRules }, icon("sliders", 18), h("span", null, t("rules")))];
}
