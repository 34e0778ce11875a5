// Tables that are sorted by a click on a heading.
"use strict";

function sortTable(table, column, ascending) {
  const value = (row) => {
    const cell = row.cells[column];
    return "value" in cell.dataset ? Number(cell.dataset.value) : cell.textContent;
  };
  const compare = (a, b) => {
    const [x, y] = [value(a), value(b)];
    if (typeof x === "string") return x.localeCompare(y);
    if (Number.isNaN(x) || Number.isNaN(y)) return 0; // handled below: unknown values stay last
    return x - y;
  };
  const unknown = (row) => Number.isNaN(value(row));
  const rows = [...table.tBodies[0].rows];
  rows.sort((a, b) => unknown(a) - unknown(b) || (ascending ? compare(a, b) : compare(b, a)));
  table.tBodies[0].append(...rows);
  for (const heading of table.tHead.rows[0].cells) heading.removeAttribute("aria-sort");
  table.tHead.rows[0].cells[column].setAttribute("aria-sort", ascending ? "ascending" : "descending");
}

for (const table of document.querySelectorAll("table.sortable")) {
  [...table.tHead.rows[0].cells].forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      // Numbers are most often wanted highest first, names from A to Z.
      const numeric = table.tBodies[0].rows[0]?.cells[column].classList.contains("number");
      const sorted = heading.getAttribute("aria-sort");
      sortTable(table, column, sorted ? sorted === "descending" : !numeric);
    });
  });
}
