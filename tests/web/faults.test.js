// What browsers, machines and networks do to a page: no storage, wrong clocks, frozen pages, hubs that drain in the middle of commands. Nothing is lost, nothing happens twice, nobody else sees anything.
import assert from "node:assert/strict";
import { test } from "node:test";
import { openWindow, until } from "./browser.js";
import { order, settled } from "./demo.js";
import { healthy, house } from "./window.js";

const home = house();

/** Opens a fresh room in a window that `prepare` has made worse before its first script runs. */
async function worse(room, prepare, argument) {
  const page = await openWindow(home.browser, "about:blank");
  await page.addInitScript(prepare, argument);
  await page.goto(`${home.hub.url}/?room=${room}&calm`);
  await settled(page, 3);
  return page;
}

/** Asks the page's own people. */
const people = (page, run, argument) => page.evaluate(`import("/cast.js").then((cast) => (${run})(cast, ${JSON.stringify(argument ?? null)}))`);
const history = async (room) => (await (await fetch(`${home.hub.url}/api/rooms/${room}/history`)).json()).events;

/** Who of the page's people is seen as what, from outside. */
async function statuses(page) {
  const ids = await people(page, ({ everybody }) => everybody.map(({ id }) => id));
  const { user_status } = await (await fetch(`${home.hub.url}/api/online-status?user_ids=${ids}`)).json();
  return user_status.map(({ online }) => online);
}

test("without storage the page works, and remembers as long as it lives", async () => {
  const page = await worse("bare", () => {
    for (const name of ["localStorage", "sessionStorage"]) Object.defineProperty(window, name, { get() { throw new DOMException("no", "SecurityError"); } });
  });
  await page.locator("#language").click();
  await until("Chinese", async () => (await page.locator("#t-stage").textContent()) === "麦位");
  await page.locator("#theme").click();
  assert.equal(await page.evaluate(() => document.documentElement.style.colorScheme), "light");
  await page.goto(`${home.hub.url}/docs`);
  await page.locator("#search").fill("queue_join");
  await until("an answer", async () => (await page.locator("#page section").count()) > 0);
  await healthy(page);
});

for (const hours of [-7, 7]) {
  test(`a clock that is wrong by ${hours} hours shows the time that is left`, async () => {
    const page = await worse(`clock${hours}`, (off) => {
      const Real = Date;
      globalThis.Date = class extends Real { constructor(...given) { given.length ? super(...given) : super(Real.now() + off); } static now() { return Real.now() + off; } };
    }, hours * 3_600_000);
    await until("two turns with some of their two minutes left", async () => {
      const shown = await page.locator("#seats .below").allTextContents();
      return shown.filter((text) => /^(2:00|1:\d\d|0:[0-5][1-9])/.test(text)).length === 2 || shown;
    });
    await until("a measured line", () => people(page, ({ everybody }) => everybody.every(({ samples }) => samples.length > 0 && samples.every(([, ms]) => ms >= 0 && ms < 60_000))));
    await healthy(page);
  });
}

test("a page that was frozen goes on where the room is, and nobody has seen that", async () => {
  const { page, room, waiting } = await home.fresh();
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Page.setWebLifecycleState", { state: "frozen" });
  const answer = await fetch(`${home.hub.url}/api/rooms/${room}/commands`, { method: "POST", body: JSON.stringify({ type: "queue_move", act_as: "lin", target_user_id: waiting[2], place: "front", force: true, op_id: "away" }) });
  assert.equal(answer.status, 200);
  await cdp.send("Page.setWebLifecycleState", { state: "active" });
  await until("the new order", async () => String(await order(page)) === String([waiting[2], waiting[0], waiting[1]]) || order(page));
  assert.deepEqual(await statuses(page), Array(6).fill(true));
  assert.deepEqual((await history(room)).filter(({ event }) => /_held$/.test(event)), []);
  await healthy(page);
});

test("a drain in the middle of commands: each of them counts, and once", async () => {
  const { page, room } = await home.fresh();
  const outcome = await people(page, async ({ admin, everybody }) => {
    const writes = [];
    for (let n = 0; n < 40; n++) {
      writes.push(admin.send("seat_extra", { seat_no: 2, extra: `n${n}` }));
      writes.push(everybody[n % 6].room.say(`s${n}`, { class: "must" }));
      if (n === 20) await fetch("/demo/drain", { method: "POST" });
    }
    return (await Promise.allSettled(writes)).map(({ status, reason }) => reason?.name ?? status);
  });
  assert.deepEqual(outcome, Array(80).fill("fulfilled"));
  const extras = (await history(room)).filter(({ event, extra }) => event === "seat_updated" && extra).map(({ extra }) => extra);
  assert.deepEqual(extras.toSorted(), Array.from({ length: 40 }, (_, n) => `n${n}`).toSorted());
  const { messages } = await (await fetch(`${home.hub.url}/api/rooms/${room}/messages`)).json();
  assert.deepEqual(messages.map(({ body }) => body).filter((body) => /^s\d+$/.test(body)).toSorted(), Array.from({ length: 40 }, (_, n) => `s${n}`).toSorted());
  await until("everybody is back", async () => (await page.locator("#people .lost").count()) === 0);
  assert.deepEqual(await statuses(page), Array(6).fill(true));
  await healthy(page);
});
