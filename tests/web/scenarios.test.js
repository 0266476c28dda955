// Every scenario in Node and in Chromium, and the table of both.
import assert from "node:assert/strict";
import { after, before, mock, test } from "node:test";
import * as michub from "../../clients/web/dist/michub.js";
import { startBrowser } from "./browser.js";
import { startHub } from "./hub.js";
import { makeKit, scenarios } from "./scenarios.js";

let hub;
let browser;
const table = [];
before(async () => { [hub, browser] = await Promise.all([startHub({ MICHUB_ROOM__RULES__MODE_MIN_INTERVAL_SECONDS: "0" }), startBrowser()]); });
after(async () => {
  await browser?.close();
  await hub?.stop();
  const width = Math.max(...scenarios.map(({ name }) => name.length));
  console.log(`\n${"scenario".padEnd(width)} | Node ${process.versions.node} | Chromium ${browser?.version()}`);
  for (const { name } of scenarios) {
    const of = (where) => table.find((row) => row.name === name && row.where === where)?.took ?? "FAILED";
    console.log(`${name.padEnd(width)} | ${of("node").padStart(12)} | ${of("chromium").padStart(14)}`);
  }
});

const control = (what) => (what === "drain" ? fetch(`${hub.url}/demo/drain`, { method: "POST" }).then(({ status }) => assert.equal(status, 204)) : hub.restart());
async function timed(name, where, run) {
  const begin = performance.now();
  await run();
  table.push({ name, where, took: `${Math.round(performance.now() - begin)} ms` });
}

async function passInNode(ms) {
  for (let left = ms; left > 0; left -= 100) {
    mock.timers.tick(100);
    for (let turn = 0; turn < 10; turn++) await null;
  }
}

async function inNode({ run, virtual }) {
  if (virtual) mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_700_000_000_000 });
  const kit = makeKit(michub, hub.url, control);
  try { await run(kit, passInNode); } finally { kit.end(); mock.timers.reset(); }
}

async function inChromium({ run, virtual }) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    if (virtual) await page.clock.install();
    await page.exposeFunction("reachHub", control);
    await page.exposeFunction("passTime", (ms) => page.clock.runFor(ms));
    // Any page of the hub's own origin will do.
    await page.goto(`${hub.url}/icon.svg`);
    const source = `(async () => {
      const michub = await import("/vendor/michub.js");
      const kit = (${makeKit})(michub, location.origin, reachHub);
      try { await ({ ${String(run)} }).run(kit, passTime); return ""; } catch (error) { return String(error?.stack ?? error); } finally { kit.end(); }
    })()`;
    assert.equal(await page.evaluate(source), "");
  } finally {
    await context.close();
  }
}

for (const scenario of scenarios) {
  test(`node: ${scenario.name}`, () => timed(scenario.name, "node", () => inNode(scenario)));
  test(`chromium: ${scenario.name}`, () => timed(scenario.name, "chromium", () => inChromium(scenario)));
}
