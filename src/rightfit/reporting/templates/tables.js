// Tables: leaderboards sort by a click on a head and show the lines beyond the fifth; on a phone, rows
// become cards whose cells are named by their columns, and roles keep them tables to screen readers.
"use strict";

for (const table of document.querySelectorAll(".table table")) {
  const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
  table.setAttribute("role", "table");
  for (const part of [table.tHead, ...table.tBodies]) part.setAttribute("role", "rowgroup");
  for (const row of table.rows) {
    row.setAttribute("role", "row");
    [...row.cells].forEach((cell, i) => {
      cell.setAttribute("role", cell.tagName === "TH" ? "columnheader" : "cell");
      cell.dataset.label = titles[i];
    });
  }
}

for (const table of document.querySelectorAll(".leaderboard")) {
  const heads = [...table.tHead.rows[0].cells];
  const valueOf = (row, column) => {
    const { order } = row.cells[column].dataset;
    if (order === undefined) return row.cells[column].textContent;
    return order === "None" ? Infinity : Number(order);
  };
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const rising = head.getAttribute("aria-sort") !== "ascending";
    heads.forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", rising ? "ascending" : "descending");
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [valueOf(a, column), valueOf(b, column)];
      return (x > y ? 1 : x < y ? -1 : 0) * (rising ? 1 : -1);
    });
    const isOpen = !table.querySelector("[hidden]");
    rows.forEach((row, i) => { row.hidden = !isOpen && i >= 5; });
    table.tBodies[0].replaceChildren(...rows);
  }));
}

for (const button of document.querySelectorAll(".more")) {
  button.addEventListener("click", () => {
    button.closest(".board").querySelectorAll("tr[hidden]").forEach((row) => { row.hidden = false; });
    button.remove();
  });
}
