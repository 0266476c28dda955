// What the page remembers of its user: theme, language, a tour that is over. Where a browser keeps nothing, or keeps it from the page, it is remembered as long as the page lives.
const own = new Map();

/** A drawer that never throws; `open` gives the browser's storage, which may. */
const drawer = (open) => ({
  get(name) { try { return open().getItem(name) ?? own.get(name) ?? null; } catch { return own.get(name) ?? null; } },
  set(name, value) {
    own.set(name, value);
    try { open().setItem(name, value); } catch { /* full, or forbidden */ }
  },
});

/** For every window of this browser. */
export const memory = drawer(() => localStorage);
/** For this window alone. */
export const windowMemory = drawer(() => sessionStorage);
