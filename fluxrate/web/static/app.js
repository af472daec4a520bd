// Small conveniences on top of pages that work without any script. Everything listens on the document, so what htmx swaps
// in needs no second start.
(function () {
  "use strict";
  const root = document.documentElement;

  // Theme: system, light, dark
  const THEMES = { system: "light", light: "dark", dark: "system" };
  const storedTheme = () => root.dataset.theme || "system";

  function showTheme() {
    for (const name of document.querySelectorAll("[data-theme-name]")) name.textContent = storedTheme();
  }

  function nextTheme() {
    const theme = THEMES[storedTheme()];
    if (theme === "system") delete root.dataset.theme;
    else root.dataset.theme = theme;
    try {
      if (theme === "system") localStorage.removeItem("fluxrate-theme");
      else localStorage.setItem("fluxrate-theme", theme);
    } catch {
      // Storage may be forbidden; the choice then lasts for this page.
    }
    showTheme();
  }

  // Copy: the clipboard API exists only on https and localhost, so a plain http address falls back to a selection.
  async function copy(button) {
    const text = button.dataset.copy;
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copySelected(text);
    button.dataset.copied = "";
    setTimeout(() => delete button.dataset.copied, 1200);
  }

  function copySelected(text) {
    const box = document.createElement("textarea");
    box.value = text;
    box.className = "sr";
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }

  function closeMenus(except) {
    for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
  }

  document.addEventListener("click", (event) => {
    const at = event.target;
    closeMenus(at.closest("details.menu"));
    if (at.closest("[data-theme-switch]")) nextTheme();
    const button = at.closest("[data-copy]");
    if (button) return void copy(button);
    if (at.closest("[data-close]")) at.closest("dialog").close();
    const row = at.closest("tr[data-row]");
    if (row && !at.closest("a, button, label, input") && !String(getSelection())) row.querySelector("input").click();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-autosubmit]")) event.target.form.requestSubmit();
  });

  // Keys
  const PLACES = { d: "[data-place=dashboard]", l: "[data-place=logs]", h: "[data-place=health]", a: "[data-place=audit]" };
  let leader = 0;

  function typing(at) {
    return at.closest("input, select, textarea, [contenteditable]");
  }

  function press(event) {
    if (event.key === "Escape") return closeMenus(null);
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const chart = event.target.closest("[data-chart]");
    if (chart && readKey(chart, event.key)) return event.preventDefault();
    if (typing(event.target) || document.querySelector("dialog[open]")) return;
    if (event.key === "/") {
      const search = document.querySelector("[data-search]");
      if (!search) return void location.assign(`${document.querySelector(PLACES.l).href}#customer_id`);
      const fold = document.getElementById("show-filters");
      if (fold) fold.checked = true;
      search.focus();
      search.select();
      event.preventDefault();
    } else if (event.key === "?") document.getElementById("keys")?.showModal();
    else if (event.key === "g") leader = event.timeStamp;
    else if (PLACES[event.key] && leader && event.timeStamp - leader < 1500) document.querySelector(PLACES[event.key])?.click();
    if (event.key !== "g") leader = 0;
  }

  document.addEventListener("keydown", press);

  // Charts: the readout shows what the chart's own table says, so the two can never differ.
  const tableOf = (chart) => document.getElementById(chart.dataset.chart);

  function read(chart, index) {
    const rows = tableOf(chart)?.tBodies[0]?.rows;
    const ys = chart.dataset.ys.split(" ");
    if (!rows?.length) return;
    const i = Math.max(0, Math.min(ys.length - 1, index));
    chart.dataset.at = i;
    const plot = chart.querySelector(".chart-plot").getBoundingClientRect();
    const box = chart.getBoundingClientRect();
    const share = ys.length === 1 ? 0.5 : i / (ys.length - 1);
    place(chart, share, ys[i]);
    write(chart, rows[i], plot.left - box.left + share * plot.width, box.width);
  }

  function place(chart, share, y) {
    const x = `${share * 100}%`;
    const cursor = chart.querySelector(".chart-cursor");
    const spot = chart.querySelector(".chart-spot");
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    spot.setAttribute("cx", x);
    spot.setAttribute("cy", y || -99);
    chart.classList.add("chart-reading");
  }

  function write(chart, row, x, width) {
    const readout = chart.querySelector(".chart-readout");
    const lines = [...row.cells].map((cell, i) => {
      const line = document.createElement(i === 1 ? "b" : "span");
      line.textContent = cell.dataset.read || cell.textContent.trim();
      return line;
    });
    readout.replaceChildren(...lines);
    readout.hidden = false;
    const room = readout.offsetWidth;
    const left = x + 12 + room > width ? x - 12 - room : x + 12;
    readout.style.left = `${Math.max(0, left)}px`;
  }

  function stopReading(chart) {
    chart.classList.remove("chart-reading");
    chart.querySelector(".chart-readout").hidden = true;
    delete chart.dataset.at;
  }

  function readKey(chart, key) {
    const last = chart.dataset.ys.split(" ").length - 1;
    const at = chart.dataset.at === undefined ? last + 1 : Number(chart.dataset.at);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[key];
    if (next === undefined) return false;
    read(chart, next);
    return true;
  }

  document.addEventListener("pointermove", (event) => {
    const chart = event.target.closest?.("[data-chart]");
    for (const other of document.querySelectorAll(".chart-reading")) {
      if (other !== chart && other !== document.activeElement) stopReading(other);
    }
    if (!chart) return;
    const plot = chart.querySelector(".chart-plot").getBoundingClientRect();
    const count = chart.dataset.ys.split(" ").length;
    read(chart, Math.round(((event.clientX - plot.left) / plot.width) * (count - 1)));
  });

  document.addEventListener("focusout", (event) => {
    const chart = event.target.closest?.("[data-chart]");
    if (chart) stopReading(chart);
  });

  // What htmx swapped in, or could not
  function markFields() {
    for (const note of document.querySelectorAll(".field .note")) {
      const input = note.parentElement.querySelector(".input");
      if (note.classList.contains("note-bad")) input?.setAttribute("aria-invalid", "true");
      else input?.removeAttribute("aria-invalid");
    }
  }

  document.addEventListener("htmx:after:swap", () => {
    showTheme();
    markFields();
  });

  document.addEventListener("htmx:error", () => {
    const notice = document.getElementById("stale");
    if (!notice) return;
    notice.textContent = "The server did not answer, so the list below is the one from before. Change a filter to try again.";
    notice.hidden = false;
  });

  document.addEventListener("DOMContentLoaded", () => {
    showTheme();
    document.querySelector(".tab[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    if (location.hash === "#customer_id") document.getElementById("customer_id")?.focus();
  });
})();
