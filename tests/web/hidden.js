// Eight minutes in a hidden tab, by command: browsers stretch a hidden page's timers to a minute after five; nobody may be shown as away because of that.
// Needs a whole Chromium (Debian's `chromium`), since the headless shell never hides a page; and speaks to it directly, since Playwright keeps pages visible. `npm run hidden [minutes]`
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startHub } from "./hub.js";

const program = [process.env.MICHUB_CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome"].find((path) => path && existsSync(path));
if (!program) throw new Error("no whole Chromium: install chromium, or name one in MICHUB_CHROMIUM");
const minutes = Number(process.argv[2] ?? 8);
const profile = mkdtempSync(join(tmpdir(), "michub-hidden-"));
const pause = (ms) => new Promise((wake) => setTimeout(wake, ms));

function startChromium() {
  const child = spawn(program, ["--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0", `--user-data-dir=${profile}`, "about:blank"], { stdio: ["ignore", "ignore", "pipe"] });
  const address = new Promise((done, refuse) => {
    let text = "";
    child.stderr.on("data", (bytes) => { text += bytes; const found = /listening on (ws:\S+)/.exec(text); if (found) done(found[1]); });
    child.on("exit", () => refuse(new Error(text.slice(-2000))));
  });
  return { child, address };
}

/** A line to the browser: `ask(method, params, session)`. */
async function connect(address) {
  const socket = new WebSocket(address);
  await new Promise((done, refuse) => Object.assign(socket, { onopen: done, onerror: refuse }));
  const waiting = new Map();
  let id = 0;
  socket.onmessage = ({ data }) => { const { id: of, result, error } = JSON.parse(data); waiting.get(of)?.(error ? Promise.reject(new Error(error.message)) : result); };
  return (method, params = {}, sessionId) => new Promise((done) => { waiting.set(++id, done); socket.send(JSON.stringify({ id, method, params, sessionId })); });
}

const hub = await startHub();
const { child, address } = startChromium();
try {
  const ask = await connect(await address);
  const { targetId } = await ask("Target.createTarget", { url: `${hub.url}/?room=hidden&calm` });
  const { sessionId } = await ask("Target.attachToTarget", { targetId, flatten: true });
  const value = async (expression) => (await ask("Runtime.evaluate", { expression, returnByValue: true }, sessionId)).result.value;
  while ((await value('document.querySelectorAll("#queue li[data-user]").length')) !== 3) await pause(200);
  const users = await value('[...document.querySelectorAll("#people li[data-user]")].map((row) => row.dataset.user)');
  const order = () => fetch(`${hub.url}/api/rooms/hidden`).then((answer) => answer.json()).then(({ state }) => state.queue.map(({ user_id, state: shown }) => `${user_id} ${shown}`).join(", "));
  await ask("Target.createTarget", { url: "about:blank" });
  await pause(1000);
  const visibility = await value("document.visibilityState");
  if (visibility !== "hidden") throw new Error(`the page is ${visibility}`);
  const before = await order();
  const turns = Date.now() + 80_000;
  const end = Date.now() + minutes * 60_000;
  let steady = before;
  while (Date.now() < end) {
    await pause(5000);
    const { user_status } = await (await fetch(`${hub.url}/api/online-status?user_ids=${users.join(",")}`)).json();
    const away = user_status.filter(({ online }) => !online).map(({ user_id }) => user_id);
    const now = await order();
    // Turns end after 90 s and take people from the queue; nobody is held.
    if (away.length || now.includes("held") || (Date.now() < turns && now !== steady)) throw new Error(`${Math.round((end - Date.now()) / 1000)} s before the end: away ${away}; queue ${now}, was ${steady}`);
    steady = now;
  }
  if ((await value('document.querySelectorAll("#people .c-down").length')) !== 0) throw new Error("lines are down");
  console.log(`${users.length} people stayed for ${minutes} minutes in a hidden tab`);
} finally {
  child.kill();
  await hub.stop();
  await pause(500);
  rmSync(profile, { recursive: true, force: true });
}
