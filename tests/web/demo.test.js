// The demo page in a real browser against a real hub.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openWindow, startBrowser, until } from "./browser.js";
import { carry, choose, crowd, drag, fault, keys, logged, order, press, settled, shows } from "./demo.js";
import { hostile } from "./hostile.js";
import { startHub } from "./hub.js";

let hub;
let browser;
before(async () => { hub = await startHub({ MICHUB_ROOM__RULES__MAX_QUEUE_LEN: "200" }); browser = await startBrowser(); });
after(async () => { await browser?.close(); await hub?.stop(); });

let rooms = 0;
/** Opens a fresh room in one window; gives the window, the room and who waits. */
async function fresh(options) {
  const room = `r${++rooms}`;
  const page = await openWindow(browser, `${hub.url}/?room=${room}&calm`, options);
  return { room, page, waiting: await settled(page, 3), again: () => openWindow(browser, `${hub.url}/?room=${room}&calm`) };
}

async function healthy(...pages) {
  for (const page of pages) {
    assert.deepEqual(page.bad, []);
    assert.deepEqual(await page.policy(), []);
    await page.shut();
  }
}

test("the page opens alive and without errors", async () => {
  const { page } = await fresh();
  assert.equal(await page.locator("#seats li[data-user]").count(), 3);
  assert.equal(await page.title(), "michub");
  await healthy(page);
});

test("a drag in one window shows in another", async () => {
  const { page, again } = await fresh();
  const other = await again();
  const [a, b, c, ...rest] = await settled(other, 8);
  await shows(page, [a, b, c, ...rest]);
  await drag(page, c, a);
  await shows(page, [c, a, b, ...rest]);
  await shows(other, [c, a, b, ...rest]);
  await press(other, c, "down");
  await shows(page, [a, c, b, ...rest]);
  await keys(other, a, " ", "End", " ");
  await shows(page, [c, b, ...rest, a]);
  await healthy(page, other);
});

test("a dropped line resumes and keeps the place", async () => {
  const { page, waiting } = await fresh();
  const person = waiting[1];
  await fault(page, person, "Drop the line");
  await logged(page, `"event":"queue_held","user_id":"${person}"`);
  await logged(page, `"event":"queue_returned","user_id":"${person}"`);
  await until("back again", async () => (await page.locator(`#queue li[data-user="${person}"] .c-held`).count()) === 0);
  await shows(page, waiting);
  await healthy(page);
});

test("two admins drag at once and end equal", async () => {
  const { page, again } = await fresh();
  const other = await again();
  const [a, b, c, d, e, f, ...rest] = await settled(other, 8);
  await settled(page, 8);
  await carry(page, d, b);
  await carry(other, c, e);
  await Promise.all([page.mouse.up(), other.mouse.up()]);
  const both = [a, d, b, e, c, f, ...rest];
  await shows(page, both);
  await shows(other, both);
  await healthy(page, other);
});

test("kill -9 and restart give the same order", async () => {
  const { page, waiting: [a, b, c] } = await fresh();
  await drag(page, c, a);
  await shows(page, [c, a, b]);
  await hub.restart();
  await until("everybody is connected again", async () => (await page.locator("#people .c-down").count()) === 0);
  await until("nobody is held", async () => (await page.locator("#queue .c-held").count()) === 0);
  assert.deepEqual(await order(page), [c, a, b]);
  await press(page, a, "up");
  await shows(page, [a, c, b]);
  page.bad.splice(0); // the browser reports the refused connections
  await healthy(page);
});

test("hostile texts are shown as text", async () => {
  assert.equal(hostile.length, 50);
  const { page, room } = await fresh();
  const users = await crowd(page, room, hostile);
  await settled(page, 53);
  const texts = await page.$$eval("#queue li[data-user] .note", (notes) => notes.map((note) => note.textContent));
  assert.deepEqual(texts.slice(3), hostile);
  await choose(page, `#queue li[data-user="${users[0]}"] [data-act="more"]`, "Remove from the queue");
  await settled(page, 52);
  assert.equal(await page.evaluate(() => globalThis.hit), undefined);
  assert.equal(await page.locator("#queue li img, #queue li script, #queue li iframe, #queue li style").count(), 0);
  await healthy(page);
  const odd = await openWindow(browser, `${hub.url}/?room=${encodeURIComponent("<img src=x onerror=globalThis.hit=1>")}`);
  await odd.waitForTimeout(300);
  assert.equal(await odd.evaluate(() => globalThis.hit), undefined);
  await healthy(odd);
});
