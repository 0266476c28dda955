// HTTP dressed as a WebSocket, for networks that refuse upgrades: frames out become requests, and one request that waits, or one stream of events, brings the frames in.
import type { Line } from "./line.js";

const WAIT_MS = 25_000;
/** An upgrade is tried beside the polling, soon (it may have been the hub that was down) and then every five minutes; the session goes on over the first that is let in. */
const SOON_MS = 6000;
const UPGRADE_MS = 300_000;
/** When a client last left polling for an upgrade, by its mail. Whoever is back soon after that met a network that lets upgrades in and their frames not: he waits the long time. */
const upgraded = new WeakMap<object, number>();
const CODES: Record<string, number> = { room_not_found: 1002, room_closed: 1003, forbidden: 1005, rate_limited: 1008, unavailable: 1017, too_many: 1018, busy: 1019, internal: 1020 };
/** What is refused for now only. */
const TEMPORARY = /^(rate_limited|unavailable|busy|internal)$/;
/** Who has just connected often joins a room next: beginning to listen before that would be in vain. */
const LULL_MS = 20;
const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/** Where this client is in a room: in its log, and in the messages that are kept. */
interface Place { cursor?: string; msg_cursor?: string }

export class PollLine implements Line {
  onopen: any; onmessage: any; onclose: any;
  private _base: URL;
  private _over = new AbortController();
  private _rooms = new Map<string, Place>();
  private _watched = new Set<string>();
  private _me: Record<string, any> = {};
  private _listens: AbortController | undefined;
  /** What changes where this client listens goes one after the other. */
  private _turn: Promise<unknown> = Promise.resolve();
  private _upgrade: any;

  /** `_mail.heard` is where this client is in what the hub has for it alone; the client keeps it over lines. */
  constructor(url: URL, private _token: string | undefined, private _mail: { heard?: string }, private _streams: boolean, private _Socket: typeof WebSocket | false | undefined) {
    this._base = new URL(url);
    this._base.protocol = url.protocol.replace("ws", "http");
    queueMicrotask(() => this.onopen?.());
  }

  private _later(ms: number): void { if (this._Socket && !this._over.signal.aborted) this._upgrade = setTimeout(() => this._try(), ms); }

  /** Looks whether a socket would be let in by now. */
  private _try(): void {
    const url = new URL(this._base);
    url.protocol = url.protocol.replace("http", "ws");
    let probe: WebSocket;
    try { probe = new (this._Socket as typeof WebSocket)(url, ["hub.v1.json"]); } catch { return this._later(UPGRADE_MS); }
    const over = (isIn: boolean) => {
      probe.onopen = probe.onclose = probe.onerror = null;
      probe.close();
      if (!isIn) return this._later(UPGRADE_MS);
      upgraded.set(this._mail, Date.now());
      this._end(4200, "an upgrade is let in");
    };
    probe.onopen = () => over(true);
    probe.onclose = probe.onerror = () => over(false);
  }

  close(): void {
    clearTimeout(this._upgrade);
    this.onmessage = this.onclose = null;
    this._over.abort();
    this._listens?.abort();
  }

  send(text: string): void {
    // Errors are answers; whatever is thrown is a lost line.
    this._take(JSON.parse(text)).catch((error) => this._fail(error));
  }

  private _end(code: number, reason: string): void {
    const { onclose } = this;
    this.close();
    onclose?.({ code, reason });
  }

  /** A token that was good once has expired; one that never was is wrong. Whoever is banned is told so as at a socket. */
  private _fail(error: any): void {
    this._end(error.status === 401 ? (this._me.session_token ? 4301 : 4001) : error.message === "forbidden" ? 4003 : 1006, String(error));
  }

  private _say(frame: any): void { this.onmessage?.({ data: JSON.stringify(frame) }); }

  private async _post(path: string, body: object, { signal = this._over.signal, ...init }: RequestInit = {}): Promise<Response> {
    const headers: Record<string, string> = { accept: this._streams && signal !== this._over.signal ? "text/event-stream" : "application/json" };
    if (this._token) headers.authorization = `Bearer ${this._token}`;
    const answer = await fetch(new URL(`api/poll/${path}`, this._base), { method: "POST", headers, body: JSON.stringify(body), signal, ...init });
    if (answer.status === 401) throw Object.assign(new Error("unauthorized"), { status: 401 });
    return answer;
  }

  /** Keeps the session, and says what has changed about it. */
  private async _beat(more: object = {}, init?: RequestInit): Promise<any> {
    const answer: any = await (await this._post("heartbeat", { ...this._me, heard: "", ...this._mail, ...more }, init)).json();
    if (answer.type === "welcome") this._me.session_token = answer.session_token;
    return answer;
  }

  /** The same, and it must be accepted. */
  private async _keep(more?: object): Promise<any> {
    const answer = await this._beat(more);
    if (answer.type === "error") throw new Error(answer.name);
    return answer;
  }

  private _places() { return [...this._rooms].map(([room_id, place]) => ({ room_id, ...place })); }

  /** A room that was entered: messages are followed from where this client is, or from now on. */
  private _entered(room: any): void {
    const place = this._rooms.get(room.room_id);
    if (room.error) this._rooms.delete(room.room_id);
    else if (place) place.msg_cursor ??= room.msg_cursor;
  }

  private _news({ frames, heard }: any): void {
    this._mail.heard = heard;
    for (const frame of frames) this._hear(frame);
  }

  private _hear(frame: any): void {
    const place = this._rooms.get(frame.room_id);
    if (place) {
      place.cursor = frame.cursor ?? place.cursor;
      place.msg_cursor = frame.msg_cursor ?? place.msg_cursor;
      for (const { event, user_id } of frame.events ?? []) if (/^member_(kick|bann)ed/.test(event) && user_id === this._me.user_id) this._rooms.delete(frame.room_id);
    }
    this._say(frame);
    if (frame.type === "closing") this._end(frame.code, frame.name);
  }

  private async _take(frame: any): Promise<void> {
    const { type, id, room_id } = frame;
    const ack = (fields = {}) => id !== undefined && this._say({ type: "ack", id, room_id, ...fields });
    switch (type) {
      case "user_online": {
        const { user_id, user_type, session_token, rooms } = frame;
        this._me = { user_id, user_type, session_token };
        for (const { room_id: room, ...place } of rooms) this._rooms.set(room, place);
        const { messages, frames, heard, user_status, ...welcome } = await this._keep({ rooms, wait_ms: 0, own_session: true });
        welcome.rooms.forEach((room: any) => this._entered(room));
        this._say(welcome);
        if (user_status) this._say({ type: "userOnlineStatus", user_status });
        this._news({ frames, heard });
        this._listen();
        this._later(Date.now() - (upgraded.get(this._mail) ?? -Infinity) < UPGRADE_MS ? UPGRADE_MS : SOON_MS);
        break;
      }
      case "heartbeat": {
        const { server_time_ms } = await this._keep();
        this._say({ type: "heartbeat_ack", ts_ms: frame.ts_ms, timestamp: (server_time_ms / 1000) | 0, server_ts_ms: server_time_ms });
        break;
      }
      case "user_offline": await this._post("heartbeat", { ...this._me, offline: true }, { keepalive: true, signal: null as any }); break;
      case "room_join":
      case "room_sync": await this._alone(async () => {
        this._rooms.set(room_id, { cursor: frame.cursor, msg_cursor: frame.msg_cursor });
        const answer = await this._keep({ rooms: this._places(), wait_ms: 0 });
        const room = answer.rooms.find((one: any) => one.room_id === room_id) ?? { recovered: !answer.frames.some((one: any) => one.type === "room_snapshot" && one.room_id === room_id) };
        this._entered({ room_id, ...room });
        const { error: name, cursor = frame.cursor, recovered, msg_cursor } = room;
        if (name) this._say({ type: "error", id, code: CODES[name] ?? 1020, name, message: name, temporary: TEMPORARY.test(name), retry_after_ms: 0, details: {} });
        else ack({ cursor, recovered, msg_cursor });
        this._news(answer);
      }); break;
      case "room_leave": await this._alone(async () => { this._rooms.delete(room_id); await this._keep({ leave: [room_id] }); ack(); }); break;
      case "room_members": {
        const headers = this._token ? { authorization: `Bearer ${this._token}` } : undefined;
        this._say({ ...(await (await fetch(new URL(`api/rooms/${room_id}/members?offset=${frame.offset ?? 0}&limit=${frame.limit ?? 200}`, this._base), { headers, signal: this._over.signal })).json()), id });
        break;
      }
      case "refresh_token": await this._alone(async () => { this._token = frame.token; await this._keep(); ack(); }); break;
      case "watch_status": {
        for (const user of frame.user_ids) this._watched.add(user);
        const { user_status } = await this._keep({ watch: [...this._watched] });
        ack({ user_status: user_status.filter((one: any) => frame.user_ids.includes(one.user_id)) });
        break;
      }
      case "unwatch_status": {
        for (const user of frame.user_ids) this._watched.delete(user);
        await this._keep({ watch: [...this._watched] });
        ack();
        break;
      }
      default: {
        const answer: any = await (await this._post("frame", this._token ? frame : { ...frame, act_as: this._me.user_id })).json();
        // Without an id only errors are answers.
        if (id !== undefined || answer.type === "error") this._say(answer);
      }
    }
  }

  /** Runs `change` while nobody listens, and listens again from where this client is then. */
  private _alone(change: () => Promise<void>): Promise<void> {
    const run = async () => {
      this._listens?.abort();
      await change();
      this._listen();
    };
    const turn = this._turn.then(run);
    this._turn = turn.catch(() => {});
    return turn;
  }

  private _listen(): void {
    this._listens?.abort();
    if (this._over.signal.aborted) return;
    const { signal } = (this._listens = new AbortController());
    this._loop(signal).catch((error) => { if (!signal.aborted) this._fail(error); });
  }

  private async _loop(signal: AbortSignal): Promise<void> {
    await pause(LULL_MS);
    while (!signal.aborted) {
      const answer = await this._post("heartbeat", { ...this._me, rooms: this._places(), ...this._mail, wait_ms: WAIT_MS }, { signal });
      if (this._streams && answer.ok) {
        await this._read(answer.body!, signal);
        continue;
      }
      const news: any = await answer.json();
      if (signal.aborted) return;
      if (news.type !== "error") this._news(news);
      else if (news.temporary) await pause(news.retry_after_ms);
      else throw new Error(news.name);
    }
  }

  /** Reads events until the stream ends; the first one is the welcome, which says nothing new. */
  private async _read(body: ReadableStream<Uint8Array>, signal: AbortSignal): Promise<void> {
    const reader = body.getReader();
    const decoder = new TextDecoder();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      if (done || signal.aborted) return;
      text += decoder.decode(value, { stream: true });
      const events = text.split("\n\n");
      text = events.pop()!;
      for (const event of events) {
        if (signal.aborted) return;
        const [, data] = /^data: (.*)$/m.exec(event) ?? [];
        if (!data) continue;
        const frame = JSON.parse(data);
        if (frame.type !== "welcome") this._hear(frame);
        this._mail.heard = /^id: (.*)$/m.exec(event)?.[1] ?? this._mail.heard;
      }
    }
  }
}
