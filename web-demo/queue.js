// The mic queue as one person sees it; whoever may, reorders it: by dragging, keys, arrows, or a menu.
import { admin, guests, nameOf, reasons } from "./cast.js";
import { clock, h, icon, iconButton } from "./dom.js";
import { glide, ROW, Sorter } from "./sort.js";
import { announce, attempt, chip, face, openMenu, roleChip } from "./ui.js";
import { t } from "./words.js";

const HOST = 600;

export class QueueView {
  /** `person()` is whose replica this shows; `draw` draws the page again. */
  constructor(id, person, draw) {
    Object.assign(this, { id, person, draw });
    this.sorter = new Sorter(this);
    this.events = this.sorter.handlers();
  }

  get room() { return this.person().room; }
  get mayMove() { return this.room.level(this.person().id) >= HOST; }

  order() { return this.room.queue.map((entry) => entry.user_id); }

  /** Asks for the place that `order` shows: in front of whoever is behind him now. */
  moved(user, order) {
    const at = order.indexOf(user);
    const place = at + 1 < order.length ? { before: order[at + 1] } : { after: order[at - 1] };
    this.move(user, place);
  }

  move(user, place) {
    const asked = this.room.move(user, place, { onMissing: "nearest" });
    attempt(asked.then(() => announce(t("moved", nameOf(user), this.order().indexOf(user) + 1))));
  }

  changed(what) {
    const { user, index } = this.sorter;
    if (what === "lifted") announce(t("lifted", nameOf(user), index + 1));
    else if (what === "hovering") announce(t("hovering", index + 1));
    else if (what) announce(t(what));
    this.draw(what === undefined);
  }

  /** The reasons for somebody's place, as texts. */
  why(entry) {
    const known = reasons.get(entry.user_id);
    const lines = [t("whyOrder", entry.seq)];
    if (known?.by) lines.push(t("whyBy", nameOf(known.by)));
    lines.push(...(known?.why?.length ? known.why : [entry.eff_priority ? t("whyPriority", entry.eff_priority) : t("whyFifo")]));
    if (entry.jumped_by) lines.push(t("whyJumped", entry.jumped_by));
    if (entry.pinned) lines.push(t("whyPin"));
    return lines;
  }

  menu(button, entry) {
    const user = entry.user_id;
    const { room } = this;
    const order = this.order();
    const at = order.indexOf(user);
    const other = (index) => (index < at ? { before: order[index] } : { after: order[index] });
    const places = order.flatMap((who, index) => index === at || order.length > 12 && index > 8 && index < order.length - 1 ? [] : [[
      index === 0 ? t("first") : index === order.length - 1 ? t("last") : t("place", index + 1, nameOf(who)), () => this.move(user, other(index)), { icon: index < at ? "up" : "down" }]]);
    const role = room.state.roles[user];
    const level = room.level(this.person().id);
    const send = (type, fields) => attempt(room.send(type, fields));
    const roles = level >= 800 && room.level(user) < level ? [t("role"), ...["vip", "host"].filter((each) => each !== role).map((each) => [t("role_give", t(each)), () => send("role_set", { target_user_id: user, role_id: each }), { icon: each === "vip" ? "star" : "shield" }]),
      role && [t("noRole"), () => send("role_set", { target_user_id: user, role_id: null }), { icon: "x" }]] : [];
    openMenu(button, nameOf(user), [
      t("whyHere"), ...this.why(entry).map((line) => [line, () => {}, { disabled: true, icon: "info" }]),
      this.mayMove && t("moveTo"), ...(this.mayMove ? places : []),
      this.mayMove && " ",
      this.mayMove && [t("invite"), () => send("invite_send", { target_user_id: user }), { icon: "hand" }],
      this.mayMove && [t("remove"), () => send("queue_remove", { target_user_ids: [user] }), { icon: "x", bad: true }],
      level >= 800 && [t("kick"), () => send("user_kick", { target_user_id: user }), { icon: "x", bad: true }],
      ...roles,
    ]);
  }

  row(entry, index, order, now) {
    const user = entry.user_id;
    const name = nameOf(user);
    const { sorter, mayMove, room } = this;
    const lifted = sorter.user === user;
    const y = lifted && !sorter.byKey ? sorter.y : index * ROW;
    const held = entry.held_until_ms && chip("held", t("heldFor", clock(entry.held_until_ms - now)), "clock");
    return h("li", { key: user, "data-user": user, class: `${lifted ? `lifted ${sorter.byKey ? "" : "drag"}` : ""} ${held ? "held" : ""} ${entry.on_deck ? "deck" : ""}`, vars: { "--y": `${y}px` } },
      mayMove && h("button", { type: "button", class: "ib grip", "data-act": "grip", "aria-label": t("grip", name, index + 1), "aria-describedby": "keys", "aria-pressed": String(lifted) }, icon("grip")),
      h("span", { class: "n" }, index + 1), face(user, "small"),
      h("span", { class: "who" }, h("span", { class: "top" }, h("b", { title: name.length > 20 ? name : null }, name), roleChip(room.state, user), entry.on_deck && chip("deck", t("next")), held, entry.pinned && h("span", { class: "pin", title: t("pinned") }, icon("pin", 14))),
        h("span", { class: "note" }, entry.note ?? t("waits", clock(now - entry.joined_at_ms)))),
      mayMove && iconButton("up", `${t("up")}: ${name}`, () => this.move(user, { before: order[index - 1] }), { class: "arrow", "data-act": "up", disabled: index === 0 }),
      mayMove && iconButton("down", `${t("down")}: ${name}`, () => this.move(user, { after: order[index + 1] }), { class: "arrow", "data-act": "down", disabled: index === order.length - 1 }),
      iconButton("dots", t("more", name), (event) => this.menu(event.currentTarget, entry), { "data-act": "more" }));
  }

  list() {
    const now = Date.now() + this.room.skewMs;
    const byUser = new Map(this.room.queue.map((entry) => [entry.user_id, entry]));
    const order = this.sorter.shown().filter((user) => byUser.has(user));
    const empty = order.length === 0 && h("p", { class: "empty" }, this.room.state ? t("nobody") : t("waitsForRoom"));
    return h("div", { class: "scroll", tabindex: order.length > 6 ? "0" : null, role: "group", "aria-label": t("queue") }, empty,
      h("ol", { id: this.id, class: this.mayMove ? "rows may" : "rows", vars: { "--count": String(order.length) }, ...this.events }, order.map((user, index) => this.row(byUser.get(user), index, order, now))));
  }

  after(still) { glide(document.getElementById(this.id), still); }
}

/** What stands under the admin's queue. */
export function queueTools() {
  const { state } = admin.room;
  const undo = state?.undo.at(-1);
  const send = (type, fields) => attempt(admin.send(type, fields));
  return [
    undo && h("button", { key: "undo", type: "button", id: "undo", class: "strong", onclick: () => send("queue_restore", { undo_id: undo.undo_id }) }, icon("undo", 16), h("span", null, t("undo", undo.count))),
    h("button", { key: "clear", type: "button", id: "clear", disabled: !state?.queue.length, onclick: () => send("queue_clear") }, icon("x", 16), h("span", null, t("clear"))),
    h("button", { key: "resort", type: "button", id: "resort", title: t("resort"), "aria-label": t("resort"), disabled: (state?.queue.length ?? 0) < 2, onclick: () => send("queue_resort") }, icon("sort", 16), h("span", { class: "wide" }, t("resort"))),
  ].filter(Boolean);
}

/** Open applications and invitations, each with what an admin can do and the time that is left. */
export function requests() {
  const { state, skewMs } = admin.room;
  if (!state) return h("ul", { id: "requests", class: "requests" });
  const now = Date.now() + skewMs;
  const send = (type, fields) => attempt(admin.send(type, fields));
  const rows = [
    ...state.applies.map((one) => h("li", { key: one.apply_id }, face(one.user_id, "small"), h("span", { class: "say" }, t("wantsUp", nameOf(one.user_id)), " ", h("small", null, clock(one.expires_at_ms - now))),
      iconButton("check", `${t("approve")}: ${nameOf(one.user_id)}`, () => send("apply_resolve", { apply_id: one.apply_id, approve: true }), { class: "yes" }),
      iconButton("x", `${t("reject")}: ${nameOf(one.user_id)}`, () => send("apply_resolve", { apply_id: one.apply_id, approve: false }), { class: "no" }))),
    ...state.invites.map((one) => h("li", { key: one.invite_id }, face(one.user_id, "small"), h("span", { class: "say" }, t("invited", nameOf(one.user_id), one.seat_no), " ", h("small", null, clock(one.expires_at_ms - now))),
      iconButton("x", `${t("cancel")}: ${nameOf(one.user_id)}`, () => send("invite_cancel", { invite_id: one.invite_id }), { class: "no" }))),
  ];
  return h("ul", { id: "requests", class: "requests", "aria-label": t("requests") }, rows.length ? rows : h("li", { key: "none", class: "none" }, t("noRequests")));
}

/** People of this window who could be invited or put on a seat. */
export const candidates = () => guests.filter((guest) => guest.room.joined && guest.client.state === "connected" && !guest.seat && !guest.invite);
