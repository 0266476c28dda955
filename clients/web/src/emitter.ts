// Typed events: `on` gives the function that ends the subscription.

export class Emitter<Events> {
  private _listeners: { [Name in keyof Events]?: Set<(event: any) => void> } = {};

  /** Calls `listener` on every such event until the returned function is called. */
  on<Name extends keyof Events>(name: Name, listener: (event: Events[Name]) => void): () => void {
    const listeners = (this._listeners[name] ??= new Set());
    listeners.add(listener);
    return () => listeners.delete(listener);
  }

  /** A listener that throws stops neither the others nor the client. */
  protected emit<Name extends keyof Events>(name: Name, event: Events[Name]): void {
    for (const listener of [...(this._listeners[name] ?? [])]) {
      try { listener(event); } catch (error) { console.error(error); }
    }
  }
}
