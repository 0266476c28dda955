// What admins and people can do in the page, each seen in the page.
import assert from "node:assert/strict";
import { test } from "node:test";
import { until } from "./browser.js";
import { carry, choose, drag, fault, logged, order, settled, shows } from "./demo.js";
import { healthy, house } from "./window.js";

const home = house({ MICHUB_ROOM__RULES__MODE_MIN_INTERVAL_SECONDS: "0" });
const { fresh } = home;
const seated = (page, no) => page.locator(`#seats [data-seat="${no}"]`).getAttribute("data-user");
const sits = (page, no, user) => until(`${user} on seat ${no}`, async () => { const who = await seated(page, no); return who === user || who; });
const seatMenu = (page, no, text) => choose(page, `#seats [data-seat="${no}"] [data-act="seat"]`, text);
const time = async (page, no) => { const [, minutes, seconds] = /(\d+):(\d+)/.exec(await page.locator(`#seats [data-seat="${no}"] .time`).textContent()); return Number(minutes) * 60 + Number(seconds); };
const rev = async (page) => Number(await page.locator("#rev b").textContent());

test("apply, approve; invite, accept", async () => {
  const { page, waiting: [ana, leo] } = await fresh();
  await page.locator('[data-mode="apply"]').click();
  await until("mode apply", async () => (await page.locator('[data-mode="apply"]').getAttribute("aria-pressed")) === "true");
  await seatMenu(page, 4, "Unlock");
  await page.locator(`[data-as="${ana}"]`).click();
  await page.locator('#viewer [data-act="apply"]').click();
  await page.locator("#requests").getByRole("button", { name: "Approve: Ana" }).click();
  await sits(page, 4, ana);
  await seatMenu(page, 5, "Unlock");
  await choose(page, `#queue li[data-user="${leo}"] [data-act="more"]`, "Invite");
  await page.locator(`[data-as="${leo}"]`).click();
  await page.locator('#viewer [data-act="accept"]').click();
  await sits(page, 5, leo);
  await healthy(page);
});

test("a turn: longer, paused, resumed, next", async () => {
  const { page, waiting: [ana] } = await fresh();
  const before = await time(page, 3);
  await page.locator('#seats [data-seat="3"] [data-act="extend"]').click();
  await until("30 s more", async () => (await time(page, 3)) > before + 20);
  await page.locator('#seats [data-seat="3"] [data-act="pause"]').click();
  await page.locator('#seats [data-seat="3"] .time.paused').waitFor();
  await page.locator('#seats [data-seat="3"] [data-act="pause"]').click();
  await page.locator('#seats [data-seat="3"] .time.paused').waitFor({ state: "detached" });
  await page.locator('#seats [data-seat="3"] [data-act="next"]').click();
  await sits(page, 3, ana);
  await healthy(page);
});

test("what if he joined", async () => {
  const { page, waiting: [ana] } = await fresh();
  await page.locator(`[data-as="${ana}"]`).click();
  await page.locator('#viewer [data-act="leave"]').click();
  await page.locator('#viewer [data-act="explain"]').click();
  await until("the forecast", async () => (await page.locator("#toast").textContent()).startsWith("would be number 3") || page.locator("#toast").textContent());
  await page.locator('[data-flag="queue_open"]').uncheck({ force: true });
  await until("the queue is closed", async () => (await page.locator("#viewer").textContent()).length > 0 && (await page.locator('[data-flag="queue_open"]').isChecked()) === false);
  await page.locator('#viewer [data-act="explain"]').click();
  await until("the refusal", async () => (await page.locator("#toast").textContent()).startsWith("queue_closed (3001)") || page.locator("#toast").textContent());
  await healthy(page);
});

test("clear and undo, flags, why", async () => {
  const { page, waiting } = await fresh();
  await page.locator("#clear").click();
  await shows(page, []);
  await page.locator("#undo").click();
  await shows(page, waiting);
  await page.locator('[data-flag="mute_all"]').check({ force: true });
  await until("Mei is silenced", async () => (await page.locator('#seats [data-seat="2"] .mic.off').count()) === 1);
  await page.locator(`#queue li[data-user="${waiting[0]}"] [data-act="more"]`).click();
  assert.match(await page.locator("#menu").textContent(), /Why here\?/);
  await page.keyboard.press("Escape");
  await healthy(page);
});

test("the rules editor says what is wrong, and saves what is right", async () => {
  const { page } = await fresh();
  await page.locator("#rules").click();
  const area = page.locator("#editor textarea");
  const says = page.locator("#rules-says");
  const rules = JSON.parse(await area.inputValue());
  await area.fill("{");
  await page.locator("#save-rules").click();
  await until("not JSON", async () => (await says.textContent()).trim() === "Not JSON" || says.textContent());
  await area.fill(JSON.stringify({ ...rules, on_deck_size: 99 }, null, 2));
  await page.locator("#save-rules").click();
  await until("the path", async () => /bad_rules.*\/on_deck_size/.test(await says.textContent()) || says.textContent());
  await area.fill(JSON.stringify(rules, null, 2));
  await page.locator('#editor input[name="max_mic_count"]').fill("6");
  await page.locator("#save-rules").click();
  await until("seven seats", async () => (await page.locator("#seats .seat").count()) === 7);
  await page.keyboard.press("Escape");
  await healthy(page);
});

test("an empty field of the rules is the default, not zero", async () => {
  const { page, room } = await fresh();
  const rules = async () => (await (await fetch(`${home.hub.url}/api/rooms/${room}`)).json()).state.rules;
  assert.equal((await rules()).timeout_seconds, 90);
  await page.locator("#rules").click();
  await page.locator('#editor [name="timeout_seconds"]').fill("");
  await page.locator("#save-rules").click();
  await until("the default", async () => { const { timeout_seconds: now } = await rules(); return (now > 0 && now !== 90) || now; });
  await healthy(page);
});

test("a refusal is told in the page's language", async () => {
  const { page, room, waiting: [ana] } = await fresh({ locale: "zh-CN" });
  const say = (fields) => fetch(`${home.hub.url}/api/rooms/${room}/commands`, { method: "POST", body: JSON.stringify(fields) });
  // The menu is open while somebody else removes its person.
  await page.locator(`#queue li[data-user="${ana}"] [data-act="more"]`).click();
  assert.equal((await say({ type: "queue_remove", target_user_ids: [ana] })).status, 200);
  await page.locator("#menu").getByRole("menuitem", { name: "移出麦序" }).click();
  await until("the refusal", async () => (await page.locator("#toast").textContent()).startsWith("操作被拒绝: not_queued — ") || page.locator("#toast").textContent());
  assert.match(await page.locator("#toast").textContent(), /[\u4e00-\u9fff]+。/);
  assert.equal((await page.locator("#toast").textContent()).includes("The person"), false);
  await healthy(page);
});

test("without a line the page says that what is asked for waits, and does it then", async () => {
  const { page } = await fresh();
  await page.context().setOffline(true);
  await page.evaluate(() => dispatchEvent(new Event("offline")));
  await fault(page, "lin", "Drop the line");
  await until("the hint", async () => (await page.locator("#mode-hint").textContent()).includes("waits for the line") || page.locator("#mode-hint").textContent());
  await until("no claim of agreement", async () => (await page.locator("#sync").textContent()).startsWith("no line") || page.locator("#sync").textContent());
  await page.locator('[data-mode="apply"]').click();
  await page.context().setOffline(false);
  await until("mode apply", async () => (await page.locator('[data-mode="apply"]').getAttribute("aria-pressed")) === "true");
  await until("agreement", async () => (await page.locator("#sync").textContent()).startsWith("both at rev") || page.locator("#sync").textContent());
  await page.shut();
});

test("kicked, and back in", async () => {
  const { page, waiting: [ana, ...rest] } = await fresh();
  await fault(page, ana, "Kick");
  await shows(page, rest);
  await page.locator(`#people li[data-user="${ana}"] [data-act="back"]`).click();
  await page.locator(`#people li[data-user="${ana}"] [data-act="join"]`).click();
  await shows(page, [...rest, ana]);
  await healthy(page);
});

test("token expiry, half-open, slow line, drain: everybody comes back to his place", async () => {
  const { page, waiting } = await fresh();
  const [ana, leo, kai] = waiting;
  await fault(page, ana, "Expire the token");
  await logged(page, `"event":"queue_returned","user_id":"${ana}"`);
  await fault(page, leo, "Half-open line");
  await logged(page, `"user_online","user_id":"${leo}"`, '"attempt":1');
  await fault(page, kai, "+500 ms");
  await until("a slow round trip", async () => Number(await page.locator("#trips tbody tr:nth-child(6) td:nth-of-type(3)").textContent()) >= 400);
  await page.locator("#drain").click();
  await logged(page, '"code":4101');
  await page.locator("#people .c-down").first().waitFor();
  await until("everybody is back", async () => (await page.locator("#people .c-down").count()) === 0);
  assert.deepEqual(await order(page), waiting);
  await healthy(page);
});

test("without a network nothing is tried; with it everybody is back at once", async () => {
  const { page, waiting } = await fresh();
  await page.context().setOffline(true);
  await until("six lines are down", async () => (await page.locator("#people .c-down").count()) === 6);
  const tries = () => page.$$eval("#log code", (lines) => lines.filter((line) => line.textContent.includes('"user_online"')).length);
  const before = await tries();
  await page.waitForTimeout(4000);
  assert.equal(await tries(), before, "tries without a network");
  await page.context().setOffline(false);
  await until("everybody is back", async () => (await page.locator("#people .c-down").count()) === 0, 20_000);
  await shows(page, waiting);
  page.bad.splice(0); // the browser reports what it could not fetch
  await healthy(page);
});

test("a second admin in his own window; both drag at once and see the same", async () => {
  const { page, again } = await fresh();
  const noor = await again("&admin=noor");
  const [a, b, c, d, ...rest] = await settled(noor, 8);
  await settled(page, 8);
  assert.equal(await noor.locator("#t-mine").textContent(), "Mic queue · Noor");
  await carry(page, d, b);
  await carry(noor, c, a);
  await Promise.all([page.mouse.up(), noor.mouse.up()]);
  await until("both revs are equal", async () => (await rev(page)) === (await rev(noor)));
  const both = [c, a, d, b, ...rest];
  await shows(page, both);
  await shows(noor, both);
  await healthy(page, noor);
});

test("the second view drags, too", async () => {
  const { page, waiting: [a, b, c] } = await fresh();
  const [first, third] = await Promise.all([a, c].map((user) => page.locator(`#queue2 li[data-user="${user}"] [data-act="grip"]`).boundingBox()));
  await page.mouse.move(third.x + 20, third.y + 20);
  await page.mouse.down();
  await page.mouse.move(first.x + 20, first.y + 10, { steps: 6 });
  await page.mouse.up();
  await shows(page, [c, a, b]);
  await healthy(page);
});

test("what others do is shown while somebody drags; Escape takes it back", async () => {
  const { page, room, waiting: [a, b, c] } = await fresh();
  await carry(page, c, a);
  await shows(page, [c, a, b]);
  const moved = await fetch(`${home.hub.url}/api/rooms/${room}/commands`, { method: "POST", body: JSON.stringify({ type: "queue_move", target_user_id: b, place: { before: a } }) });
  assert.equal(moved.status, 200);
  await shows(page, [c, b, a]);
  await page.keyboard.press("Escape");
  await shows(page, [b, a, c]);
  await page.mouse.up();
  await shows(page, [b, a, c]);
  await drag(page, c, b);
  await shows(page, [c, b, a]);
  await healthy(page);
});

test("chat: words with classes, a notice, flowers, slow mode and mutes", async () => {
  const { page, again } = await fresh();
  const chat = page.locator("#chat");
  const said = (text) => until(`${text} in the chat`, async () => (await chat.textContent()).includes(text) || chat.textContent());
  const say = async (text) => { await page.locator("#say").fill(text); await page.locator("#send").click(); };
  const hushed = (text) => until(text, async () => (await page.locator("#hushed").textContent()).startsWith(text) || page.locator("#hushed").textContent());
  const [mei, jun] = await page.$$eval("[data-as]", (tabs) => tabs.map((tab) => tab.dataset.as));
  await say("gone with the wind");
  await said("gone with the wind");
  await page.locator("#keep").click();
  await say("<b>kept</b>");
  await said("<b>kept</b>");
  await page.locator("#notice").click();
  await said("keep to your turn");
  await page.locator("#flower").click();
  await hushed("1 flower");
  assert.equal(await chat.locator("li").count(), 3, "a flower is no line");
  await page.locator("#slow").selectOption("30");
  await logged(page, '"talk_changed","slow_mode_seconds":30');
  await say("first");
  await said("first");
  await say("two");
  await hushed("Slow mode: again in");
  assert.equal(await page.locator("#say").inputValue(), "two", "what was refused is not lost");
  await page.locator("#slow").selectOption("0");
  await logged(page, '"talk_changed","slow_mode_seconds":0');
  await choose(page, '#chat li:nth-child(1) [data-act="talk"]', "Mute in the chat");
  await hushed("Muted in the chat");
  await say("three");
  await page.locator(`[data-as="${mei}"]`).click();
  await say("from somebody else");
  await said("from somebody else");
  assert.equal((await chat.textContent()).includes("three"), false);
  await page.locator(`[data-as="${jun}"]`).click();
  await choose(page, '#chat li:nth-child(1) [data-act="talk"]', "Let speak again");
  await until("he may speak", async () => (await page.locator("#hushed").textContent()) === "1 flower" || page.locator("#hushed").textContent());
  await say("three");
  await said("three");
  // Whoever comes later has what is kept.
  const later = await again();
  await until("what was kept", async () => { const text = await later.locator("#chat").textContent(); return (text.includes("<b>kept</b>") && text.includes("keep to your turn") && !text.includes("gone with the wind")) || text; });
  await healthy(page, later);
});

test("somebody goes on over polling, over events, and back: the others see nothing", async () => {
  const { page, waiting } = await fresh();
  const [ana] = waiting;
  const before = await rev(page);
  const chip = page.locator(`#people li[data-user="${ana}"] .c-warn`);
  for (const [item, shownAs] of [["Go on over polling", "polling"], ["Go on over event stream", "event stream"]]) {
    await fault(page, ana, item);
    await until(shownAs, async () => (await chip.count()) === 1 && (await chip.textContent()) === shownAs);
    await shows(page, waiting);
  }
  await page.locator(`#people li[data-user="${ana}"] [data-act="leave"]`).click();
  await shows(page, waiting.slice(1));
  await fault(page, ana, "Go on over WebSocket");
  await until("a socket again", async () => (await chip.count()) === 0 && (await page.locator(`#people li[data-user="${ana}"] .c-down`).count()) === 0);
  // Only a socket's end is a held place; its two ways are one rev for the hold and one for the return.
  assert.ok((await rev(page)) <= before + 3, `${before} → ${await rev(page)}`);
  await healthy(page);
});
