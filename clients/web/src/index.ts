// @michub/client: presence, rooms and the live mic queue over one line that comes back by itself.
export { HubClient } from "./client.js";
export type { Events, Fault, Options, State, StateChange, TokenContext, Transport } from "./client.js";
export { HubError } from "./error.js";
export { derive, fold, levelOf } from "./fold.js";
export * from "./frames.js";
export { persistent, standard } from "./reconnect.js";
export type { LostLine, ReconnectPolicy } from "./reconnect.js";
export { Room } from "./room.js";
declare const __VERSION__: string;
/** The version of this package. */
export const VERSION: string = __VERSION__;
export { OnlineStatusManager } from "./status.js";
