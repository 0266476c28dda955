// Folds one event into a room's state, in place. What the rules of the protocol derive (on deck, silenced, a seat's state) is derived again after each frame.
import type { Entry, Place, RoomEvent, RoomState } from "./frames.js";

const LEVELS: Record<string, number> = { owner: 1000, admin: 800, host: 600, vip: 200, guest: 10 };

/** A person's level in a room: 1000 owner, 800 admin, 600 host, 100 member, or what the room's rules say. */
export function levelOf(state: RoomState, user: string): number {
  const role = state.roles[user] ?? "member";
  return state.rules.roles.find((one) => one.role_id === role)?.level ?? LEVELS[role] ?? 100;
}

const NO_MEDIA = { media: "none" as const, media_lost_until_ms: undefined };

export function fold(state: RoomState, event: RoomEvent): void;
export function fold(state: RoomState, event: any): void {
  const { queue, seats, turns } = state;
  // Every event is its envelope and the values that it brings; most of them go into the state as they are.
  const { event: name, rev, by, at_ms, op_id, user_id, seat_no, ...rest } = event;
  const drop = (list: any[], key: string) => list.splice(list.findIndex((one) => one[key] === event[key]) >>> 0, 1);
  const seat = seats.find((one) => one.no === seat_no)!;
  const sort = () => queue.sort((a, b) => rest.order.indexOf(a.user_id) - rest.order.indexOf(b.user_id));
  // Null is for ever, nothing (or 0) the end.
  const put = (map: Record<string, any>, value: any) => { if (value || value === null) map[user_id] = value; else delete map[user_id]; };
  const talk = () => state.talk ??= { slow_mode_seconds: 0, must_level: 0, normal_level: 0, droppable_level: 0, mutes: {} };
  // Whoever leaves for good must wait as the rules or the event say; a wait that runs is never shortened.
  const cool = () => {
    const wait = state.rules.rejoin_cooldown_seconds;
    if (!/promoted|seated|replaced|turn_ended/.test(rest.reason)) put(state.cooldowns, Math.max(wait && at_ms + wait * 1000, state.cooldowns[user_id] ?? 0, rest.cooldown_until_ms ?? 0));
  };
  state.rev = rev;
  switch (name as string) {
    case "queue_joined": {
      const { index, why, ...entry } = rest;
      if (!rest.pinned) for (const passed of queue.slice(index)) passed.jumped_by++;
      queue.splice(index, 0, { skip_queue: false, ...entry, user_id, jumped_by: 0, joined_at_ms: at_ms });
      break;
    }
    case "queue_left": drop(queue, "user_id"); cool(); break;
    case "queue_moved": queue.splice(rest.to, 0, ...queue.splice(rest.from, 1)); queue[rest.to]!.pinned = true; break;
    case "queue_reordered": {
      const before = queue.map((one) => one.user_id);
      const jumped = new Map<string, number>(rest.jumped_by);
      sort().forEach((one, index) => {
        one.pinned = !rest.resort && (one.pinned || before[index] !== one.user_id);
        if (rest.resort) one.jumped_by = jumped.get(one.user_id) ?? 0;
      });
      break;
    }
    case "queue_cleared": queue.length = 0; state.undo = [...state.undo.slice(-2), { ...rest, at_ms }]; break;
    case "queue_restored": queue.push(...rest.entries); sort(); drop(state.undo, "undo_id"); break;
    case "queue_held": case "seat_held": case "queue_returned": case "seat_returned": (seat?.occupant ?? queue.find((one) => one.user_id === user_id))!.held_until_ms = rest.held_until_ms; break;
    case "apply_submitted": state.applies.push({ user_id, ...rest, want_seat: rest.want_seat ?? undefined }); break;
    case "apply_ended": drop(state.applies, "apply_id"); break;
    case "invite_sent":
      state.invites.push({ user_id, by, seat_no, ...rest });
      seat.reserved_for = { user_id, invite_id: rest.invite_id, until_ms: rest.expires_at_ms };
      break;
    case "invite_ended":
      drop(state.invites, "invite_id");
      if (seat?.reserved_for?.invite_id === rest.invite_id) delete seat.reserved_for;
      break;
    case "seat_taken": seat.occupant = { user_id, since_ms: at_ms, via: rest.via, self_muted: false, silenced: false }; break;
    case "seat_left":
      Object.assign(seat, NO_MEDIA, { admin_muted: false, occupant: undefined });
      cool();
      break;
    case "seat_moved": {
      // A swap says so of both people; the second time they sit already where they should.
      const both: any[] = [seats.find((one) => one.occupant?.user_id === user_id), seats.find((one) => one.no === rest.to)];
      const [a, b] = both;
      for (const key of ["occupant", "admin_muted", "media", "media_lost_until_ms"]) [a[key], b[key]] = [b[key], a[key]];
      for (const { occupant } of both) if (occupant) occupant.via = "move";
      break;
    }
    case "seat_updated": {
      const { self_muted, ...values } = rest;
      Object.assign(seat, values.media && NO_MEDIA, values);
      if (self_muted !== undefined) seat.occupant!.self_muted = self_muted;
      break;
    }
    case "turn_started":
      turns.push({ user_id, seat_no, started_at_ms: at_ms, length_ms: rest.ends_at_ms ? rest.ends_at_ms - at_ms : rest.paused_remaining_ms ?? 0, extended_ms: 0, paused: false, paused_by: [], ...rest });
      break;
    case "turn_updated": Object.assign(turns.find((one) => one.turn_id === rest.turn_id)!, { paused_remaining_ms: undefined }, rest); break;
    case "turn_ended": drop(turns, "turn_id"); break;
    case "mode_changed": state.mode = rest.mode; break;
    case "flags_changed": case "rules_changed": Object.assign(state, rest); fitSeats(state); break;
    case "role_changed":
      if (rest.role_id === "owner") state.owner_user_id = user_id;
      put(state.roles, rest.role_id || 0);
      break;
    case "member_banned": case "member_unbanned": put(state.bans, rest.until_ms); break;
    case "queue_banned": put(state.queue_bans, rest.until_ms); break;
    case "room_closed": state.status = "closed"; break;
    case "talk_changed": Object.assign(talk(), rest); break;
    case "talk_muted": put(talk().mutes, rest.until_ms); break;
    case "queue_on_deck": case "member_kicked": break;
    // An event of a newer hub, as one that does not fit: the room is fetched anew.
    default: throw 0;
  }
}

/** Seats beyond the rules close when they empty; missing ones appear. */
function fitSeats({ seats, rules }: RoomState): void {
  const last = rules.max_mic_count + +rules.host_seat;
  for (const seat of seats) seat.closing = seat.no > last;
  for (let no = 0; no++ < last;) if (seats[no - 1]?.no !== no) seats.splice(no - 1, 0, { no, kind: "guest", state: "empty", closing: false, locked: false, admin_muted: false, extra: "", extra_rev: 0, media: "none" });
}

/** Fills in what the rules derive; called after the events of a frame. */
export function derive(state: RoomState): void {
  const { flags, rules } = state;
  state.seats = state.seats.filter((seat) => !seat.closing || seat.occupant || seat.reserved_for);
  state.queue.forEach((entry, index) => {
    entry.on_deck = index < rules.on_deck_size;
    entry.state = entry.held_until_ms ? "held" : "waiting";
  });
  for (const seat of state.seats) {
    const { occupant } = seat;
    seat.state = occupant ? (occupant.held_until_ms ? "held" : "occupied") : seat.locked ? "locked" : seat.reserved_for ? "reserved" : "empty";
    if (!occupant) continue;
    const turn = state.turns.find(({ user_id }) => user_id === occupant.user_id);
    if (turn) turn.seat_no = seat.no;
    const level = levelOf(state, occupant.user_id);
    occupant.silenced = seat.admin_muted || occupant.self_muted || (flags.mute_all && level < 800)
      || (state.mode === "chair" && level < rules.chair_min_level)
      || (flags.floor_controlled && !!turn);
  }
}

/** Moves `user` to a place in a copy of the queue, as the hub will if nobody was faster. */
export function placed(queue: Entry[], user: string, place: Place, stop: number): Entry[] {
  const from = queue.findIndex((entry) => entry.user_id === user);
  const moved = queue[from];
  if (!moved) return queue;
  const rest = queue.filter((entry) => entry !== moved);
  const { before, after, up = 0, down = 0 } = place as Record<string, any>;
  const anchor = rest.findIndex((entry) => entry.user_id === (before ?? after));
  const top = Math.min(stop, from);
  const to = place === "front" ? top : place === "back" ? rest.length : anchor < 0 ? Math.max(top, from - up + down) : anchor + +!before;
  return [...rest.slice(0, to), moved, ...rest.slice(to)];
}
