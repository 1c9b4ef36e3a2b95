"use strict";
// A click on a column's name sorts the table by it: highest first, then lowest first. Missing values stay last.
for (const table of document.querySelectorAll("table.data")) {
  const body = table.tBodies[0];
  const names = table.tHead ? [...table.tHead.rows[table.tHead.rows.length - 1].cells] : [];
  if (!body || body.rows.length < 2 || table.querySelector("[rowspan], [colspan]")) continue;
  const textOf = (row, column) => row.cells[column].textContent.trim();
  const numberOf = (text) => {
    const found = text.replaceAll(",", "").replaceAll("−", "-").match(/^[<>≤≥]?\s*([+-]?\d+(\.\d+)?(e[+-]?\d+)?)/i);
    return found ? Number(found[1]) : NaN;
  };
  const missing = (text) => text === "" || text === "–";
  names.forEach((name, column) => {
    const sort = () => {
      const down = name.getAttribute("aria-sort") !== "descending";
      const rows = [...body.rows];
      const filled = rows.map((row) => textOf(row, column)).filter((text) => !missing(text));
      const numeric = filled.every((text) => !Number.isNaN(numberOf(text)));
      const before = (one, other) => {
        const [a, b] = [textOf(one, column), textOf(other, column)];
        if (missing(a) || missing(b)) return missing(a) - missing(b);
        const rising = numeric ? numberOf(a) - numberOf(b) : a.localeCompare(b, undefined, { numeric: true });
        return down === numeric ? -rising : rising;
      };
      for (const other of names) other.removeAttribute("aria-sort");
      name.setAttribute("aria-sort", down ? "descending" : "ascending");
      rows.sort(before).forEach((row) => body.append(row));
    };
    name.tabIndex = 0;
    name.classList.add("sorts");
    name.title = "Sort by this column";
    name.addEventListener("click", sort);
    name.addEventListener("keydown", (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        sort();
      }
    });
  });
}
