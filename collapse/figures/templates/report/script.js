"use strict";
const DATA = JSON.parse(document.getElementById("data").textContent);
const byId = id => document.getElementById(id);
const all = (selector, of = document) => [...of.querySelectorAll(selector)];
const maps = all(".cells").map(svg => ({svg, ...JSON.parse(svg.dataset.map)}));

{% include "sort.js" %}

// The table of the fields: rows beyond the first are in a template, and enter the page when they are scrolled to.
const AT_ONCE = 200;
const table = byId("table"), body = table.tBodies[0], more = byId("more"), search = byId("search");
const rows = [...body.rows, ...(byId("rest")?.content.querySelectorAll("tr") ?? [])];
const rowOf = new Map(rows.map(row => [row.dataset.n, row]));
const textOf = new Map(rows.map(row => [row, `${row.cells[0].dataset.value} ${row.lastElementChild.dataset.value}`.toLowerCase()]));
const boxes = all("input[name=degree]"), degrees = boxes.map(box => box.value);
let matching = rows, shown = AT_ONCE;

// A degree that is typed is that degree: "collapsed" does not mean "partly collapsed".
function parsed(query) {
  let rest = query.toLowerCase(), wanted = [];
  for (const degree of [...degrees].sort((a, b) => b.length - a.length)) {
    const words = new RegExp(`(?<![\\w])${degree}(?![\\w])`);
    if (words.test(rest)) { wanted.push(degree); rest = rest.replace(words, " "); }
  }
  return [rest.split(/\s+/).filter(Boolean), wanted];
}
function draw() {
  body.replaceChildren(...matching.slice(0, shown));
  more.hidden = matching.length <= shown;
  byId("count").textContent = `${matching.length} of ${rows.length} fields`;
}
function filter() {
  const [words, typed] = parsed(search.value);
  const wanted = boxes.filter(box => box.checked).map(box => box.value);
  matching = rows.filter(row => wanted.includes(row.dataset.degree)
    && (!typed.length || typed.includes(row.dataset.degree))
    && words.every(word => textOf.get(row).includes(word)));
  shown = AT_ONCE;
  draw();
}
sortable(table, (column, sign, isText) => { sorted(rows, column, sign, isText); filter(); });
search.addEventListener("input", filter);
boxes.forEach(box => box.addEventListener("change", filter));
more.querySelector("button").addEventListener("click", () => { shown = matching.length; draw(); });
new IntersectionObserver(seen => {
  if (seen[0].isIntersecting && !more.hidden) { shown += AT_ONCE; draw(); }
}, {rootMargin: "600px"}).observe(more);
more.hidden = rows.length <= AT_ONCE;
const changed = byId("changed");
if (changed) {
  const lines = [...changed.tBodies[0].rows];
  sortable(changed, (column, sign, isText) => changed.tBodies[0].append(...sorted(lines, column, sign, isText)));
}

// Downloads. A cell that a spreadsheet would take for a formula gets an apostrophe in front.
function download(name, type, text) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], {type}));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}
const csvCell = value => {
  if (value === null || value === undefined) return "";
  const text = typeof value === "string" && /^[=+\-@\t\r]/.test(value) ? `'${value}` : `${value}`;
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
};
byId("csv").addEventListener("click", () => {
  const last = DATA.checkpoints.at(-1).checkpoint;
  const records = new Map(DATA.fields.filter(each => each.checkpoint === last).map(each => [each.field, each]));
  const chosen = matching.map(row => records.get(row.cells[0].dataset.value));
  const keys = Object.keys(chosen[0] ?? DATA.fields[0]);
  download("fields.csv", "text/csv", [keys, ...chosen.map(each => keys.map(key => each[key]))]
    .map(cells => cells.map(csvCell).join(",")).join("\n") + "\n");
});
byId("json").addEventListener("click", () =>
  download("fields.json", "application/json", JSON.stringify(DATA, null, 2)));

// One field is highlighted everywhere: in the tables, the bars, the spectra and the heatmaps.
const pick = byId("pick"), said = byId("picked");
const nameOf = n => rowOf.get(String(n)).cells[0].dataset.value;
for (const row of [...rows].sort((a, b) => a.cells[0].dataset.value.localeCompare(b.cells[0].dataset.value)))
  pick.add(new Option(row.cells[0].dataset.value, row.dataset.n));
const drawn = new Map();
for (const each of all("[data-n]:not(tr)")) drawn.set(each.dataset.n, [...drawn.get(each.dataset.n) ?? [], each]);
const changedRows = new Map(changed ? [...changed.tBodies[0].rows].map(row => [row.dataset.n, row]) : []);
const marksOf = n => [...drawn.get(n) ?? [], rowOf.get(n), changedRows.get(n)].filter(Boolean);
let held = "", marked = "";
function mark(n) {
  if (n === marked) return;
  for (const on of [false, true]) {
    for (const each of marksOf(on ? n : marked)) {
      each.classList.toggle("picked", on);
      if (each.tagName === "TR") each.querySelector("button.name").setAttribute("aria-pressed", on);
      if (on && each.tagName === "polyline") each.parentElement.append(each);
    }
  }
  marked = n;
  for (const map of maps) cross(map, n);
  said.textContent = n === "" ? "" : rowOf.get(n).lastElementChild.dataset.value;
  pick.value = n;
}
const hold = n => { held = n; mark(n); };
pick.addEventListener("change", () => hold(pick.value));
document.addEventListener("click", event => {
  const button = event.target.closest("button.name");
  if (button) { const n = button.closest("tr").dataset.n; hold(n === held ? "" : n); }
});
document.addEventListener("focusin", event => {
  const button = event.target.closest("button.name");
  if (button) mark(button.closest("tr").dataset.n);
});
document.addEventListener("focusout", event => { if (event.target.closest("button.name")) mark(held); });
document.addEventListener("pointerover", event => {
  const over = event.target.closest("tbody tr[data-n], .bars li");
  mark(over ? over.dataset.n : event.target.closest(".lines, .cells") ? marked : held);
});

// The line nearest to the pointer.
for (const svg of all(".lines")) {
  const lines = all("polyline", svg).map(line => [line.dataset.n,
    line.getAttribute("points").split(" ").filter(Boolean).map(point => point.split(",").map(Number))]);
  const heightAt = (points, x) => {
    const i = points.findIndex(point => point[0] >= x);
    if (i < 0) return Infinity;
    if (i === 0) return points[0][1];
    const [[x0, y0], [x1, y1]] = [points[i - 1], points[i]];
    return y0 + (y1 - y0) * (x - x0) / (x1 - x0 || 1);
  };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const x = 100 * (event.clientX - box.left) / box.width, y = 100 * (event.clientY - box.top) / box.height;
    let best = Infinity, nearest = "";
    for (const [n, points] of lines) {
      const away = Math.abs(heightAt(points, x) - y);
      if (away < best) [best, nearest] = [away, n];
    }
    if (nearest !== "") { mark(nearest); byId("line").textContent = `${nameOf(nearest)}: ${rowOf.get(nearest).lastElementChild.dataset.value}`; }
  });
  svg.addEventListener("click", () => hold(marked === held ? "" : marked));
  svg.addEventListener("pointerleave", () => { mark(held); byId("line").textContent = ""; });
}

// Heatmaps: the pointer or the arrow keys choose a cell.

function cross({svg, numbers}, n) {
  svg.querySelectorAll(".cross").forEach(each => each.remove());
  const i = numbers.indexOf(Number(n)), N = numbers.length;
  if (n === "" || i < 0) return;
  for (const [x, y, width, height] of [[0, i, N, 1], [i, 0, 1, N]]) frame(svg, x, y, width, height);
}
function frame(svg, x, y, width, height) {
  const box = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  Object.entries({x, y}).forEach(([key, value]) => box.setAttribute(key, value));
  box.style.width = `${width}px`;
  box.style.height = `${height}px`;
  box.classList.add("cross");
  svg.append(box);
}
for (const map of maps) {
  const {svg, numbers, ia} = map, N = numbers.length;
  let cell = [0, 0];
  const say = (i, j) => {
    cell = [i, j];
    mark(String(numbers[i]));
    cross(map, numbers[i]);
    frame(svg, j, i, 1, 1);
    const name = k => nameOf(numbers[k]), value = ia[i][j];
    byId("cell").textContent = value === null ? `${name(i)} → ${name(j)}: the model has no such sub-embedding`
      : `${name(i)} as ${name(j)} meets it: information abundance ${value.toFixed(2)}`;
  };
  svg.addEventListener("pointermove", event => {
    const box = svg.getBoundingClientRect();
    const at = (where, start, size) => Math.min(N - 1, Math.max(0, Math.floor(N * (where - start) / size)));
    say(at(event.clientY, box.top, box.height), at(event.clientX, box.left, box.width));
  });
  svg.addEventListener("pointerleave", () => { mark(held); cross(map, held); byId("cell").textContent = ""; });
  svg.addEventListener("keydown", event => {
    const step = {ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1]}[event.key];
    if (!step) return;
    event.preventDefault();
    say(...cell.map((place, side) => Math.min(N - 1, Math.max(0, place + step[side]))));
  });
}
