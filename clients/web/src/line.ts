// What carries frames, whatever it is.

/** What a line must do: a WebSocket, or polling dressed as one. */
export interface Line {
  onopen: any; onmessage: any; onclose: any; onerror?: any;
  send(text: string): void;
  close(code?: number): void;
}
