// How the page is, apart from what it does: reachable for everybody, light, calm, fast.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { openWindow, until } from "./browser.js";
import { carry, crowd, order, settled, shows } from "./demo.js";
import { startHub } from "./hub.js";
import { healthy, house } from "./window.js";

const home = house({ MICHUB_ROOM__RULES__MAX_QUEUE_LEN: "200" });
const { fresh } = home;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const folder = fileURLToPath(new URL("../../web-demo/", import.meta.url));

test("the page's scripts and styles are at most 50 kB gzipped, the client 6,000 bytes", () => {
  // The page /docs counts apart.
  const files = readdirSync(folder, { recursive: true }).map(String).filter((name) => /\.(js|css)$/.test(name) && !name.startsWith("docs/"));
  const sizes = files.map((name) => [name, gzipSync(readFileSync(folder + name), { level: 9 }).length]);
  const total = sizes.reduce((sum, [, size]) => sum + size, 0);
  console.log(`page: ${total} bytes gzipped in ${files.length} files`);
  assert.ok(total <= 50_000, `${total} bytes: ${JSON.stringify(sizes)}`);
  assert.ok(sizes.find(([name]) => name.endsWith("michub.js"))[1] <= 6000);
});

async function serious(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical").map(({ id, nodes }) => `${id}: ${nodes.slice(0, 3).map(({ html }) => html.slice(0, 160)).join(" | ")}`);
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing serious (${colorScheme})`, async () => {
    const { page } = await fresh({ colorScheme, locale: colorScheme === "dark" ? "zh-CN" : "en-US" });
    assert.deepEqual(await serious(page), []);
    await page.locator('#queue [data-act="more"]').first().click();
    assert.deepEqual(await serious(page), [], "with the menu");
    await page.keyboard.press("Escape");
    await page.locator("#rules").click();
    assert.deepEqual(await serious(page), [], "with the rules");
    await page.keyboard.press("Escape");
    await healthy(page);
  });
}

test("nothing else moves while the queue moves", async () => {
  const { page, room, waiting: [a, b, c] } = await fresh();
  await page.evaluate(() => {
    globalThis.shifts = [];
    new PerformanceObserver((list) => globalThis.shifts.push(...list.getEntries().map(({ value, sources }) => ({ value, what: sources.map(({ node }) => node?.parentElement?.id || node?.className) })))).observe({ type: "layout-shift" });
  });
  const say = async (fields) => assert.equal((await fetch(`${home.hub.url}/api/rooms/${room}/commands`, { method: "POST", body: JSON.stringify(fields) })).status, 200);
  for (let round = 0; round < 4; round++) {
    await say({ type: "queue_move", target_user_id: a, place: "back" });
    await shows(page, [b, c, a]);
    await say({ type: "queue_move", target_user_id: a, place: { before: b } });
    await shows(page, [a, b, c]);
  }
  await page.waitForTimeout(700);
  const shifts = await page.evaluate(() => globalThis.shifts);
  const total = shifts.reduce((sum, { value }) => sum + value, 0);
  assert.ok(total < 0.005, `${total}: ${JSON.stringify(shifts)}`);
  await healthy(page);
});

for (const [name, viewport] of [["desktop", { width: 1360, height: 920 }], ["phone", { width: 390, height: 844 }]]) {
  test(`over a slow line nothing jumps while the page comes up (${name})`, async () => {
    const context = await home.browser.newContext({ viewport, reducedMotion: "reduce" });
    const page = await context.newPage();
    await page.addInitScript(() => {
      globalThis.shifts = [];
      new PerformanceObserver((list) => globalThis.shifts.push(...list.getEntries().map(({ value, sources }) => ({ value, what: sources.map(({ node }) => String(node?.id || node?.className)) })))).observe({ type: "layout-shift", buffered: true });
    });
    // Each file comes late, and none together with another one.
    let files = 0;
    await context.route(/\.(js|css)$/, async (route) => {
      await new Promise((done) => setTimeout(done, 100 + 25 * ++files));
      await route.continue();
    });
    await page.goto(`${home.hub.url}/?room=slow-${name}&calm`, { waitUntil: "commit" });
    await settled(page, 3);
    const shifts = await page.evaluate(() => globalThis.shifts);
    const total = shifts.reduce((sum, { value }) => sum + value, 0);
    assert.ok(total < 0.1, `${total}: ${JSON.stringify(shifts)}`);
    await context.close();
  });
}

test("a finger reorders on a phone", async () => {
  const { page, waiting: [a, b, c] } = await fresh({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const grip = (user) => page.locator(`#queue li[data-user="${user}"] [data-act="grip"]`);
  await grip(c).scrollIntoViewIfNeeded();
  const [from, to] = await Promise.all([c, a].map((user) => grip(user).boundingBox()));
  const cdp = await page.context().newCDPSession(page);
  const touch = (type, y) => cdp.send("Input.dispatchTouchEvent", { type, touchPoints: type === "touchEnd" ? [] : [{ x: from.x + from.width / 2, y }] });
  const [start, end] = [from.y + from.height / 2, to.y + to.height / 2 - 8];
  await touch("touchStart", start);
  for (let step = 1; step <= 10; step++) await touch("touchMove", start + ((end - start) * step) / 10);
  await touch("touchEnd");
  await shows(page, [c, a, b]);
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true, "no sideways scrolling");
  await healthy(page);
});

test("on a phone every target is at least 44 pixels wide and high", async () => {
  const { page } = await fresh({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true });
  const small = await page.evaluate(() => [...document.querySelectorAll("button, select, a, input")].filter((one) => one.offsetParent)
    .map((one) => [one.getAttribute("aria-label") ?? one.textContent, one.getBoundingClientRect()]).filter(([, { width, height }]) => Math.min(width, height) < 43.9).map(([name, { width, height }]) => `${name} ${width}x${height}`));
  assert.deepEqual(small, []);
  await healthy(page);
});

test("nothing is wider than the window, whatever its width", async () => {
  for (const locale of ["en-US", "zh-CN"]) {
    const { page } = await fresh({ locale });
    for (const width of [320, 360, 390, 600, 768, 1024, 1280, 1920]) {
      await page.setViewportSize({ width, height: 800 });
      await until(`${width} pixels, ${locale}`, async () => { const wide = await page.evaluate(() => document.documentElement.scrollWidth); return wide <= width || wide; });
    }
    await healthy(page);
  }
});

test("every control can be reached and seen by Tab, from top to bottom", async () => {
  const { page } = await fresh();
  const wanted = await page.evaluate(() => [...document.querySelectorAll("button, a, select, input, [tabindex='0']")].filter((one) => one.offsetParent && !one.disabled).length);
  const seen = new Set();
  for (let step = 0; step < wanted + 5; step++) {
    await page.keyboard.press("Tab");
    const at = await page.evaluate(() => {
      const one = document.activeElement;
      if (one === document.body) return null;
      one.tabbed ??= `${[...document.querySelectorAll("*")].indexOf(one)}`;
      // A switch shows its focus on the knob.
      const shown = one.matches(".switch input") ? one.nextElementSibling : one;
      return [one.tabbed, getComputedStyle(shown).outlineStyle];
    });
    if (!at) break;
    assert.notEqual(at[1], "none", "focus is visible");
    seen.add(at[0]);
  }
  const order = [...seen].map(Number);
  assert.deepEqual(order, [...order].sort((a, b) => a - b), "as in the document");
  assert.ok(seen.size >= wanted - 2, `${seen.size} of ${wanted}`);
  await healthy(page);
});

test("sixty people: a drag stays smooth", async () => {
  const { page, room } = await fresh();
  await crowd(page, room, Array.from({ length: 57 }, (_, index) => `person ${index}`));
  const [first, second, third] = await settled(page, 60);
  // What the page's thread works, and not how long it waits for its turn: the same on a busy machine.
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Performance.enable", { timeDomain: "threadTicks" });
  const worked = async () => (await cdp.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value * 1000;
  await page.evaluate(() => {
    globalThis.frames = 0;
    const tick = () => { globalThis.frames++; requestAnimationFrame(tick); };
    requestAnimationFrame(tick);
  });
  const before = await worked();
  for (let round = 0; round < 3; round++) { await carry(page, first, third); await carry(page, first, second); await page.mouse.up(); }
  const [work, frames] = [await worked() - before, await page.evaluate(() => globalThis.frames)];
  console.log(`60 rows: ${frames} frames, ${(work / frames).toFixed(1)} ms of work each`);
  assert.ok(frames > 5 && work / frames <= 40, `${work} ms of work in ${frames} frames`);
  assert.equal((await order(page)).length, 60);
  await healthy(page);
});

test("language and theme stay; the tour shows four steps once", async () => {
  const page = await openWindow(home.browser, `${home.hub.url}/?room=tour`);
  const tour = page.locator("#tour");
  await tour.waitFor();
  for (let step = 1; step <= 4; step++) {
    await until(`step ${step}`, async () => (await tour.textContent()).includes(`${step} of 4`) || tour.textContent());
    await tour.getByRole("button").last().click();
  }
  await tour.waitFor({ state: "hidden" });
  await page.locator("#language").click();
  await page.locator("#theme").click();
  await page.reload();
  await until("Chinese", async () => (await page.locator("#t-stage").textContent()) === "麦位");
  assert.equal(await page.evaluate(() => document.documentElement.style.colorScheme), "light");
  await page.waitForTimeout(2500);
  assert.equal(await tour.isVisible(), false);
  await page.shut();
});

test("a hub that wants tokens: the page says so, and goes on saying it", async () => {
  const hub = await startHub({ MICHUB_AUTH__MODE: "jwt", MICHUB_AUTH__JWT__SECRET: "0123456789abcdef0123456789abcdef", MICHUB_DEMO__ENABLED: "true" });
  try {
    const page = await openWindow(home.browser, `${hub.url}/?room=tokens`, { locale: "zh-CN" });
    await until("the reason", async () => (await page.locator("#mode-hint").textContent()).includes('auth.mode = "dev"') || page.locator("#mode-hint").textContent());
    assert.equal(await page.locator("#tour").isVisible(), false);
    assert.equal(await page.locator('[data-mode="free"]').isDisabled(), true);
    await page.shut();
  } finally {
    await hub.stop();
  }
});
