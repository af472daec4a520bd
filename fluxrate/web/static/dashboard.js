// What only the dashboard needs: a panel that the server never answered says so, and a press on the chart opens the
// events of its bucket, as the table under it does.
(function () {
  "use strict";

  document.addEventListener("htmx:error", (event) => {
    const panel = event.target.closest?.(".panel");
    if (panel) panel.classList.add("panel-lost");
  });

  function open(chart) {
    const rows = document.getElementById(chart.dataset.chart)?.tBodies[0]?.rows;
    const link = chart.dataset.at === undefined ? null : rows?.[Number(chart.dataset.at)]?.querySelector("a");
    if (link) location.assign(link.href);
  }

  // A chart that names its own events opens them itself.
  const CHART = "[data-chart]:not([data-events])";

  document.addEventListener("click", (event) => {
    const chart = event.target.closest(CHART);
    if (chart) open(chart);
  });

  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && event.target.matches(CHART)) open(event.target);
  });
})();
