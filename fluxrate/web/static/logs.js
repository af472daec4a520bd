// What the Usage Logs do beside htmx: one more empty field for metadata, and when not to ask for news.
(function () {
  "use strict";

  document.addEventListener("input", (event) => {
    const box = event.target.closest("[data-several]");
    const last = box?.querySelector("input:last-of-type");
    if (!last || event.target !== last || !last.value) return;
    const more = last.cloneNode();
    more.value = "";
    more.removeAttribute("id");
    more.placeholder = "and key=value";
    more.setAttribute("aria-label", "Further metadata");
    last.after(more);
  });

  // A list that is being read stands still: while a row is open, text is selected, or nobody looks at the page.
  document.addEventListener("htmx:before:request", (event) => {
    const news = event.target;
    if (news.id !== "news") return;
    const reading = document.querySelector("#results .open input:checked") || String(getSelection());
    const paused = "follows" in news.dataset && reading;
    const said = news.querySelector(".following");
    if (said) {
      said.textContent = paused ? "Paused while you read" : "Following new events";
      said.toggleAttribute("data-paused", Boolean(paused));
    }
    if (document.hidden || paused) event.preventDefault();
  });
})();
