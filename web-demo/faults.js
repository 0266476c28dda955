// A socket with a slow line: frames wait on their way, in both directions and in order. Everything else is the browser's own.

/** `late()` gives the delay in milliseconds, each way together. */
export class LateSocket extends WebSocket {
  late = () => 0;
  #free = { in: 0, out: 0 };

  #later(way, run) {
    const wait = this.late() / 2;
    const due = Math.max(performance.now() + wait, this.#free[way]);
    this.#free[way] = due;
    const left = due - performance.now();
    if (left <= 0.5) run();
    else setTimeout(run, left);
  }

  send(text) {
    this.#later("out", () => { if (this.readyState === WebSocket.OPEN) super.send(text); });
  }

  set onmessage(listener) {
    super.onmessage = listener && ((event) => this.#later("in", () => listener(event)));
  }
}
