// What a media server says, seen on the seats.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";
import { until } from "./browser.js";
import { healthy, house } from "./window.js";

const SECRET = "sec";
const PATH = "0123456789abcdef";
const home = house({ MICHUB_MEDIA__Z__KIND: "zego", MICHUB_MEDIA__Z__SECRET_PATH: `"${PATH}"`, MICHUB_MEDIA__Z__SECRET: SECRET, MICHUB_ROOM__RULES__STREAM_STOP_GRACE_SECONDS: "60" });
let said = 0;

/** A callback as ZEGO would send it. */
async function say(event, room, user, stream_sid, seq) {
  const [timestamp, nonce] = [String(Math.floor(Date.now() / 1000)), String(++said)];
  const signature = createHash("sha1").update([SECRET, timestamp, nonce].sort().join("")).digest("hex");
  const body = { event, timestamp, nonce, signature, room_id: room, room_session_id: "1", user_id: user, stream_id: `s-${user}`, stream_sid, stream_seq: String(seq), create_time_ms: "1780000000000" };
  const answer = await fetch(`${home.hub.url}/api/hooks/z/${PATH}`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) });
  assert.equal(answer.status, 200, await answer.text());
}

test("a seat shows whether its person is on air, and for how long there was no sound", async () => {
  const { page, room } = await home.fresh();
  const seat = page.locator('#seats [data-seat="1"]');
  const media = (wanted) => until(`media ${wanted}`, async () => { const now = await seat.getAttribute("data-media"); return now === wanted || now; });
  const mic = seat.locator(".mic");
  await media("none");
  assert.equal(await mic.getAttribute("title"), "");
  await say("stream_create", room, "lin", "a", 1);
  await media("publishing");
  assert.match(await mic.getAttribute("class"), /\bair\b/);
  assert.equal(await mic.getAttribute("title"), "on air, the media server says");
  // Published again before the end of the first is heard: still on air.
  await say("stream_create", room, "lin", "b", 3);
  await say("stream_close", room, "lin", "a", 2);
  await media("publishing");
  await say("stream_close", room, "lin", "b", 4);
  await media("lost");
  await until("the countdown", async () => /^no sound (1:00|0:\d\d)$/.test(await seat.locator(".below").textContent()) || seat.locator(".below").textContent());
  // Another person's stream says nothing about this seat.
  await say("stream_create", room, "nobody", "c", 5);
  await media("lost");
  await say("stream_create", room, "lin", "d", 6);
  await media("publishing");
  await page.locator("#language").click();
  await until("in Chinese", async () => (await mic.getAttribute("title")) === "媒体服务器确认正在推流" || mic.getAttribute("title"));
  await healthy(page);
});
