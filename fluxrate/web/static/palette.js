// The palette: Ctrl-K, a few letters, Enter. The server answers the options as HTML; the focus stays in the field, and
// what is chosen is told by aria-activedescendant, as a combobox does.
(function () {
  "use strict";
  const palette = () => document.getElementById("palette");
  const field = () => document.getElementById("palette-text");
  const list = () => document.getElementById("palette-list");
  const options = () => [...list().querySelectorAll("[role=option]")];
  let asking = null;
  let wait = 0;

  function open() {
    if (document.querySelector("dialog[open]")) return;
    palette().showModal();
    field().select();
    ask();
  }

  async function ask() {
    asking?.abort();
    asking = new AbortController();
    try {
      const answer = await fetch(`${palette().dataset.find}?${new URLSearchParams({ q: field().value })}`, { signal: asking.signal });
      if (answer.redirected) return void location.reload();
      if (!answer.ok) throw new Error(String(answer.status));
      show(await answer.text());
    } catch (error) {
      if (error.name !== "AbortError") note("The server did not answer.");
    }
  }

  function note(text) {
    document.getElementById("palette-note").textContent = text;
  }

  function show(html) {
    list().innerHTML = html;
    const count = options().length;
    field().setAttribute("aria-expanded", String(count > 0));
    note(count ? "" : "Nothing has this name.");
    choose(0);
  }

  function choose(index) {
    const all = options();
    const at = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, i) => option.setAttribute("aria-selected", String(i === at)));
    if (at < 0) field().removeAttribute("aria-activedescendant");
    else field().setAttribute("aria-activedescendant", all[at].id);
    all[at]?.scrollIntoView({ block: "nearest" });
  }

  function go(option) {
    if (option) location.assign(option.dataset.href);
  }

  document.addEventListener("keydown", (event) => {
    if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && palette()) {
      event.preventDefault();
      return palette().open ? palette().close() : open();
    }
    if (event.target.id !== "palette-text") return;
    const at = options().findIndex((option) => option.getAttribute("aria-selected") === "true");
    if (event.key === "ArrowDown") choose(at + 1);
    else if (event.key === "ArrowUp") choose(at - 1);
    else if (event.key === "Enter") go(options()[at]);
    else return;
    event.preventDefault();
  });

  document.addEventListener("input", (event) => {
    if (event.target.id !== "palette-text") return;
    clearTimeout(wait);
    wait = setTimeout(ask, 80);
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-palette]")) open();
    else if (event.target === palette()) palette().close();
    else go(event.target.closest("#palette-list [role=option]"));
  });
})();
