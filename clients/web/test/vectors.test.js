// The hub's golden frames: the types fit them to the field, and the client takes each of them.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { HubClient } from "../dist/michub.js";
import { FakeSocket, settle } from "./fake.js";

const at = (path) => fileURLToPath(new URL(path, import.meta.url));
const vectors = JSON.parse(readFileSync(at("../../../tests/vectors/server.json"), "utf8")).filter(({ frame }) => frame.type);

test("the types fit every golden frame, without a field too many", () => {
  const dir = mkdtempSync(at("../dist/check-"));
  try {
    const lines = vectors.map(({ name, frame }) => `// ${name}\n${JSON.stringify(frame)},`);
    writeFileSync(join(dir, "frames.ts"), `import type { ServerFrame } from "../index.js";\nexport const frames: ServerFrame[] = [\n${lines.join("\n")}\n];\n`);
    execFileSync(process.execPath, [at("../node_modules/typescript/bin/tsc"), "--noEmit", "--ignoreConfig", "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", "--skipLibCheck", join(dir, "frames.ts")], { encoding: "utf8" });
  } catch (error) {
    assert.fail(error.stdout || String(error));
  } finally {
    rmSync(dir, { recursive: true });
  }
});

test("the client takes every golden frame, and unknown ones", async (context) => {
  const complaints = context.mock.method(console, "error", () => {});
  for (const { name, frame } of vectors) {
    FakeSocket.all = [];
    const client = new HubClient({ url: "ws://hub/ws", userId: "kol_123", WebSocket: FakeSocket });
    client.connect().catch(() => {});
    await settle();
    FakeSocket.last.welcome();
    const room = client.room("r1");
    room.join().catch(() => {});
    FakeSocket.last.ack("room_join", { room_id: "r1", cursor: "", rev: 0, role: "member", recovered: false });
    const seen = [];
    client.on("frame", ({ out, frame: taken }) => !out && seen.push(taken.type));
    FakeSocket.last.say(frame);
    FakeSocket.last.say({ type: "something_new", room_id: "r1", id: 99 });
    assert.deepEqual(seen, [frame.type, "something_new"], name);
    if (frame.type === "room_snapshot") assert.equal(room.cursor, frame.cursor);
    client.close();
  }
  assert.equal(complaints.mock.callCount(), 0);
});
