// What the hub refuses, and what becomes of a request without a line: one kind of error.
import type { ErrorFrame } from "./frames.js";

/** What the hub refused, or what became of a request without a line: `disconnected`, `timeout`, `offline_full`, or why the client ended: `closed`, `exhausted`, `terminal`, `auth`. */
export class HubError extends Error {
  /** 0 = not from the hub. */
  code = 0;
  /** The same request may succeed later, not before `retry_after_ms`. */
  temporary = false;
  retry_after_ms = 0;
  details: Record<string, any> = {};
  constructor(fields: { name: string } & Partial<Omit<ErrorFrame, "type">>) {
    super(fields.message ?? fields.name);
    Object.assign(this, fields);
  }
}
