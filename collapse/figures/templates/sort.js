// Sorting a table: missing values come last in both directions.
const sorted = (rows, column, sign, isText) => {
  const value = row => row.cells[column].dataset.value;
  return rows.sort((a, b) => (value(a) === "") - (value(b) === "")
    || sign * (isText ? value(a).localeCompare(value(b)) : value(a) - value(b)));
};
function sortable(table, order) {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
    const sign = head.getAttribute("aria-sort") === "ascending" ? -1 : 1;
    heads.forEach(other => other.hasAttribute("aria-sort") && other.setAttribute("aria-sort", "none"));
    head.setAttribute("aria-sort", sign > 0 ? "ascending" : "descending");
    order(column, sign, head.classList.contains("text"));
  }));
}
