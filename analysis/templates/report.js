"use strict";
// Tables are sorted by their column heads; a figure shows the rows it was made of.
function number(cell) {
  const value = cell.dataset.value;
  return value === undefined ? Infinity : Number(value);
}
function sort(table, index, head) {
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const lines = [...table.tBodies[0].rows].sort((a, b) => {
    const [x, y] = [a.cells[index], b.cells[index]];
    if (index === 0) return x.textContent.localeCompare(y.textContent) * (down ? -1 : 1);
    const [m, n] = [number(x), number(y)];
    if (m === n) return 0;
    return m === Infinity || n === Infinity ? (m < n ? -1 : 1) : (m - n) * (down ? -1 : 1); // what is missing stays last
  });
  table.tBodies[0].append(...lines);
}
for (const table of document.querySelectorAll("table.sortable"))
  for (const [index, head] of [...table.tHead.rows[0].cells].entries())
    head.querySelector("button").addEventListener("click", () => sort(table, index, head));
const dialog = document.getElementById("rows");
function show(cell) {
  const column = cell.closest("table").tHead.rows[0].cells[cell.cellIndex];
  const [title, unit] = column.querySelector("button").childNodes;
  document.getElementById("rows-title").textContent =
    `${cell.dataset.allocator}, ${title.textContent} [${unit.textContent}]: ${cell.querySelector("button").firstChild.textContent}`;
  document.getElementById("rows-note").textContent = [column.title, cell.dataset.note ?? cell.title].filter(Boolean).join(" ");
  document.getElementById("rows-list").textContent = cell.dataset.rows;
  dialog.showModal();
}
// Figures become buttons. The tab key stops at one of each table, arrow keys lead from there to the others.
function step(cell, key) {
  const line = cell.parentElement;
  if (key === "ArrowLeft" || key === "ArrowRight") {
    const on = (at) => (key === "ArrowLeft" ? at.previousElementSibling : at.nextElementSibling);
    for (let at = on(cell); at; at = on(at)) if (at.dataset.rows) return at;
  } else {
    const on = (at) => (key === "ArrowUp" ? at.previousElementSibling : at.nextElementSibling);
    for (let at = on(line); at; at = on(at)) if (at.cells[cell.cellIndex].dataset.rows) return at.cells[cell.cellIndex];
  }
  return null;
}
for (const table of document.querySelectorAll("table.sortable")) {
  let stop = null;
  for (const cell of table.querySelectorAll("td[data-rows]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.tabIndex = stop ? -1 : 0;
    stop ??= button;
    button.append(...cell.childNodes);
    cell.append(button);
    cell.addEventListener("click", () => show(cell));
  }
  table.addEventListener("focusin", (event) => {
    if (!event.target.closest("td")) return;
    stop.tabIndex = -1;
    stop = event.target;
    stop.tabIndex = 0;
  });
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td[data-rows]");
    if (!cell || !event.key.startsWith("Arrow")) return;
    event.preventDefault();
    step(cell, event.key)?.querySelector("button").focus();
  });
}
