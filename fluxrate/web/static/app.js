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
    document.dispatchEvent(new CustomEvent("fluxrate:theme"));
  }

  // Copy: the clipboard API exists only on https and localhost, so a plain http address falls back to a selection.
  async function copy(button) {
    const text = button.dataset.copy;
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else copySelected(text);
    button.dataset.copied = "";
    say("Copied.");
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

  // Toasts: what was done, said once and then gone. The server sends one as <p hx-swap-oob="beforeend:#toasts">.
  function say(text) {
    const line = document.createElement("p");
    line.textContent = text;
    document.getElementById("toasts")?.append(line);
    fade();
  }

  function fade() {
    for (const line of document.querySelectorAll("#toasts > :not([data-fading])")) {
      line.dataset.fading = "";
      setTimeout(() => line.remove(), 6000);
    }
  }

  document.addEventListener("fluxrate:say", (event) => say(event.detail));

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
  const PLACES = {
    d: "[data-place=dashboard]",
    l: "[data-place=logs]",
    m: "[data-place=meters]",
    c: "[data-place=customers]",
    r: "[data-place=revenue]",
    h: "[data-place=health]",
    a: "[data-place=audit]",
  };
  let leader = 0;

  function typing(at) {
    return at.closest("input, select, textarea, [contenteditable]");
  }

  function press(event) {
    if (event.key === "Escape") {
      // The focus would be lost with what holds it.
      event.target.closest("details.menu[open]")?.querySelector("summary").focus();
      return closeMenus(null);
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.defaultPrevented) return;
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

  // What htmx swapped in, or could not
  function markFields() {
    for (const note of document.querySelectorAll(".field .note")) {
      const input = note.parentElement.querySelector(".input");
      if (note.classList.contains("note-bad")) input?.setAttribute("aria-invalid", "true");
      else input?.removeAttribute("aria-invalid");
    }
  }

  document.addEventListener("htmx:after:swap", () => {
    fade();
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
    fade();
    document.querySelector(".tab[aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
    if (location.hash === "#customer_id") document.getElementById("customer_id")?.focus();
  });
})();
