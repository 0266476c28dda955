// The inherited shape: one object that knows who is online.
import { HubClient, type Options } from "./client.js";
import type { UserStatus } from "./frames.js";

export class OnlineStatusManager {
  /** The client beneath, with everything else. */
  declare readonly client: HubClient;

  constructor(options: Options | HubClient) { this.client = options instanceof HubClient ? options : new HubClient(options); }

  /** Connects; resolves when the hub has let this client in. */
  async initialize(): Promise<void> { await this.client.connect(); }

  requestOnlineStatus(userIds: string[]): Promise<UserStatus[]> { return this.client.requestOnlineStatus(userIds); }

  /** Calls back with the person's state now and on every change; gives the function that ends it. */
  onUserStatusChange(userId: string, callback: (status: UserStatus) => void): () => void { return this.client.onUserStatusChange(userId, callback); }
}
