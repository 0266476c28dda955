// Reordering a list by pointer and by keys. The list element holds the pointer, since rows are redrawn and moved under it.

/** `move(user, place)` is asked for a place named by a neighbour, an end or a step. */
export function makeSortable(list, move) {
  let row = null;

  const rows = () => [...list.querySelectorAll("li[data-user]")];

  function lift(event) {
    const grip = event.target.closest(".grip");
    if (!grip || event.button !== 0) return;
    row = grip.closest("li");
    row.classList.add("lifted");
    list.setPointerCapture(event.pointerId);
    event.preventDefault();
  }

  function drag(event) {
    if (!row) return;
    const over = rows().find((other) => {
      const box = other.getBoundingClientRect();
      return other !== row && event.clientY > box.top && event.clientY < box.bottom;
    });
    if (!over) return;
    const down = over.compareDocumentPosition(row) & Node.DOCUMENT_POSITION_PRECEDING;
    over[down ? "after" : "before"](row);
  }

  function drop() {
    if (!row) return;
    const { user } = row.dataset;
    const next = row.nextElementSibling?.dataset.user;
    const before = row.previousElementSibling?.dataset.user;
    row.classList.remove("lifted");
    row = null;
    if (next) move(user, { before: next });
    else if (before) move(user, { after: before });
  }

  function key(event) {
    const grip = event.target.closest(".grip");
    const place = { ArrowUp: { up: 1 }, ArrowDown: { down: 1 }, Home: "front", End: "back" }[event.key];
    if (!grip || !place) return;
    event.preventDefault();
    move(grip.closest("li").dataset.user, place);
  }

  list.addEventListener("pointerdown", lift);
  list.addEventListener("pointermove", drag);
  list.addEventListener("pointerup", drop);
  list.addEventListener("pointercancel", drop);
  list.addEventListener("keydown", key);
  return { get dragging() { return row !== null; } };
}
