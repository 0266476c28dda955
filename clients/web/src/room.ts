// One room as a client sees it: a replica folded from the log, and the moves that this client has made but not yet seen confirmed.
import type { HubClient } from "./client.js";
import { Emitter } from "./emitter.js";
import type { HubError } from "./error.js";
import { derive, fold, levelOf, placed } from "./fold.js";
import type { Ack, CommandName, Commands, Entry, Envelope, Place, RoomEvent, RoomMessage, RoomPresence, RoomState } from "./frames.js";

interface RoomEvents {
  /** The state changed, or an own move was shown before its confirmation. */
  change: Room;
  /** One event of the log, after the state holds it. */
  event: RoomEvent;
  presence: RoomPresence;
  message: RoomMessage;
  /** What this client held is no longer part of the history; a snapshot follows. */
  reset: string;
  /** An own move was refused and is taken back. */
  rollback: unknown;
  /** The hub does not let this client in (any more); the name of the error. */
  refused: string;
}
interface Pending { _show: (queue: Entry[]) => Entry[]; _rev: number }

/** A key that makes a repeat of the same command harmless. */
export const newOpId = (): string => `${Date.now()}-${Math.random()}`;

export class Room extends Emitter<RoomEvents> {
  /** What the hub has confirmed; null until the first snapshot. */
  state: RoomState | null = null;
  /** The position in the room's log; opaque. */
  cursor = "";
  /** The position in the messages that are kept; opaque. */
  declare msgCursor: string | undefined;
  /** How many people are here. */
  online = 0;
  joined = false;
  private _pending = new Set<Pending>();
  declare private _deaf: boolean;

  declare readonly client: HubClient;
  declare readonly id: string;

  constructor(client: HubClient, id: string) {
    super();
    this.client = client;
    this.id = id;
  }

  /** Hub time minus local time, for countdowns. */
  get skewMs() { return this.client.skewMs; }
  /** The queue as this client should show it: confirmed, with its own open moves on top. */
  get queue(): Entry[] {
    let queue = this.state?.queue ?? [];
    for (const { _show } of this._pending) queue = _show(queue);
    return queue;
  }

  /** The level of a person here: 1000 owner, 800 admin, 600 host, 100 member. */
  level(user: string): number { return this.state ? levelOf(this.state, user) : 0; }

  /** Joins, or comes back; `joined` holds when it resolves. */
  join(): Promise<Ack> {
    const asked = this.client.request("room_join", this._since());
    asked.catch((error) => this._refuse(error));
    return asked;
  }

  /** Leaves for good: place and seat are free at once. */
  leave(): Promise<Ack> {
    this._clear();
    return this.client.request("room_leave", { room_id: this.id });
  }

  /** Sends a command; resolves when it is committed, rejects with the hub's error. */
  send<Name extends CommandName>(type: Name, ...fields: {} extends Commands[Name] ? [(Commands[Name] & Envelope)?] : [Commands[Name] & Envelope]): Promise<Ack>;
  send(type: any, fields: any = {}): Promise<Ack> {
    return this.client.request(type, { room_id: this.id, ...fields });
  }

  /** Moves somebody in the queue; shown at once, taken back if refused. */
  move(user: string, place: Place, { force = false, onMissing = "fail" as "fail" | "nearest" } = {}): Promise<Ack> {
    const stop = force ? 0 : this.state?.rules.on_deck_size ?? 0;
    return this._try((queue) => placed(queue, user, place, stop),
      this.send("queue_move", { target_user_id: user, place, on_missing: onMissing, force }));
  }

  /** Puts people into this order within the slots that they hold now; refused with `stale_rev` if somebody was faster. */
  reorder(users: string[]): Promise<Ack> {
    const show = (queue: Entry[]) => {
      const isNamed = ({ user_id }: Entry) => users.includes(user_id);
      const order = queue.filter(isNamed).sort((a, b) => users.indexOf(a.user_id) - users.indexOf(b.user_id));
      return queue.map((entry) => (isNamed(entry) ? order.shift()! : entry));
    };
    return this._try(show, this.send("queue_reorder", { user_ids: users, if_rev: this.cursor }));
  }

  say(body: string, options: { class?: RoomMessage["class"]; kind?: string } = {}): Promise<Ack> {
    return this.client.request("room_message", { room_id: this.id, class: "normal", kind: "text", body, dedup_id: newOpId(), ...options });
  }

  private _try(_show: Pending["_show"], reply: Promise<Ack>): Promise<Ack> {
    const pending = { _show, _rev: Infinity };
    this._pending.add(pending);
    this.emit("change", this);
    reply.then((ack) => {
      pending._rev = ack.noop ? 0 : ack.rev ?? 0;
      this._settle();
    }, (error) => {
      this._pending.delete(pending);
      this.emit("rollback", error);
      this._settle();
    });
    return reply;
  }

  private _settle(): void {
    const rev = this.state?.rev ?? 0;
    for (const pending of this._pending) if (pending._rev <= rev) this._pending.delete(pending);
    this.emit("change", this);
  }

  /** Where this client stands. @internal */
  _since() { return { room_id: this.id, cursor: this.cursor, msg_cursor: this.msgCursor }; }

  private _clear(): void {
    this.joined = false;
    this.state = null;
    this.cursor = "";
    this.msgCursor = undefined;
    this._pending.clear();
  }

  /** A refusal for good ends the membership; one for now does not. */
  private _refuse({ code, temporary, name }: HubError): void {
    if (!code || temporary) return;
    this._clear();
    this.emit("refused", name);
  }

  /** Asks for what is missing, until it is there; meanwhile, updates of this room mean nothing. @internal */
  async _catchUp(type: "room_sync" | "room_join"): Promise<void> {
    this._deaf = true;
    // The ack ends the silence in _take, in order with the frames that follow it; a line that is gone ends it here.
    this._deaf = await this.client.request(type, this._since()).then(() => false, (error: HubError) => {
      this._refuse(error);
      if (error.temporary) setTimeout(() => { if (this.joined) void this._catchUp("room_join"); }, Math.max(error.retry_after_ms, 1000));
      return error.temporary;
    });
  }

  /** Takes a frame of this room. @internal */
  _take(frame: any): void {
    switch (frame.type) {
      case "ack": this._deaf = false; this.joined = true; this.msgCursor ??= frame.msg_cursor; break;
      case "room_snapshot":
        this.state = frame.state;
        this.cursor = frame.cursor;
        this._settle();
        break;
      case "room_update":
        if (this._deaf || !this.joined) break;
        try {
          if (frame.prev !== this.cursor) throw 0;
          // Until all of it fits, this client stands nowhere.
          this.cursor = "";
          for (const event of frame.events) fold(this.state!, event);
          derive(this.state!);
          this.cursor = frame.cursor;
        } catch {
          void this._catchUp("room_sync");
          break;
        }
        for (const event of frame.events as RoomEvent[]) {
          if (/^member_(kick|bann)ed/.test(event.event) && (event as any).user_id === this.client.userId) this.joined = false;
          this.emit("event", event);
        }
        this._settle();
        break;
      case "room_reset": this.cursor = ""; this._pending.clear(); this.emit("reset", frame.reason); break;
      case "room_presence": this.online = frame.online; this.emit("presence", frame); break;
      case "room_message": this.msgCursor = frame.msg_cursor ?? this.msgCursor; this.emit("message", frame); break;
    }
  }
}
