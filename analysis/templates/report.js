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
  document.getElementById("rows-title").textContent = `${cell.dataset.allocator}, ${column.textContent}: ${cell.firstChild.textContent}`;
  document.getElementById("rows-note").textContent = [column.title, cell.dataset.note ?? cell.title].filter(Boolean).join(" ");
  document.getElementById("rows-list").textContent = cell.dataset.rows.split(" ").join("\n");
  dialog.showModal();
}
for (const cell of document.querySelectorAll("td[data-rows]")) {
  cell.tabIndex = 0;
  cell.setAttribute("role", "button");
  cell.addEventListener("click", () => show(cell));
  cell.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    show(cell);
  });
}
