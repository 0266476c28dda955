// A client made of Node's `ws`, told what to do on stdin (see README.md).
import { createInterface } from "node:readline";
import WebSocket from "ws";

const say = (...words) => process.stdout.write(`${words.join(" ")}\n`);
let socket;

function open(url, protocols) {
  const mine = (socket = new WebSocket(url, protocols));
  mine.on("open", () => say("open", mine.protocol || "-"));
  mine.on("message", (data) => say("text", data.toString()));
  mine.on("pong", () => say("pong"));
  mine.on("unexpected-response", (_, response) => {
    say("refused", response.statusCode);
    mine.terminate();
  });
  mine.on("error", () => {});
  mine.on("close", (code) => mine.protocol !== undefined && say("closed", code));
}

for await (const line of createInterface({ input: process.stdin })) {
  const [what, ...rest] = line.split(" ");
  if (what === "open") open(rest[0], rest.slice(1));
  if (what === "send") socket.send(rest.join(" "));
  if (what === "ping") socket.ping();
  if (what === "close") socket.close();
}
process.exit(0);
