// The theme's headings of the sidebar lack a level, and its scrolling blocks cannot be reached with the keyboard.
document.addEventListener("DOMContentLoaded", () => {
  for (const head of document.querySelectorAll("p.caption[role=heading]")) head.setAttribute("aria-level", "2");
  for (const block of document.querySelectorAll(".highlight pre, .table-wrapper, .cell_output")) block.tabIndex = 0;
  document.querySelector("aside.sidebar-drawer")?.setAttribute("aria-label", "Pages");
  document.querySelector("aside.toc-drawer")?.setAttribute("aria-label", "On this page");
});
