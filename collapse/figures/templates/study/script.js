"use strict";
const all = (selector, of = document) => [...of.querySelectorAll(selector)];

{% include "sort.js" %}

for (const table of all("table.sortable")) {
  const lines = [...table.tBodies[0].rows];
  sortable(table, (column, sign, isText) => table.tBodies[0].append(...sorted(lines, column, sign, isText)));
}

// Findings with the verdicts that are ticked.
const boxes = all("input[name=verdict]");
boxes.forEach(box => box.addEventListener("change", () => {
  const wanted = boxes.filter(each => each.checked).map(each => each.value);
  for (const finding of all("[data-verdict]")) finding.hidden = !wanted.includes(finding.dataset.verdict);
}));

// A figure opens from its thumbnail, and from a link to it.
const open = name => {
  const dialog = document.getElementById(name);
  if (dialog?.tagName !== "DIALOG" || dialog.open) return;
  all("dialog[open]").forEach(each => each.close());
  dialog.showModal();
};
for (const button of all("[data-open]")) button.addEventListener("click", () => { location.hash = button.dataset.open; open(button.dataset.open); });
for (const dialog of all("dialog")) {
  dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });
  dialog.addEventListener("close", () => { if (location.hash === `#${dialog.id}`) history.replaceState(null, "", location.pathname + location.search); });
}
// A link out of an open figure closes it.
const follow = () => {
  const name = decodeURIComponent(location.hash.slice(1));
  if (document.getElementById(name)?.tagName === "DIALOG") open(name);
  else if (name) all("dialog[open]").forEach(each => { each.close(); document.getElementById(name)?.scrollIntoView(); });
};
addEventListener("hashchange", follow);
follow();
