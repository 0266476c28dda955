// A hub, a browser and fresh rooms for tests of the page; every test file has its own.
import assert from "node:assert/strict";
import { after, before } from "node:test";
import { openWindow, startBrowser } from "./browser.js";
import { settled } from "./demo.js";
import { startHub } from "./hub.js";

/** Starts hub and browser before the file's tests, ends them after. */
export function house(env) {
  const home = { hub: null, browser: null, rooms: 0 };
  // One after the other: a hub that does not start leaves no browser that keeps the run from ending.
  before(async () => {
    home.hub = await startHub(env);
    home.browser = await startBrowser();
  });
  after(async () => { await home.browser?.close(); await home.hub?.stop(); });
  /** Opens a fresh room in one window; gives the window, the room, who waits, and `again` for further windows of it. */
  home.fresh = async (options) => {
    const room = `r${++home.rooms}`;
    const address = (more = "") => `${home.hub.url}/?room=${room}&calm${more}`;
    const page = await openWindow(home.browser, address(), options);
    return { room, page, waiting: await settled(page, 3), again: (more) => openWindow(home.browser, address(more)) };
  };
  return home;
}

/** Nothing in the console, nothing that the policy refused; closes the windows. */
export async function healthy(...pages) {
  for (const page of pages) {
    assert.deepEqual(page.bad, []);
    assert.deepEqual(await page.policy(), []);
    await page.shut();
  }
}
