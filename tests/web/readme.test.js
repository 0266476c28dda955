// The client's README, word by word: the packed package in an empty folder, and the page of 20 lines beside it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { openWindow, startBrowser, until } from "./browser.js";
import { startHub } from "./hub.js";

const client = fileURLToPath(new URL("../../clients/web/", import.meta.url));
const KINDS = { ".html": "text/html", ".js": "text/javascript" };
const npm = (cwd, ...args) => execFileSync("npm", [...args, "--no-audit", "--no-fund", "--loglevel=error"], { cwd, encoding: "utf8" });

test("npm pack, npm install, and the page of the README works", async () => {
  const [, page] = /```html\n(<!doctype html>[\s\S]+?)```/.exec(readFileSync(join(client, "README.md"), "utf8"));
  assert.ok(page.trim().split("\n").length <= 22, "about 20 lines");
  const folder = mkdtempSync(join(tmpdir(), "michub-page-"));
  const server = createServer((request, response) => {
    try {
      const path = request.url === "/" ? "/index.html" : request.url;
      const body = readFileSync(join(folder, path));
      response.writeHead(200, { "content-type": KINDS[extname(path)] ?? "application/octet-stream" }).end(body);
    } catch { response.writeHead(404).end(); }
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  const origin = `http://127.0.0.1:${server.address().port}`;
  let hub;
  let browser;
  try {
    const [{ filename, files, bundled }] = JSON.parse(npm(client, "pack", "--json", "--ignore-scripts", "--pack-destination", folder));
    assert.deepEqual(bundled, []);
    assert.ok(files.some(({ path }) => path === "dist/index.d.ts") && files.some(({ path }) => path === "README.md"));
    writeFileSync(join(folder, "package.json"), "{}");
    npm(folder, "install", "--offline", `./${filename}`);
    hub = await startHub({ MICHUB_AUTH__ALLOWED_ORIGINS: JSON.stringify([origin]) });
    browser = await startBrowser();
    writeFileSync(join(folder, "index.html"), page.replace("ws://127.0.0.1:8080/ws", `${hub.url.replace("http", "ws")}/ws`));
    const first = await openWindow(browser, origin);
    const second = await openWindow(browser, origin);
    const title = (window) => until("connected", async () => /^user-\w+: connected$/.test(await window.title()) || window.title());
    await Promise.all([title(first), title(second)]);
    for (const window of [first, second]) await window.locator("#join").click();
    // Two guest seats are free, so both are promoted; the queue is empty again.
    await until("both are on the stage", async () => {
      const rooms = await (await fetch(`${hub.url}/api/rooms/lobby`)).json();
      return rooms.state.seats.filter(({ occupant }) => occupant).length === 2 || JSON.stringify(rooms.state.seats);
    });
    assert.deepEqual([...first.bad, ...second.bad].filter((line) => !line.includes("favicon")), []);
    writeFileSync(join(folder, "check.ts"), 'import { HubClient, type RoomEvent } from "@michub/client";\nconst room = new HubClient({ userId: "u" }).room("r");\nroom.on("event", (event: RoomEvent) => { if (event.event === "queue_moved") { const to: number = event.to; void to; } });\nroom.send("queue_move", { target_user_id: "u", place: { before: "v" } });\n// @ts-expect-error an unknown command\nroom.send("queue_jump", {});\n');
    execFileSync(process.execPath, [join(client, "node_modules/typescript/bin/tsc"), "--noEmit", "--ignoreConfig", "--strict", "--target", "es2022", "--module", "es2022", "--moduleResolution", "bundler", join(folder, "check.ts")], { encoding: "utf8", cwd: folder });
  } finally {
    await browser?.close();
    await hub?.stop();
    server.close();
    rmSync(folder, { recursive: true });
  }
});
