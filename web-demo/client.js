// A small client: one WebSocket, the reconnect table, resume, a promise per command, and a replica of one room.
const DELAYS = [0, 3000, 6000, 12000, 24000];

export class Client extends EventTarget {
  constructor({ url, userId, userType, roomId }) {
    super();
    Object.assign(this, { url, userId, userType, roomId, state: "disconnected", attempt: 0, room: null, cursor: null, people: new Map() });
    this.nextId = 1;
    this.waiting = new Map();
    this.latency = [];
  }

  emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  connect() {
    this.setState("connecting");
    const socket = (this.socket = new WebSocket(this.url, ["hub.v1.json"]));
    this.advice = 0;
    socket.onopen = () => {
      const hello = { type: "user_online", user_id: this.userId, user_type: this.userType, timestamp: Math.floor(Date.now() / 1000) };
      if (this.sessionToken) Object.assign(hello, { session_token: this.sessionToken, rooms: [{ room_id: this.roomId, cursor: this.cursor ?? "" }] });
      this.send(hello);
    };
    socket.onmessage = (event) => socket === this.socket && this.receive(JSON.parse(event.data));
    socket.onclose = (event) => socket === this.socket && this.closed(event.code);
  }

  setState(state) {
    this.state = state;
    this.emit("state");
  }

  closed(code) {
    clearInterval(this.heart);
    for (const [, reply] of this.waiting) reply.reject({ name: "disconnected" });
    this.waiting.clear();
    const stop = Math.floor(code / 100) === 40 || this.attempt >= DELAYS.length;
    if (stop) return this.setState("failed");
    this.delay = Math.max(DELAYS[this.attempt++], this.advice);
    this.setState("disconnected");
    this.timer = setTimeout(() => this.connect(), this.delay);
  }

  /** Drops the line as a tunnel would: no goodbye. */
  drop() {
    const socket = this.socket;
    this.socket = null;
    socket?.close(3000);
    this.attempt = 1;
    this.closed(1006);
  }

  send(frame) {
    this.emit("frame", { out: true, frame });
    this.socket?.send(JSON.stringify(frame));
  }

  /** Sends a command; resolves with its ack, rejects with its error. */
  ask(type, fields = {}) {
    const id = this.nextId++;
    const frame = { type, id, ...fields };
    if (/^(queue|seat|role|mode)_/.test(type)) Object.assign(frame, { room_id: this.roomId, op_id: crypto.randomUUID() });
    return new Promise((resolve, reject) => {
      if (this.state !== "connected") return reject({ name: "disconnected" });
      this.waiting.set(id, { resolve, reject });
      this.send(frame);
    });
  }

  receive(frame) {
    this.emit("frame", { out: false, frame });
    const reply = frame.id !== undefined && this.waiting.get(frame.id);
    if (reply) {
      this.waiting.delete(frame.id);
      frame.type === "error" ? reply.reject(frame) : reply.resolve(frame);
    }
    this[`on_${frame.type}`]?.(frame);
  }

  async on_welcome(frame) {
    this.sessionToken = frame.session_token;
    this.node = frame.node;
    this.attempt = 0;
    this.setState("connected");
    clearInterval(this.heart);
    const beat = () => this.send({ type: "heartbeat", user_id: this.userId, user_type: this.userType, ts_ms: Date.now() });
    this.heart = setInterval(beat, frame.heartbeat_interval_ms);
    beat();
    if (!frame.rooms.some((room) => room.room_id === this.roomId && !room.error)) {
      await this.ask("room_join", { room_id: this.roomId, cursor: this.cursor ?? "" }).catch((error) => this.emit("refused", error));
    }
    this.emit("ready");
  }

  on_heartbeat_ack(frame) {
    this.latency = [...this.latency.slice(-99), Date.now() - frame.ts_ms];
    this.emit("room");
  }

  on_closing(frame) {
    this.advice = frame.retry_after_ms;
  }

  on_userOnlineStatus(frame) {
    for (const person of frame.user_status) this.people.set(person.user_id, person.status);
    this.emit("room");
  }

  on_room_presence(frame) {
    this.online = frame.online;
    for (const change of frame.changes) this.people.set(change.user_id, change.status);
    this.emit("room");
  }

  on_room_snapshot(frame) {
    this.room = frame.state;
    this.cursor = frame.cursor;
    this.emit("room");
  }

  on_room_update(frame) {
    if (frame.prev !== this.cursor) return void this.ask("room_sync", { room_id: this.roomId, cursor: this.cursor ?? "" }).catch(() => {});
    for (const event of frame.events) fold(this.room, event);
    this.cursor = frame.cursor;
    this.emit("room");
  }
}

const seatOf = (room, no) => room.seats.find((seat) => seat.no === no);

/** Folds one event into a room, by the rules of the protocol. */
export function fold(room, event) {
  room.rev = event.rev;
  const { queue } = room;
  const at = (user) => queue.findIndex((entry) => entry.user_id === user);
  const seat = event.seat_no && seatOf(room, event.seat_no);
  switch (event.event) {
    case "queue_joined": {
      if (!event.pinned) for (const entry of queue.slice(event.index)) entry.jumped_by++;
      const { user_id, seq, eff_priority, pinned, want_seat, note } = event;
      queue.splice(event.index, 0, { user_id, seq, eff_priority, pinned, want_seat, note, jumped_by: 0, joined_at_ms: event.at_ms, state: "waiting" });
      break;
    }
    case "queue_left": if (at(event.user_id) >= 0) queue.splice(at(event.user_id), 1); break;
    case "queue_moved": queue.splice(event.to, 0, { ...queue.splice(event.from, 1)[0], pinned: true }); break;
    case "queue_reordered": queue.sort((a, b) => event.order.indexOf(a.user_id) - event.order.indexOf(b.user_id)); break;
    case "queue_cleared": queue.length = 0; room.undo = [...room.undo, { undo_id: event.undo_id, count: event.count, at_ms: event.at_ms }].slice(-3); break;
    case "queue_restored":
      queue.push(...event.entries.map((entry) => ({ ...entry, state: "waiting" })));
      queue.sort((a, b) => event.order.indexOf(a.user_id) - event.order.indexOf(b.user_id));
      room.undo = room.undo.filter((undo) => undo.undo_id !== event.undo_id);
      break;
    case "queue_held": Object.assign(queue[at(event.user_id)] ?? {}, { state: "held", held_until_ms: event.held_until_ms }); break;
    case "queue_returned": Object.assign(queue[at(event.user_id)] ?? {}, { state: "waiting", held_until_ms: undefined }); break;
    case "seat_taken": seat.occupant = { user_id: event.user_id, since_ms: event.at_ms, via: event.via, self_muted: false }; break;
    case "seat_left": Object.assign(seat, { occupant: undefined, admin_muted: false }); break;
    case "seat_moved": {
      const from = room.seats.find((one) => one.occupant?.user_id === event.user_id);
      const to = seatOf(room, event.to);
      if (from && from !== to) {
        [from.occupant, to.occupant] = [to.occupant, from.occupant];
        [from.admin_muted, to.admin_muted] = [to.admin_muted, from.admin_muted];
      }
      break;
    }
    case "seat_updated": {
      const { locked, admin_muted, self_muted } = event;
      if (locked !== undefined) seat.locked = locked;
      if (admin_muted !== undefined) seat.admin_muted = admin_muted;
      if (self_muted !== undefined && seat.occupant) seat.occupant.self_muted = self_muted;
      break;
    }
    case "seat_held": seat.occupant.held_until_ms = event.held_until_ms; break;
    case "seat_returned": seat.occupant.held_until_ms = undefined; break;
    case "mode_changed": room.mode = event.mode; break;
    case "flags_changed": room.flags = event.flags; break;
    case "role_changed":
      if (event.role_id === "owner") room.owner_user_id = event.user_id;
      room.roles[event.user_id] = event.role_id ?? "member";
      break;
  }
}
