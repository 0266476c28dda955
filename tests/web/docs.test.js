// The protocol's page: complete, searchable, in two languages, reachable for everybody.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { openWindow, shots, until } from "./browser.js";
import { healthy, house } from "./window.js";

const home = house();
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const open = async (path = "/docs", options) => {
  const page = await openWindow(home.browser, `${home.hub.url}${path}`, options);
  await page.locator("#event-queue_moved").waitFor();
  return page;
};
const shown = (page) => page.$$eval("#page article, #page tr[id]", (all) => all.map(({ id }) => id));

test("every frame, event and code is there, with an example", async () => {
  const page = await open();
  const spoken = JSON.parse(readFileSync(new URL("../../web-demo/docs/protocol.json", import.meta.url), "utf8"));
  const wanted = [...spoken.items.map(({ side, name }) => `${side}-${name}`), ...spoken.errors.map(([, name]) => `error-${name}`), ...spoken.closes.map(([number]) => `close-${number}`)];
  assert.deepEqual((await shown(page)).sort(), wanted.sort());
  const without = await page.$$eval("#page article", (all) => all.filter((one) => !one.querySelector("pre")).map(({ id }) => id));
  assert.deepEqual(without, []);
  const broken = await page.$$eval("#page pre", (all) => all.filter((one) => { try { return typeof JSON.parse(one.textContent) !== "object"; } catch { return true; } }).length);
  assert.equal(broken, 0);
  await healthy(page);
});

test("the search finds names, fields, codes and words", async () => {
  const page = await open();
  for (const [query, first] of [["queue_move", "command-queue_move"], ["hold_expired", "event-queue_left"], ["undo_id", "command-queue_restore"], ["3004", "error-not_queued"], ["draining", "close-4101"], ["GET /api/rooms/{room_id}/history", "http-history"], ["nothing at all fits", undefined]]) {
    await page.locator("#search").fill(query);
    const found = await shown(page);
    assert.equal(found[0], first, `${query}: ${found}`);
  }
  await page.locator("#search").fill("");
  await until("everything again", async () => (await shown(page)).length > 150);
  await page.keyboard.press("Tab");
  await page.locator("body").click();
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "search");
  await healthy(page);
});

test("from the demo to an entry in Chinese and back", async () => {
  const page = await openWindow(home.browser, `${home.hub.url}/?room=docs&calm`);
  await page.locator("#docs").click();
  await page.locator("#command-queue_join").waitFor();
  await page.locator("#language").click();
  assert.equal(await page.locator("#command-queue_join .said p").first().textContent(), "加入麦序。");
  const english = await page.$$eval("#page article .said > p, #page td:nth-child(3)", (all) => all.map((one) => one.textContent).filter((text) => text && !/[\u4e00-\u9fff]/.test(text) && !["", "×"].includes(text)));
  assert.deepEqual(english.filter((text) => text.length > 12), []);
  await page.goto(`${home.hub.url}/docs#close-4301`);
  await until("the entry is in view", () => page.evaluate(() => { const { top } = document.getElementById("close-4301")?.getBoundingClientRect() ?? { top: -1 }; return (top >= 0 && top < innerHeight) || top; }));
  await page.locator('#tools a[href="/"]').click();
  await page.locator("#seats").waitFor();
  await page.shut();
});

for (const [name, options] of [["light", { colorScheme: "light" }], ["dark-zh", { colorScheme: "dark", locale: "zh-CN" }], ["phone", { viewport: { width: 390, height: 844 } }]]) {
  test(`axe finds nothing serious, and nothing is wider than the window (${name})`, async () => {
    const page = await open("/docs", options);
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
    assert.deepEqual(violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")}`), []);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
    await page.screenshot({ path: `${shots}docs-${name}.png` });
    await healthy(page);
  });
}
