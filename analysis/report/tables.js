"use strict";

// Tables are sorted by a click on a heading: first rising, then falling, then as they came.
for (const table of document.querySelectorAll("table.sortable")) {
  const body = table.tBodies[0];
  const original = [...body.rows];
  const value = (row, column) => {
    const text = row.cells[column].textContent.trim().replace("−", "-");
    const number = Number.parseFloat(text.replace(/^[^0-9+\-.]+/, ""));
    return [Number.isNaN(number) || !/^[+\-.0-9]/.test(text) ? null : number, text];
  };
  const compare = (column, sign) => (one, other) => {
    const [[a, text], [b, second]] = [value(one, column), value(other, column)];
    if (a === null && b === null) return sign * text.localeCompare(second);
    if (a === null) return 1; // what is no number comes last in either order
    if (b === null) return -1;
    return sign * (a - b);
  };
  table.querySelectorAll("thead button").forEach((button, column) => {
    const heading = button.closest("th");
    button.addEventListener("click", () => {
      const next = { none: "ascending", ascending: "descending", descending: "none" };
      const order = next[heading.getAttribute("aria-sort") || "none"];
      for (const each of table.tHead.rows[0].cells) each.setAttribute("aria-sort", "none");
      heading.setAttribute("aria-sort", order);
      let rows = original;
      if (order !== "none") {
        rows = [...original].sort(compare(column, order === "ascending" ? 1 : -1));
      }
      body.append(...rows);
    });
  });
}
