// Reordering a list by pointer and by keys. A transform places rows, so nothing else moves; what others do meanwhile is shown.

export const ROW = 60;
const EDGE = 36;

/** `view` gives `order()` (user ids) and takes `moved(user, order)` and `changed(text)`, which draws again. */
export class Sorter {
  constructor(view) {
    this.view = view;
    this.user = null;
    this.index = 0;
    this.byKey = false;
    this.y = 0;
    this.grab = 0;
    this.scroll = 0;
  }

  /** The order to show: the queue as it is now, with the lifted person where he hovers. */
  shown() {
    const order = this.view.order();
    if (this.user === null) return order;
    if (!order.includes(this.user)) { this.end(); return order; }
    const rest = order.filter((user) => user !== this.user);
    rest.splice(Math.min(this.index, rest.length), 0, this.user);
    return rest;
  }

  end() {
    cancelAnimationFrame(this.scroll);
    this.user = null;
  }

  drop() {
    const { user } = this;
    if (user === null) return;
    const order = this.shown();
    const same = String(order) === String(this.view.order());
    this.end();
    if (!same) this.view.moved(user, order);
    this.view.changed("");
  }

  cancel() {
    if (this.user === null) return;
    this.end();
    this.view.changed("cancelled");
  }

  handlers() {
    const gripOf = (event) => event.target.closest?.("[data-act=grip]");
    const rowOf = (grip) => grip.closest("li").dataset.user;
    const follow = (list, clientY) => {
      const box = list.getBoundingClientRect();
      this.y = Math.max(-ROW / 3, Math.min(clientY - box.top - this.grab, box.height - ROW * 0.67));
      this.index = Math.max(0, Math.min(Math.round(this.y / ROW), this.view.order().length - 1));
      this.view.changed();
    };
    return {
      onpointerdown: (event) => {
        const grip = gripOf(event);
        if (!grip || event.button !== 0) return;
        const list = event.currentTarget;
        this.user = rowOf(grip);
        this.byKey = false;
        this.index = this.view.order().indexOf(this.user);
        this.grab = event.clientY - list.getBoundingClientRect().top - this.index * ROW;
        this.y = this.index * ROW;
        // The list holds the pointer: a row loses it when it is moved in the document.
        list.setPointerCapture(event.pointerId);
        event.preventDefault();
        grip.focus({ preventScroll: true });
        this.view.changed("lifted");
      },
      onpointermove: (event) => {
        if (this.user === null || this.byKey) return;
        const list = event.currentTarget;
        const { clientY } = event;
        follow(list, clientY);
        const outer = list.parentElement;
        const frame = outer.getBoundingClientRect();
        const speed = clientY < frame.top + EDGE ? -8 : clientY > frame.bottom - EDGE ? 8 : 0;
        cancelAnimationFrame(this.scroll);
        const roll = () => {
          if (this.user === null || !speed) return;
          outer.scrollTop += speed;
          follow(list, clientY);
          this.scroll = requestAnimationFrame(roll);
        };
        if (speed) this.scroll = requestAnimationFrame(roll);
      },
      onpointerup: () => { if (!this.byKey) this.drop(); },
      onpointercancel: () => { if (!this.byKey) this.cancel(); },
      onkeydown: (event) => {
        const grip = gripOf(event);
        if (event.key === "Escape" && this.user !== null) { event.preventDefault(); return this.cancel(); }
        if (!grip) return;
        if (event.key === " " || event.key === "Enter") {
          event.preventDefault();
          if (this.user !== null) return this.drop();
          this.user = rowOf(grip);
          this.byKey = true;
          this.index = this.view.order().indexOf(this.user);
          return this.view.changed("lifted");
        }
        const last = this.view.order().length - 1;
        const step = { ArrowUp: -1, ArrowDown: 1, Home: -last, End: last }[event.key];
        if (step === undefined) return;
        event.preventDefault();
        if (this.user === null) return void neighbour(grip, step)?.focus();
        this.index = Math.max(0, Math.min(last, this.index + step));
        this.view.changed("hovering");
      },
      onfocusout: (event) => { if (this.byKey && this.user !== null && !event.currentTarget.contains(event.relatedTarget) && document.hasFocus()) this.cancel(); },
    };
  }
}

function neighbour(grip, step) {
  const grips = [...grip.closest("ol").querySelectorAll("[data-act=grip]")];
  return grips[Math.max(0, Math.min(grips.length - 1, grips.indexOf(grip) + step))];
}

/** Lets rows glide from where they were; called after each drawing. */
export function glide(list, still) {
  if (!list) return;
  for (const row of list.children) {
    const y = Number(row.style.getPropertyValue("--y").slice(0, -2));
    const before = row.michubY;
    row.michubY = y;
    if (before === undefined || before === y || still || row.classList.contains("drag")) continue;
    row.animate([{ transform: `translateY(${before}px)` }, { transform: `translateY(${y}px)` }], { duration: 240, easing: "cubic-bezier(.2,.8,.2,1)" });
  }
}
