// Debian's headless Chromium, and windows in it that remember everything that a healthy page never does.
import { chromium } from "playwright-core";
import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";

const candidates = [process.env.MICHUB_CHROMIUM, "/usr/bin/chromium-headless-shell", "/usr/bin/chromium", "/usr/bin/google-chrome"];
const executablePath = candidates.find((path) => path && existsSync(path));
export const shots = fileURLToPath(new URL("shots/", import.meta.url));

/** How long anything may take, in ms: nothing is slower for it, and a busy machine needs some of it. */
const PATIENCE = 60_000;

/** Starts the browser; a missing one fails the run. */
export async function startBrowser() {
  if (!executablePath) throw new Error("no Chromium: install chromium-headless-shell, or name one in MICHUB_CHROMIUM");
  mkdirSync(shots, { recursive: true });
  return chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"], timeout: PATIENCE });
}

/** Opens a window with its own storage. `window.bad` collects console errors, failed scripts and policy reports. */
export async function openWindow(browser, url, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1360, height: 900 }, locale: "en-US", reducedMotion: "reduce", ...options });
  await context.addInitScript(() => {
    globalThis.policyReports = [];
    document.addEventListener("securitypolicyviolation", (event) => globalThis.policyReports.push(`${event.violatedDirective} ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const bad = [];
  page.on("console", (message) => { if (message.type() === "error") bad.push(message.text()); });
  page.on("pageerror", (error) => bad.push(String(error)));
  await page.goto(url);
  return Object.assign(page, { bad, policy: () => page.evaluate(() => globalThis.policyReports), shut: () => context.close() });
}

/** Waits until `probe` gives true; what it gave last stands in the error. */
export async function until(what, probe, ms = PATIENCE) {
  const end = Date.now() + ms;
  for (;;) {
    const last = await probe();
    if (last === true) return;
    if (Date.now() > end) throw new Error(`${what}: not within ${ms} ms; last ${JSON.stringify(last)}`);
    await new Promise((wake) => setTimeout(wake, 25));
  }
}
