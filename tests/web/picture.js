// Pictures for a person to look at: `picture` writes docs/demo.png; `shots` every look of the page into an ignored folder.
import { fileURLToPath } from "node:url";
import { openWindow, shots, startBrowser } from "./browser.js";
import { settled } from "./demo.js";
import { startHub } from "./hub.js";

const desktop = { width: 1360, height: 920 };
const phone = { width: 390, height: 844 };
const readme = fileURLToPath(new URL("../../docs/demo.png", import.meta.url));
const all = process.argv.includes("all");

const [hub, browser] = await Promise.all([startHub(), startBrowser()]);
try {
  const looks = all
    ? [["desktop", desktop], ["phone", phone]].flatMap(([size, viewport]) => ["light", "dark"].flatMap((colorScheme) => ["en-US", "zh-CN"].map((locale) => (
      { path: `${shots}${size}-${colorScheme}-${locale.slice(0, 2)}.png`, fullPage: true, viewport, colorScheme, locale }))))
    : [{ path: readme, fullPage: false, viewport: { ...desktop, height: 780 }, colorScheme: "light", locale: "en-US" }];
  for (const { path, fullPage, ...options } of looks) {
    const page = await openWindow(browser, `${hub.url}/?room=${all ? encodeURIComponent(path.split("/").at(-1)) : "lobby"}&calm`, options);
    await settled(page, 3);
    await page.locator("#seats .speaks").waitFor();
    await page.waitForTimeout(300);
    await page.screenshot({ path, fullPage });
    await page.shut();
    console.log(path);
  }
} finally {
  await browser.close();
  await hub.stop();
}
