// A socket whose other end is the test.
export class FakeSocket {
  static all = [];
  static get last() { return FakeSocket.all.at(-1); }
  sent = [];
  closed = false;
  constructor(url, protocols) {
    Object.assign(this, { url: String(url), protocols, at: Date.now() });
    FakeSocket.all.push(this);
  }
  /** Does the hub answer heartbeats? */
  alive = true;
  send(text) {
    const frame = JSON.parse(text);
    this.sent.push(frame);
    if (frame.type === "heartbeat" && this.alive) queueMicrotask(() => this.say({ type: "heartbeat_ack", timestamp: frame.timestamp, ts_ms: frame.ts_ms, server_ts_ms: frame.ts_ms }));
  }
  close() { this.closed = true; }
  /** The upgrade is done. */
  open() { this.onopen?.({}); }
  /** A frame of the hub arrives. */
  say(frame) { this.onmessage?.({ data: JSON.stringify(frame) }); }
  /** The line ends. */
  end(code = 1006, reason = "") { this.onclose?.({ code, reason }); }
  welcome(fields = {}) {
    this.open();
    this.say({
      type: "welcome", session_id: "s1", user_id: "u1", user_type: "user", resumed: false, session_token: "st", server_time_ms: Date.now(),
      heartbeat_interval_ms: 30_000, heartbeat_timeout_ms: 60_000, ping_interval_ms: 25_000, node: "n1", version: "0.1.0", rooms: [], ...fields,
    });
  }
  /** Answers the last request of that type. */
  ack(type, fields = {}) { this.say({ type: "ack", id: this.sent.findLast((frame) => frame.type === type).id, ...fields }); }
  types() { return this.sent.map((frame) => frame.type); }
}

/** Lets promises settle. */
export const settle = async () => { for (let turn = 0; turn < 10; turn++) await null; };
