// The demo page as its user sees it: who waits in which order, and the ways to move somebody.
import { until } from "./browser.js";

const row = (page, user) => page.locator(`#queue li[data-user="${user}"]`);

/** The queue as shown, head first. */
export const order = (page) => page.$$eval("#queue li[data-user]", (rows) => rows.map((each) => each.dataset.user));

/** Waits until exactly these people wait, in this order. */
export const shows = (page, wanted) => until(`queue ${wanted}`, async () => {
  const now = await order(page);
  return String(now) === String(wanted) || now;
});

/** Waits until `count` people wait and the order stands still; gives the order. */
export async function settled(page, count) {
  let before = "";
  await until(`${count} people wait`, async () => {
    const now = await order(page);
    const same = String(now) === before && now.length === count;
    before = String(now);
    if (!same) await page.waitForTimeout(150);
    return same || now;
  });
  return before.split(",");
}

/** Opens the menu behind a button and chooses the item with this text. */
export async function choose(page, opener, text) {
  await page.locator(opener).click();
  await page.locator("#menu").getByRole("menuitem", { name: text, exact: true }).click();
}

/** Waits until the log of frames has a line with all of these. */
export const logged = (page, ...parts) => until(`${parts} in the log`, () => page.$$eval("#log code", (lines, wanted) => lines.some((line) => wanted.every((part) => line.textContent.includes(part))), parts));

/** Breaks something about a person of the page. */
export const fault = (page, user, text) => choose(page, `#people li[data-user="${user}"] [data-act="faults"]`, text);

/** Presses one of a row's buttons: up, down. */
export const press = (page, user, act) => row(page, user).locator(`[data-act="${act}"]`).click();

async function centre(page, user) {
  const box = await row(page, user).locator('[data-act="grip"]').boundingBox();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2, half: box.height / 2 };
}

/** Lifts a row by its handle and carries it over another one, without letting go. */
export async function carry(page, user, over) {
  await row(page, user).scrollIntoViewIfNeeded();
  const from = await centre(page, user);
  const to = await centre(page, over);
  const side = to.y < from.y ? -0.6 : 0.6;
  await page.mouse.move(from.x, from.y);
  await page.mouse.down();
  await page.mouse.move(from.x, from.y + Math.sign(side) * 6);
  await page.mouse.move(to.x, to.y + side * to.half, { steps: 8 });
}

/** Drags a row over another one and lets go. */
export async function drag(page, user, over) {
  await carry(page, user, over);
  await page.mouse.up();
}

/** Focuses a row's handle and presses keys. */
export async function keys(page, user, ...pressed) {
  await row(page, user).locator('[data-act="grip"]').focus();
  for (const key of pressed) await page.keyboard.press(key);
}

/** Lets `count` more people join over sockets of the page's own origin, each with a note; gives their ids. */
export const crowd = (page, room, notes) => page.evaluate(async ([room_id, texts]) => {
  const open = (text, index) => new Promise((done, refuse) => {
    const user_id = `crowd-${String(index).padStart(2, "0")}`;
    const socket = new WebSocket(`${location.origin.replace("http", "ws")}/ws`);
    const say = (frame) => socket.send(JSON.stringify(frame));
    (globalThis.crowdSockets ??= []).push(socket);
    socket.onopen = () => say({ type: "user_online", user_id });
    socket.onerror = () => refuse(new Error(`${user_id}: no line`));
    socket.onmessage = ({ data }) => {
      const frame = JSON.parse(data);
      if (frame.type === "welcome") say({ type: "room_join", id: 1, room_id });
      else if (frame.id === 1) say({ type: "queue_join", id: 2, room_id, note: text, op_id: "j" });
      else if (frame.id === 2) frame.type === "ack" ? done(user_id) : refuse(new Error(`${user_id}: ${data}`));
    };
  });
  const users = [];
  for (const [index, text] of texts.entries()) users.push(await open(text, index));
  return users;
}, [room, notes]);
