"use strict";
// Runs before the page is drawn, so that a chosen theme does not flash.
try {
  const theme = localStorage.getItem("ct2zarr-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch {
  // Storage is off: the theme of the system is used.
}
document.documentElement.classList.add("scripted");
