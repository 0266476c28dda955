// One line to the hub that comes back by itself: states, reconnecting, resuming, liveness, requests that are never silently lost.
import { Emitter } from "./emitter.js";
import { HubError } from "./error.js";
import type { Ack, ClientFrames, Closing, Commands, DirectMessage, Envelope, ErrorFrame, ServerFrame, Status, UserStatus, Welcome } from "./frames.js";
import type { Line } from "./line.js";
import { standard, type ReconnectPolicy } from "./reconnect.js";
import { newOpId, Room } from "./room.js";

export type State = "connecting" | "connected" | "disconnected" | "failed";
/** How frames travel. */
export type Transport = "ws" | "sse" | "poll";
export type Fault = "drop" | "half_open" | "token_expired" | "drain";
/** Why a token is wanted: the first connect, after the hub said that it expired, or before it does. */
export interface TokenContext { reason: "connect" | "expired" | "refresh" }

export interface Options {
  userId: string;
  userType?: string;
  /** Default: `/ws` of the page's own host. */
  url?: string;
  /** Gives a token; throwing an error named `Unauthorized` ends in `failed`. Without it: no token (development mode). */
  getToken?: (context: TokenContext) => string | Promise<string>;
  reconnect?: ReconnectPolicy;
  /** Requests that wait while there is no line; more are rejected with `offline_full`. Default 100. */
  offlineMax?: number;
  /** Until a sent request is rejected with `timeout`. Default 30,000. */
  timeoutMs?: number;
  /** A heartbeat without any answer for this long ends the line. Default 10,000. */
  watchdogMs?: number;
  /** Keeps the heartbeat on time in hidden tabs by a worker (needs `worker-src blob:` in the page's policy). */
  worker?: boolean;
  /** `auto` (default) falls back to HTTP polling after three refused upgrades in a row; `sse` gets frames as Server-Sent Events. */
  transport?: "auto" | Transport;
  WebSocket?: typeof WebSocket;
}

const isOffline = () => page.navigator?.onLine === false;
const lost = (name: string) => new HubError({ name });

export interface StateChange {
  state: State;
  /** While disconnected: whether, when and for the how manieth time it tries again. */
  willRetry?: boolean;
  nextDelayMs?: number;
  attempt: number;
  code?: number;
  reason?: string;
  why?: "exhausted" | "terminal" | "auth" | "closed";
}
export interface Events {
  state: StateChange;
  welcome: Welcome;
  message: DirectMessage;
  status: UserStatus[];
  closing: Closing;
  /** A refusal, also of something that was no request of this client. */
  error: ErrorFrame;
  /** The round trip of a heartbeat, in milliseconds. */
  latency: number;
  /** Every frame in (`false`) and out (`true`), for logs. */
  frame: { out: boolean; frame: any };
}
interface Waiting { _frame: any; _resolve: (ack: any) => void; _reject: (error: unknown) => void; _timer?: ReturnType<typeof setTimeout> }
const page = globalThis as unknown as Partial<Window & typeof globalThis>;
const DEFAULTS = { url: "/ws", offlineMax: 100, timeoutMs: 30_000, watchdogMs: 10_000, transport: "auto" as "auto" | Transport, reconnect: standard() };
const WELCOME_MS = 10_000;
const STABLE_MS = 5000;
const REFUSALS_MAX = 3;
export class HubClient extends Emitter<Events> {
  state: State = "disconnected";
  transport: Transport = "ws";
  /** Tries since the line was last stable. */
  attempt = 0;
  /** Hub time minus local time, for countdowns. */
  skewMs = 0;
  /** What the hub said last when it let this client in. */
  welcome: Welcome | null = null;
  declare readonly userId: string;
  readonly rooms = new Map<string, Room>();
  declare private _line: Line | undefined;
  private _nextId = 0;
  private _sent = new Map<number, Waiting>();
  private _queue: Waiting[] = [];
  private _watched: string[] = [];
  declare private _token: string | undefined;
  declare private _isExpired: boolean;
  declare private _retry: any;
  /** Runs out when a line is without a welcome for too long, then when it has been up for a while. */
  declare private _stable: any;
  declare private _beat: any;
  declare private _renew: any;
  declare private _lostAt: number;
  declare private _lastIn: number;
  declare private _lastBeat: number;
  declare private _probe: number;
  declare private _advice: number;
  private _refused = 0;
  declare private _wanted: boolean;
  declare private _halfOpen: boolean;
  /** Up to where a session without a socket was heard; it goes on over any transport. */
  private _mail: { heard?: string } = {};
  declare private _worker: Worker | undefined;

  declare readonly options: Options & typeof DEFAULTS;

  constructor(given: Options) {
    super();
    const options = (this.options = { ...DEFAULTS, ...given });
    this.userId = options.userId;
    if (options.transport !== "auto") this.transport = options.transport;
    // What is told to the document comes by the window first.
    const on = (name: string, run: (event: any) => void) => page.addEventListener?.(name, run, true);
    for (const name of ["online", "pageshow", "resume"]) on(name, () => this.wake());
    on("visibilitychange", () => page.document!.hidden || this.wake());
    // A page that is put aside, or ends, opens nothing more; `pageshow` wakes it.
    on("pagehide", () => {
      this._lost(1001);
      clearTimeout(this._retry);
    });
    if (options.worker && page.Worker) {
      const source = "setInterval(()=>postMessage(0),5e3)";
      this._worker = new Worker(URL.createObjectURL(new Blob([source])));
      this._worker.onmessage = () => this._tick();
    }
  }

  /** Connects; resolves with the hub's welcome, rejects when the client gives up. */
  async connect(): Promise<Welcome> {
    this._wanted = true;
    if (this.state === "connected") return this.welcome!;
    return new Promise((resolve, reject) => {
      const off = this.on("state", ({ state, why }) => {
        if (state === "connected") resolve(this.welcome!);
        else if (why) reject(lost(why));
        else return;
        off();
      });
      this.wake();
    });
  }

  /** Says goodbye: offline at once, places are free. */
  close(): void {
    this._wanted = false;
    if (this.state === "connected") this._tell("user_offline");
    this._lost(1000, "closed");
    this._worker?.terminate();
  }

  /** A room of this client; always the same object for the same id. */
  room(id: string): Room {
    let room = this.rooms.get(id);
    if (!room) this.rooms.set(id, (room = new Room(this, id)));
    return room;
  }

  /** Sends a request; resolves with its answer, rejects with a `HubError`. Without a line it waits for one. */
  request<Name extends keyof ClientFrames>(type: Name, ...fields: {} extends ClientFrames[Name] ? [ClientFrames[Name]?] : [ClientFrames[Name]]): Promise<Ack>;
  request<Name extends keyof Commands>(type: Name, fields: Commands[Name] & Envelope & { room_id: string }): Promise<Ack>;
  request(type: string, fields: any = {}): Promise<Ack> {
    // A command without a key would happen twice if its line broke in the middle.
    return new Promise((_resolve, _reject) => this._ask({ _frame: { type, id: ++this._nextId, ...(fields.room_id && !/^room_[^c]|explain/.test(type) && { op_id: newOpId() }), ...fields }, _resolve, _reject }));
  }

  setStatus(status: Status): Promise<Ack> { return this.request("status_change", { status }); }
  /** Sends a direct message; `delivered` in the answer counts the receiver's live sessions. */
  sendMessage(to: string, message: string): Promise<Ack> { return this.request("message", { to_user_id: to, message }); }
  async requestOnlineStatus(userIds: string[]): Promise<UserStatus[]> { return (await this.request("request_online_status", { user_ids: userIds })).user_status; }

  /** Calls back with a person's state now and on every change, also across reconnects. */
  onUserStatusChange(userId: string, listener: (status: UserStatus) => void): () => void {
    const off = this.on("status", (changes) => changes.filter((one) => one.user_id === userId).forEach(listener));
    this._watched.push(userId);
    if (this.state === "connected") this._watch([userId]);
    return () => {
      off();
      this._watched.splice(this._watched.indexOf(userId) >>> 0, 1);
      if (this.state === "connected" && !this._watched.includes(userId)) this.request("unwatch_status", { user_ids: [userId] }).catch(() => {});
    };
  }

  /** Sends a heartbeat now; the round trip comes as the event `latency`. */
  ping(): void { if (this.state === "connected") this._heartbeat(); }

  /** Tries at once when there is no line; asks for a sign of life when there is one. Called on `online`, wake-up and when the page is shown. */
  wake(): void {
    if (this.state === "connected") this._heartbeat(1000);
    else if (this.state !== "connecting" && this._wanted) {
      this.attempt = 0;
      void this._open();
    }
  }

  /** Makes a fault, for tests and demonstrations. */
  simulate(fault: Fault): void {
    if (fault === "half_open") { this._halfOpen = true; return; }
    if (fault === "drain") this._advice = 1000 + 2000 * Math.random();
    this._lost({ drop: 1006, token_expired: 4301, drain: 4101 }[fault], fault);
  }

  private _set(change: Omit<StateChange, "attempt">): void {
    this.state = change.state;
    this.emit("state", { attempt: this.attempt, ...change });
  }

  private async _open(): Promise<void> {
    clearTimeout(this._retry);
    if (isOffline()) { this.attempt &&= this.attempt - 1; return this._pause(); }
    this._advice = this._probe = 0;
    this._halfOpen = false;
    // Until there is a line this one stands for it: whoever ends it meanwhile is noticed by that.
    let line = (this._line = {} as Line);
    const isMine = () => this._line === line;
    this._set({ state: "connecting" });
    const { getToken, url: where, transport, WebSocket: Given = page.WebSocket! } = this.options;
    let isTried = false;
    const onclose = (line.onclose = ({ code, reason }: { code: number; reason?: string }) => {
      if (!isMine()) return;
      // Without a welcome it was no line, whether the upgrade was refused, or let in and then swallowed.
      this._refused = isTried && (this.transport !== "ws" || this.state === "connecting") ? this._refused + 1 : 0;
      // After polling the next try is an upgrade again, and one refusal is enough to poll on.
      if (transport === "auto") this.transport = this.transport === "ws" && this._refused >= REFUSALS_MAX ? "poll" : "ws";
      this._lost(code, reason);
    });
    // For the token too, which may never come. Whatever the line becomes, this timer goes with it: a program that is done must end.
    this._stable = setTimeout(() => onclose({ code: 1006, reason: "no sign of life" }), WELCOME_MS);
    try {
      if (getToken) this._token = await getToken({ reason: this._isExpired ? "expired" : "connect" });
      if (!isMine()) return;
      isTried = true;
      const url = new URL(where, page.location?.href);
      url.protocol = url.protocol.replace("http", "ws");
      if (this.transport === "ws") this._line = line = new Given(url, ["hub.v1.json"]) as Line;
      else {
        const { PollLine } = await import("./poll.js");
        if (!isMine()) return;
        this._line = line = new PollLine(url, this._token, this._mail, this.transport === "sse", transport === "auto" && Given);
      }
    } catch (error) {
      return onclose({ code: (error as Error).name === "Unauthorized" ? 4001 : 1006, reason: String(error) });
    }
    line.onopen = () => {
      if (!isMine()) return;
      const rooms = [...this.rooms.values()].filter((room) => room.joined).map((room) => room._since());
      this._tell("user_online", { token: this._token, session_token: this.welcome?.session_token, ...this._mail, rooms, ...(this._lostAt && { attempt: this.attempt, down_ms: Date.now() - this._lostAt }) });
    };
    line.onmessage = ({ data }: { data: string }) => {
      // What is no frame is nobody's business; it must not end a program.
      if (isMine() && !this._halfOpen) try { this._take(JSON.parse(data)); } catch (error) { console.error(error); }
    };
    line.onclose = onclose;
    // A browser says `close` after every error; not everybody does.
    line.onerror = () => this.state === "connecting" && onclose({ code: 1006 });
  }

  /** The line is gone, by whatever way; decides what comes next. */
  private _lost(code: number, reason = ""): void {
    if (!this._line && this.state !== "disconnected") return;
    const wasUp = this.state === "connected";
    for (const timer of [this._retry, this._stable, this._beat, this._renew]) clearTimeout(timer);
    const line = this._line;
    this._line = undefined;
    try { line?.close(); } catch { /* it is closed already, or was none yet */ }
    if (wasUp || !this._lostAt) this._lostAt = Date.now();
    // What had been sent goes out again, its op_id makes that harmless; a direct message has none, and resuming does what a sync would.
    this._queue.unshift(...[...this._sent.values()].filter(({ _frame, _timer, _reject }) => {
      clearTimeout(_timer);
      return !/^(message|room_sync)$/.test(_frame.type) || _reject(lost("disconnected"));
    }));
    this._sent.clear();
    const band = (code / 100) | 0;
    this._isExpired = band === 43;
    const why = !this._wanted ? "closed" : code === 4001 ? "auth" : /^(40..|10(0[023789]|10))$/.test(`${code}`) ? "terminal" : "";
    if (why) return this._end(why, code, reason);
    if (isOffline()) return this._pause(code, reason);
    let wait = this.options.reconnect({ attempt: ++this.attempt, elapsedMs: Date.now() - this._lostAt, closeCode: code, reason, serverAdviceMs: this._advice });
    if (wait === null) { this.attempt--; return this._end("exhausted", code, reason); }
    wait = band > 41 ? (this.attempt > 1 ? wait : 0) : Math.max(wait, this._advice);
    this._pause(code, reason, wait);
    this._retry = setTimeout(() => this._open(), wait);
  }

  /** Without a network nothing is tried and nothing counted: `online` wakes it. */
  private _pause(code?: number, reason?: string, nextDelayMs = Infinity): void {
    this._set({ state: "disconnected", willRetry: true, nextDelayMs, code, reason });
  }

  private _end(why: StateChange["why"], code?: number, reason?: string): void {
    this._wanted = why === "exhausted";
    this._set({ state: why === "closed" ? "disconnected" : "failed", willRetry: false, why, code, reason });
    for (const one of this._queue.splice(0)) one._reject(lost(why!));
  }

  /** Says something about this person, as all frames of presence do. */
  private _tell(type: string, fields?: object): void {
    this._send({ type, user_id: this.userId, user_type: this.options.userType, timestamp: (Date.now() / 1000) | 0, ...fields });
  }

  private _send(frame: any): void {
    this.emit("frame", { out: true, frame });
    if (this._halfOpen) return;
    try { this._line?.send(JSON.stringify(frame)); } catch { /* its close event follows */ }
  }

  private _ask(one: Waiting): void {
    if (this.state === "connected") {
      this._sent.set(one._frame.id, one);
      one._timer = setTimeout(() => {
        this._sent.delete(one._frame.id);
        one._reject(lost("timeout"));
      }, this.options.timeoutMs);
      this._send(one._frame);
      return;
    }
    if (this.state === "failed" || !this._wanted) return one._reject(lost("disconnected"));
    this._queue.push(one);
    // What may be dropped gives way first; without such it is the last one (-1).
    if (this._queue.length > this.options.offlineMax) this._queue.splice(this._queue.findIndex(({ _frame }) => _frame.class === "droppable"), 1)[0]!._reject(lost("offline_full"));
  }

  private _watch(user_ids: string[]): void {
    this.request("watch_status", { user_ids }).then(({ user_status }) => this.emit("status", user_status), () => {});
  }

  private _take(frame: ServerFrame): void {
    this._lastIn = Date.now();
    this._probe = 0;
    const { id } = frame as { id: number };
    const one = this._sent.get(id);
    if (one) {
      this._sent.delete(id);
      clearTimeout(one._timer);
      if (frame.type === "error") one._reject(new HubError(frame as ErrorFrame));
      else one._resolve(frame);
    }
    this.emit("frame", { out: false, frame });
    switch (frame.type) {
      case "welcome": this._welcome(frame as Welcome); break;
      case "heartbeat_ack":
        this.skewMs = frame.server_ts_ms - Date.now();
        this.emit("latency", Date.now() - frame.ts_ms!);
        break;
      case "userOnlineStatus": this.emit("status", frame.user_status); break;
      case "ack": if (one && /^room_(sync|join)$/.test(one._frame.type)) this.rooms.get(one._frame.room_id)?._take(frame); break;
      case "closing": this._advice = frame.retry_after_ms;
      case "message": case "error": this.emit(frame.type, frame as any); break;
      default: this.rooms.get((frame as any).room_id)?._take(frame);
    }
    // A hidden page's timers are late; what the hub sends is not.
    if (this.state === "connected" && Date.now() - this._lastBeat >= this.welcome!.heartbeat_interval_ms) this._heartbeat();
  }

  private _welcome(welcome: Welcome): void {
    this.welcome = welcome;
    this.skewMs = welcome.server_time_ms - Date.now();
    this._lostAt = 0;
    this._set({ state: "connected" });
    clearTimeout(this._stable);
    this._stable = setTimeout(() => { this.attempt = 0; }, STABLE_MS);
    for (const room of this.rooms.values()) if (room.joined && !welcome.rooms.some(({ room_id, error }) => room_id === room.id && !error)) void room._catchUp("room_join");
    if (this._watched[0]) this._watch([...new Set(this._watched)]);
    for (const one of this._queue.splice(0)) this._ask(one);
    this._heartbeat();
    this._plan();
    this.emit("welcome", welcome);
  }

  private _heartbeat(patience = this.options.watchdogMs): void {
    this._lastBeat = Date.now();
    this._probe = Math.min(this._probe || Infinity, this._lastBeat + patience);
    this._tell("heartbeat", { ts_ms: this._lastBeat });
    this._tick();
  }

  /** Sends what is due, ends a line without a sign of life, and sleeps until the next of these. */
  private _tick(): void {
    clearTimeout(this._beat);
    if (this.state !== "connected") return;
    const now = Date.now();
    const { heartbeat_interval_ms, ping_interval_ms } = this.welcome!;
    const due = this._probe || Math.min(this._lastBeat + heartbeat_interval_ms, this._lastIn + ping_interval_ms);
    // Much later than planned: the machine slept, or a hidden page's timers are slow. What the hub said meanwhile may be still unread: ask, but do not wait long.
    if (now > due + 2 * heartbeat_interval_ms) {
      this._probe = 0;
      this._heartbeat(1000);
    // A clock that was put back would hold everything up.
    } else if (now < this._lastBeat) this._heartbeat();
    else if (now < due) this._beat = setTimeout(() => this._tick(), Math.max(50, due - now));
    else if (this._probe) this._lost(1006, "no sign of life");
    else this._heartbeat();
  }

  /** Plans to bring a new token before the old one ends. */
  private _plan(): void {
    clearTimeout(this._renew);
    const { getToken } = this.options;
    let left = 0;
    try { left = JSON.parse(atob(this._token!.split(".")[1]!.replace(/-/g, "+").replace(/_/g, "/"))).exp * 1000 - Date.now() - this.skewMs; } catch { /* no token, or no JWT */ }
    if (getToken && left) this._renew = setTimeout(async () => {
      try {
        const token = await getToken({ reason: "refresh" });
        await this.request("refresh_token", { token });
        this._token = token;
        this._plan();
      } catch { /* 4301 follows, and with it the way over a new connection */ }
    }, Math.min(Math.max(left - 30_000, left * 0.8), 2e9));
  }
}
