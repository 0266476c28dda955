// A page as a function of its state: `h` describes an element, `render` makes the document agree with as few changes as it can. Plus the icons, and what the page remembers.

const SVG = new Set(["svg", "path", "circle", "polyline", "line", "g"]);

/** Describes an element. Properties: `key`, `class`, `vars` (custom CSS properties), `on…`, and anything else as an attribute; false and null are left out. */
export const h = (tag, props, ...children) => ({ tag, props: props ?? {}, children });

function set(node, name, value, before) {
  if (name === "key") return;
  if (name.startsWith("on")) { node[name] = value ?? null; return; }
  if (name === "vars") {
    for (const [key, each] of Object.entries(value ?? {})) if (before?.[key] !== each) node.style.setProperty(key, each);
    return;
  }
  if (value === before) return;
  if (name === "value" || name === "checked" || name === "selected" || name === "indeterminate") { node[name] = value; return; }
  if (value === false || value === null || value === undefined) node.removeAttribute(name);
  else node.setAttribute(name, value === true ? "" : value);
}

function update(node, { props, children }) {
  const before = node.michub ?? {};
  for (const name of Object.keys(before)) if (!(name in props)) set(node, name, null, before[name]);
  for (const [name, value] of Object.entries(props)) set(node, name, value, before[name]);
  node.michub = props;
  render(node, children);
}

const make = ({ tag }) => (SVG.has(tag) ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag));

/** Makes `parent` hold exactly these children; elements with the same key are kept, so that focus and animations survive. */
export function render(parent, given) {
  const children = given.flat(3).filter((child) => child !== null && child !== undefined && child !== false && child !== "");
  const old = new Map();
  [...parent.childNodes].forEach((node, index) => old.set(node.michubKey ?? `?${index}`, node));
  children.forEach((child, index) => {
    const text = typeof child !== "object";
    const key = text ? `#${index}` : child.props.key !== undefined ? `=${child.props.key}` : `${child.tag}${index}`;
    let node = old.get(key);
    old.delete(key);
    if (!node) {
      node = text ? document.createTextNode(child) : make(child);
      node.michubKey = key;
    } else if (text && node.data !== String(child)) node.data = child;
    if (parent.childNodes[index] !== node) {
      const where = parent.childNodes[index] ?? null;
      if (parent.moveBefore && node.parentNode === parent) parent.moveBefore(node, where);
      else parent.insertBefore(node, where);
    }
    if (!text) update(node, child);
  });
  for (const node of old.values()) node.remove();
}

const PATHS = {
  mic: "M12 3a3 3 0 0 1 3 3v5a3 3 0 0 1-6 0V6a3 3 0 0 1 3-3zM5.5 11a6.5 6.5 0 0 0 13 0M12 17.5V21M9 21h6",
  micOff: "M4 4l16 16M9 9v2a3 3 0 0 0 4.8 2.4M15 11V6a3 3 0 0 0-5.8-1M5.5 11a6.5 6.5 0 0 0 10.4 5.2M18.5 11a6.4 6.4 0 0 1-.5 2.5M12 17.5V21M9 21h6",
  lock: "M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 0 1 7 0v3",
  unlock: "M6 11h12v9H6zM8.5 11V7.5a3.5 3.5 0 0 1 6.8-1.2",
  pause: "M8.5 5.5v13M15.5 5.5v13",
  play: "M8 5l11 7-11 7z",
  next: "M6 5l9 7-9 7zM18 5v14",
  up: "M12 19V5M6 11l6-6 6 6",
  down: "M12 5v14M6 13l6 6 6-6",
  dots: "M5 12h.01M12 12h.01M19 12h.01",
  x: "M6 6l12 12M18 6L6 18",
  check: "M4.5 12.5l5 5 10-11",
  grip: "M9 6h.01M15 6h.01M9 12h.01M15 12h.01M9 18h.01M15 18h.01",
  bolt: "M13 3L5 14h6l-1 7 8-11h-6z",
  plus: "M12 5v14M5 12h14",
  clock: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 8v4.5l3 1.8",
  pin: "M9 4h6l-.8 6 3.3 3.5H6.5L9.8 10zM12 13.5V20",
  star: "M12 4l2.4 5 5.6.7-4.1 3.8 1.1 5.5L12 16.3 7 19l1.1-5.5L4 9.7 9.6 9z",
  shield: "M12 3.5l7 2.5v5.5c0 4.5-3 7.5-7 9-4-1.5-7-4.5-7-9V6z",
  theme: "M12 4a8 8 0 1 0 8 8 6 6 0 0 1-8-8z",
  window: "M4 5h10v10H4zM10 15v4h10V9h-6",
  sliders: "M5 7h8M17 7h2M5 12h2M11 12h8M5 17h10M19 17h0M15 5v4M9 10v4M17 15v4",
  sort: "M5 7h14M5 12h9M5 17h4",
  undo: "M9 6L4.5 10.5 9 15M5 10.5h9a5 5 0 0 1 0 10h-3",
  hand: "M8 12V6.5a1.5 1.5 0 0 1 3 0V11M11 10.5v-6a1.5 1.5 0 0 1 3 0V11M14 10.5V6a1.5 1.5 0 0 1 3 0v8a6.5 6.5 0 0 1-6.5 6.5c-3 0-4.5-1.5-6.5-5.5l-.9-2a1.4 1.4 0 0 1 2.4-1.3L8 13.5",
  book: "M5 5.5A2.5 2.5 0 0 1 7.5 3H19v15H7.5A2.5 2.5 0 0 0 5 20.5zM5 20.5A2.5 2.5 0 0 0 7.5 21H19M9 7.5h6",
  info: "M12 4a8 8 0 1 1 0 16 8 8 0 0 1 0-16zM12 11v5M12 8h.01",
};

/** A line icon; decoration only, so it is hidden from screen readers. */
export const icon = (name, size = 20) => h("svg", { class: `icon i-${name}`, viewBox: "0 0 24 24", width: size, height: size, "aria-hidden": "true" }, h("path", { d: PATHS[name] }));

/** A button that shows an icon and says `label`. */
export const iconButton = (name, label, onclick, props = {}) => h("button", { type: "button", title: label, "aria-label": label, onclick, ...props, class: `ib ${props.class ?? ""}` }, icon(name));

export const button = (label, onclick, props = {}, ...inside) => h("button", { type: "button", onclick, ...props }, ...inside, h("span", null, label));

/** A countdown as m:ss. */
export const clock = (ms) => { const s = Math.max(0, Math.ceil(ms / 1000)); return `${Math.floor(s / 60)}:${String(s % 60).padStart(2, "0")}`; };

/** What is remembered of the user; where a browser keeps nothing, as long as the page lives. */
const own = new Map();
const drawer = (storage) => ({
  get(name) { try { return storage().getItem(name); } catch { return own.get(name) ?? null; } },
  set(name, value) { try { storage().setItem(name, value); } catch { own.set(name, value); } },
});

export const memory = drawer(() => localStorage);
/** For this window alone. */
export const windowMemory = drawer(() => sessionStorage);
