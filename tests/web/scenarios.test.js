// Every scenario in Node and in Chromium, and the table of both.
import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";
import * as michub from "../../clients/web/dist/michub.js";
import { startBrowser } from "./browser.js";
import { startHub } from "./hub.js";
import { makeKit, scenarios } from "./scenarios.js";

let hub;
let browser;
const TRANSPORTS = ["ws", "poll", "sse"];
/** The slowest of them takes a hundredth of that. */
const TEST_MS = 300_000;
const table = [];
before(async () => { hub = await startHub({ MICHUB_ROOM__RULES__MODE_MIN_INTERVAL_SECONDS: "0" }); browser = await startBrowser(); });
after(async () => {
  await browser?.close();
  await hub?.stop();
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  const line = (name, cells) => console.log([name.padEnd(width), ...cells.map((cell) => cell.padStart(8))].join(" | "));
  console.log(`\nNode ${process.versions.node}, Chromium ${browser?.version()}; ms`);
  line("scenario", ["Node", "Chromium"].flatMap((client) => TRANSPORTS.map((transport) => (client === "Node" ? `N ${transport}` : `C ${transport}`))));
  for (const { name, transports } of scenarios) {
    const cell = (where, transport) => (transports && !transports.includes(transport) ? "–" : table.find((row) => row.name === name && row.where === `${where} ${transport}`)?.took ?? "FAILED");
    line(name, ["node", "chromium"].flatMap((where) => TRANSPORTS.map((transport) => cell(where, transport))));
  }
});

const control = (what) => (what === "drain" ? fetch(`${hub.url}/demo/drain`, { method: "POST" }).then(({ status }) => assert.equal(status, 204)) : hub.restart());
async function timed(name, where, run) {
  const begin = performance.now();
  await run();
  table.push({ name, where, took: `${Math.round(performance.now() - begin)}` });
}

async function passInNode(ms) {
  for (let left = ms; left > 0; left -= 100) {
    mock.timers.tick(100);
    for (let turn = 0; turn < 60; turn++) await null;
  }
}

/** Where sockets are blocked, nothing works that makes one. */
const isBlocked = ({ mixed }, transport) => transport !== "ws" && !mixed;
const block = () => { globalThis.WebSocket = class { constructor() { throw new Error("WebSockets are blocked here"); } }; };

async function inNode(scenario, transport) {
  const { run, virtual } = scenario;
  const { WebSocket } = globalThis;
  if (isBlocked(scenario, transport)) block();
  const kit = makeKit(michub, hub.url, control, transport);
  if (virtual) mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 });
  try { await run(kit, passInNode); } finally { kit.end(); mock.timers.reset(); globalThis.WebSocket = WebSocket; }
}

async function inChromium(scenario, transport) {
  const { run, virtual } = scenario;
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    if (isBlocked(scenario, transport)) await page.addInitScript(block);
    if (virtual) await page.clock.install();
    await page.exposeFunction("reachHub", control);
    await page.exposeFunction("passTime", (ms) => page.clock.runFor(ms));
    // Any page of the hub's own origin will do.
    await page.goto(`${hub.url}/icon.svg`);
    const source = `(async () => {
      const michub = await import("/vendor/michub.js");
      await import("/vendor/poll.js");
      const kit = (${makeKit})(michub, location.origin, reachHub, ${JSON.stringify(transport)});
      try { await ({ ${String(run)} }).run(kit, passTime); return ""; } catch (error) { return String(error?.stack ?? error); } finally { kit.end(); }
    })()`;
    assert.equal(await page.evaluate(source), "");
  } finally {
    await context.close();
  }
}

for (const scenario of scenarios) {
  for (const transport of scenario.transports ?? TRANSPORTS) {
    test(`node, ${transport}: ${scenario.name}`, { timeout: TEST_MS }, () => timed(scenario.name, `node ${transport}`, () => inNode(scenario, transport)));
    test(`chromium, ${transport}: ${scenario.name}`, { timeout: TEST_MS }, () => timed(scenario.name, `chromium ${transport}`, () => inChromium(scenario, transport)));
  }
}
