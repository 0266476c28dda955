// When to try again after a line was lost. A policy is a function; the presets below are the usual ones.

/** What a policy decides on. */
export interface LostLine {
  /** 1 = the first try since the line was lost. */
  attempt: number;
  /** Since the line was lost. */
  elapsedMs: number;
  closeCode: number;
  reason: string;
  /** The hub's own advice; 0 = none. The client never comes back before it. */
  serverAdviceMs: number;
}
/** Gives the wait in milliseconds before the next try, or null to give up. */
export type ReconnectPolicy = (lost: LostLine) => number | null;

/** By the number of the try, from 1. */
const TABLE = [0, 0, 3000, 6000, 12000, 24000];
const spread = (ms: number, part: number) => ms * (1 + part * (2 * Math.random() - 1));

/** 0, 3, 6, 12, 24 s, then gives up; `jitter` 0.2 = ±20 %. */
export const standard = ({ jitter = 0 } = {}): ReconnectPolicy => ({ attempt }) => attempt in TABLE ? spread(TABLE[attempt]!, jitter) : null;

/** The same table without an end, ±50 %, the first try within 0 to 500 ms: what a page in production should use. */
export const persistent = (): ReconnectPolicy => ({ attempt }) =>
  attempt < 2 ? 500 * Math.random() : spread(TABLE[attempt] ?? 24000, 0.5);
