// HTTP polling dressed as a WebSocket, for networks that refuse upgrades: frames out become requests, answers and updates become frames in.
import type { Line } from "./client.js";

const WAIT_MS = 25_000;
const WATCH_MS = 5000;
/** After this long an upgrade is tried again; the session goes on over it. */
const UPGRADE_MS = 300_000;
const CODES: Record<string, number> = { room_not_found: 1002, room_closed: 1003, forbidden: 1005, too_many: 1018, unavailable: 1017 };
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

export class PollLine implements Line {
  onopen: any; onmessage: any; onclose: any;
  private _base: URL;
  private _over = new AbortController();
  private _rooms = new Map<string, { cursor: string; heard?: string; loop: AbortController }>();
  private _watched = new Map<string, string>();
  private _me: Record<string, any> = {};
  private _timers: any[] = [];

  constructor(url: URL, private _token?: string) {
    this._base = new URL(url);
    this._base.protocol = url.protocol.replace("ws", "http");
    queueMicrotask(() => this.onopen?.());
    this._timers.push(setTimeout(() => this._end(4200, "trying to upgrade"), UPGRADE_MS), setInterval(() => this._look(), WATCH_MS));
  }

  close(): void {
    for (const timer of this._timers) clearTimeout(timer);
    this.onmessage = this.onclose = null;
    this._over.abort();
    for (const { loop } of this._rooms.values()) loop.abort();
  }

  send(text: string): void {
    const frame = JSON.parse(text);
    // Errors are answers; whatever is thrown is a lost line.
    this._take(frame).catch((error) => this._end(error.status === 401 ? 4001 : 1006, String(error)));
  }

  private _end(code: number, reason: string): void {
    const { onclose } = this;
    this.close();
    onclose?.({ code, reason });
  }

  private _say(frame: any): void { this.onmessage?.({ data: JSON.stringify(frame) }); }

  private async _fetch(path: string, body?: any, signal = this._over.signal): Promise<any> {
    const headers: Record<string, string> = this._token ? { authorization: `Bearer ${this._token}` } : {};
    const answer = await fetch(new URL(`api/${path}`, this._base), body === undefined ? { headers, signal } : { method: "POST", headers, body: JSON.stringify(body), signal });
    const value = await answer.json();
    if (answer.status === 401) throw Object.assign(new Error(value.name), { status: 401 });
    return value;
  }

  /** Keeps the session, and says which rooms it is in. */
  private async _beat(more = {}): Promise<any> {
    const rooms = [...this._rooms].map(([room_id, { cursor }]) => ({ room_id, cursor }));
    const answer = await this._fetch("poll/heartbeat", { ...this._me, rooms, ...more });
    if (answer.type !== "welcome") throw new Error(answer.name);
    const { messages, ...welcome } = answer;
    this._me.session_token = welcome.session_token;
    queueMicrotask(() => messages?.forEach((message: any) => this._say(message)));
    return welcome;
  }

  private async _take(frame: any): Promise<void> {
    const { type, id, room_id } = frame;
    const ack = (fields = {}) => id !== undefined && this._say({ type: "ack", id, room_id, ...fields });
    switch (type) {
      case "user_online": {
        const { user_id, user_type, session_token, rooms } = frame;
        this._me = { user_id, user_type, session_token };
        for (const room of rooms) this._rooms.set(room.room_id, { cursor: room.cursor, heard: room.msg_cursor, loop: new AbortController() });
        const welcome = await this._beat();
        for (const room of welcome.rooms) if (room.error) this._rooms.delete(room.room_id); else this._hear(room);
        this._say(welcome);
        for (const room of this._rooms.keys()) this._follow(room);
        break;
      }
      case "heartbeat": {
        const { server_time_ms } = await this._beat();
        this._say({ type: "heartbeat_ack", ts_ms: frame.ts_ms, timestamp: (server_time_ms / 1000) | 0, server_ts_ms: server_time_ms });
        break;
      }
      case "user_offline": await fetch(new URL("api/poll/heartbeat", this._base), { method: "POST", keepalive: true, headers: this._token ? { authorization: `Bearer ${this._token}` } : {}, body: JSON.stringify({ ...this._me, offline: true }) }); break;
      case "room_join":
      case "room_sync": {
        this._stop(room_id);
        this._rooms.set(room_id, { cursor: frame.cursor ?? "", heard: frame.msg_cursor, loop: new AbortController() });
        const mine = (await this._beat()).rooms.find((room: any) => room.room_id === room_id);
        if (!mine || mine.error) {
          const name = mine?.error ?? "unavailable";
          this._stop(room_id);
          this._say({ type: "error", id, code: CODES[name] ?? 1020, name, message: name, temporary: false, retry_after_ms: 0, details: {} });
        } else {
          this._hear(mine);
          ack({ cursor: mine.cursor, recovered: mine.recovered, msg_cursor: mine.msg_cursor });
          this._follow(room_id);
        }
        break;
      }
      case "room_leave": this._stop(room_id); await this._beat({ leave: [room_id] }); ack(); break;
      case "room_members": this._say({ ...(await this._fetch(`rooms/${room_id}/members?offset=${frame.offset ?? 0}&limit=${frame.limit ?? 200}`)), id }); break;
      case "refresh_token": this._token = frame.token; ack(); break;
      case "request_online_status": this._say({ id, ...(await this._ask(frame.user_ids)) }); break;
      case "watch_status": {
        const { user_status } = await this._ask(frame.user_ids);
        for (const one of user_status) this._watched.set(one.user_id, one.status);
        ack({ user_status });
        break;
      }
      case "unwatch_status": frame.user_ids.forEach((user: string) => this._watched.delete(user)); ack(); break;
      default: {
        const answer = await this._fetch("poll/frame", this._token ? frame : { ...frame, act_as: this._me.user_id });
        // Without an id only errors are answers.
        if (id !== undefined || answer.type === "error") this._say(answer);
      }
    }
  }

  /** From where a room's messages are followed: a client that says where it is goes on there, any other begins with the next. */
  private _hear(mine: any): void {
    const room = this._rooms.get(mine.room_id);
    if (room) room.heard ??= mine.msg_cursor;
  }

  private _stop(room: string): void {
    this._rooms.get(room)?.loop.abort();
    this._rooms.delete(room);
  }

  private _ask(users: string[]): Promise<any> { return this._fetch(`online-status?user_ids=${users.join(",")}`); }

  private async _look(): Promise<void> {
    if (!this._watched.size) return;
    const { user_status } = await this._ask([...this._watched.keys()].slice(0, 500)).catch(() => ({ user_status: [] }));
    const changed = user_status.filter((one: any) => this._watched.get(one.user_id) !== one.status);
    for (const one of changed) this._watched.set(one.user_id, one.status);
    if (changed.length) this._say({ type: "userOnlineStatus", user_status: changed });
  }

  private _follow(id: string): void {
    const room = this._rooms.get(id)!;
    void this._loop(room, (wait) => `rooms/${id}/updates?cursor=${encodeURIComponent(room.cursor)}&wait_ms=${wait}`, (answer) => {
      room.cursor = answer.cursor;
      return answer.reset ? [answer.snapshot] : answer.updates;
    });
    if (room.heard) void this._loop(room, (wait) => `rooms/${id}/messages?since=${encodeURIComponent(room.heard!)}&wait_ms=${wait}`, (answer) => {
      room.heard = answer.cursor;
      return answer.messages;
    });
  }

  /** Brings what is new in a room, one long request after the other. */
  private async _loop({ loop: { signal } }: { loop: AbortController }, path: (wait: number) => string, news: (answer: any) => any[]): Promise<void> {
    let wait = 0;
    while (!signal.aborted) {
      const begun = Date.now();
      try {
        const answer = await this._fetch(path(wait), undefined, signal);
        if (signal.aborted) return;
        // More who wait than the room lets: asked again a little later.
        if (answer.name === "busy" || answer.name === "rate_limited") { await pause(answer.retry_after_ms); continue; }
        if (answer.type === "error") throw new Error(answer.name);
        const frames = news(answer);
        frames.forEach((frame) => this._say(frame));
        if (!frames.length && wait && Date.now() - begun < 1000) await pause(1000);
      } catch (error) {
        if (!signal.aborted && !this._over.signal.aborted) this._end((error as any).status === 401 ? 4001 : 1006, String(error));
        return;
      }
      wait = WAIT_MS;
    }
  }
}
