// On a phone, rows of a table become cards: each cell is named by its column, and roles tell screen
// readers that it is a table still. Written into each of 40,000 cells, this would take 1.6 MB.
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
