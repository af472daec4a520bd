// Charts that are read out, zoomed and saved. The server's SVG is the picture without script, in print and in a download;
// a chart that carries data is drawn again by uPlot, which is fetched only then.
(function () {
  "use strict";
  const { uplot: SCRIPT, uplotCss: STYLE } = document.currentScript.dataset;
  const live = new Map();
  const tableOf = (chart) => document.getElementById(chart.dataset.chart);
  const countOf = (chart) => chart.dataset.ys.split(" ").length;

  // Where bucket i stands, as a share of the plot's width: lines reach both ends, a bar has the middle of its band.
  function shareOf(chart, i) {
    const count = countOf(chart);
    if ("band" in chart.dataset) return (i + 0.5) / count;
    return count === 1 ? 0.5 : i / (count - 1);
  }

  function nearest(chart, share) {
    const count = countOf(chart);
    const i = "band" in chart.dataset ? Math.floor(share * count) : Math.round(share * (count - 1));
    return Math.max(0, Math.min(count - 1, i));
  }

  const plotOf = (chart) => (live.get(chart)?.plot.over || chart.querySelector(".chart-plot")).getBoundingClientRect();

  // The columns of a chart's table that are drawn in a colour: those that say so, else all of them in their order
  function coloursOf(chart) {
    const heads = [...(tableOf(chart)?.tHead.rows[0].cells || [])];
    const said = heads.some((cell) => cell.dataset.series);
    return heads
      .map((cell, column) => ({ column, name: cell.textContent, colour: said ? cell.dataset.series : `series-${column}` }))
      .filter(({ column, colour }) => column && colour);
  }

  // Reading: the texts come from the server, in the chart's data or in the cells of its table
  function linesOf(chart, i) {
    const data = live.get(chart)?.data;
    if (!data) {
      const row = tableOf(chart)?.tBodies[0]?.rows[i];
      return [...(row?.cells || [])].map((cell) => cell.dataset.read || cell.textContent.trim());
    }
    const events = `${data.events[i]} ${data.events[i] === "1" ? "event" : "events"}`;
    const lines = [data.periods[i] + (data.states[i] ? ` (${data.states[i]})` : ""), data.texts[i], events];
    if (i < data.before.texts.length) lines.push(`Before: ${data.before.texts[i]}, ${data.before.periods[i]}`);
    return lines;
  }

  function read(chart, i) {
    const lines = linesOf(chart, i);
    if (!lines.length) return;
    chart.dataset.at = i;
    const plot = plotOf(chart);
    const x = shareOf(chart, i) * plot.width;
    const drawn = live.get(chart);
    if (drawn) drawn.plot.setCursor({ left: x, top: 0 }, false);
    else place(chart, i);
    write(chart, lines, plot.left - chart.getBoundingClientRect().left + x);
  }

  function place(chart, i) {
    const x = `${shareOf(chart, i) * 100}%`;
    const cursor = chart.querySelector(".chart-cursor");
    const spot = chart.querySelector(".chart-spot");
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    spot.setAttribute("cx", x);
    spot.setAttribute("cy", chart.dataset.ys.split(" ")[i] || -99);
    chart.classList.add("chart-reading");
  }

  function write(chart, lines, x) {
    const readout = chart.querySelector(".chart-readout");
    readout.replaceChildren(
      ...lines.map((text, i) => {
        const line = document.createElement(i === 1 ? "b" : "span");
        line.textContent = text;
        return line;
      }),
    );
    readout.hidden = false;
    const left = x + 12 + readout.offsetWidth > chart.clientWidth ? x - 12 - readout.offsetWidth : x + 12;
    readout.style.left = `${Math.max(0, left)}px`;
  }

  function stopReading(chart) {
    chart.classList.remove("chart-reading");
    chart.querySelector(".chart-readout").hidden = true;
    live.get(chart)?.plot.setCursor({ left: -10, top: -10 }, false);
    delete chart.dataset.at;
  }

  document.addEventListener("pointermove", (event) => {
    const chart = event.target.closest?.("[data-chart]");
    for (const other of document.querySelectorAll("[data-chart][data-at]")) {
      if (other !== chart && other !== document.activeElement) stopReading(other);
    }
    if (!chart) return;
    const plot = plotOf(chart);
    read(chart, nearest(chart, (event.clientX - plot.left) / plot.width));
  });

  document.addEventListener("focusout", (event) => {
    const chart = event.target.closest?.("[data-chart]");
    if (chart) stopReading(chart);
  });

  // Before the page's own keys: a chart with the focus takes the arrows
  document.addEventListener("keydown", (event) => {
    const chart = event.target.closest?.("[data-chart]");
    if (!chart || event.ctrlKey || event.metaKey || event.altKey) return;
    const last = countOf(chart) - 1;
    const at = chart.dataset.at === undefined ? last + 1 : Number(chart.dataset.at);
    const next = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last }[event.key];
    if (event.key === "Enter" && at <= last) "band" in chart.dataset ? tableOf(chart)?.tBodies[0]?.rows[at]?.querySelector("a")?.click() : openEvents(chart, at);
    else if (next !== undefined) read(chart, Math.max(0, Math.min(last, next)));
    else return;
    event.preventDefault();
  });

  // A window is an address: a drag looks closer, a press on a point opens its events
  function go(address, first, last) {
    const url = new URL(address, location.href);
    for (const name of ["group_by", "page", "as_of"]) url.searchParams.delete(name);
    url.searchParams.set("start_date", first);
    url.searchParams.set("end_date", last);
    location.assign(url);
  }

  function openEvents(chart, i) {
    const data = live.get(chart)?.data;
    if (data?.first[i] && chart.dataset.events) go(chart.dataset.events, data.first[i], data.last[i]);
  }

  function zoom(chart, select) {
    const { data, plot } = live.get(chart);
    const [one, two] = [select.left, select.left + select.width].map((x) => nearest(chart, x / plot.over.clientWidth));
    if (one !== two && data.first[one]) go(location.href, data.first[one], data.last[two]);
    else plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
  }

  // Drawing with uPlot: one series for each look of a line, since a series has one
  function pieces(data) {
    const { values, states } = data;
    const last = values.length - 1;
    const open = states[last] === "so far";
    const near = (i) => [values[i - 1], values[i + 1]].every((value) => value == null);
    const x = values.map((_, i) => i);
    return [
      x,
      x.map((i) => data.before.values[i] ?? null),
      values.map((value, i) => (states[i] ? null : value)),
      values.map((value, i) => (open && (i === last || (i === last - 1 && !states[i])) ? value : null)),
      values.map((value, i) => (states[i] ? value : null)),
      values.map((value, i) => (!states[i] && near(i) ? value : null)),
    ];
  }

  function options(chart, data, box) {
    const ink = (name) => getComputedStyle(chart.querySelector(name));
    const [accent, second, line] = [ink(".chart-spot").color, ink(".chart-label").fill, ink(".chart-grid").stroke];
    const font = `12px ${getComputedStyle(document.body).fontFamily}`;
    const top = data.lines[data.lines.length - 1][0];
    const narrow = box.clientWidth < 560;
    const named = data.ticks.flatMap((tick, i) => (tick ? [i] : [])).filter((_, n) => !(narrow && n % 2));
    const dots = (fill) => ({ show: true, size: 8, width: 1.75, stroke: accent, fill });
    const bare = { paths: () => null, stroke: accent };
    return {
      width: box.clientWidth,
      height: chart.querySelector(".chart-plot").height.baseVal.value,
      padding: [12, data.states[data.states.length - 1] ? 52 : 8, 0, 0],
      legend: { show: false },
      scales: { x: { time: false, range: [0, data.values.length - 1] }, y: { range: [0, top] } },
      axes: [
        { splits: () => named, values: () => named.map((i) => data.ticks[i]), stroke: second, font, size: 28, gap: 10, grid: { show: false }, ticks: { show: false } },
        { splits: () => data.lines.map((l) => l[0]), values: () => data.lines.map((l) => l[1]), stroke: second, font, size: data.gutter, gap: 10, grid: { stroke: line, width: 1 }, ticks: { show: false } },
      ],
      cursor: { y: false, points: { show: false }, drag: { x: true, y: false, setScale: false, dist: 5 } },
      series: [
        {},
        { stroke: accent, alpha: 0.5, width: 1.75, dash: [4, 4], points: { show: false } },
        { stroke: accent, width: 1.75, points: { show: false } },
        { stroke: accent, width: 1.75, dash: [3, 4], points: { show: false } },
        { ...bare, points: dots(getComputedStyle(document.body).backgroundColor) },
        { ...bare, points: dots(accent) },
      ],
      hooks: { setSelect: [(plot) => plot.select.width > 5 && zoom(chart, plot.select)], draw: [(plot) => nameOpen(plot, data, second, font)] },
    };
  }

  function nameOpen(plot, data, colour, font) {
    const i = data.values.length - 1;
    if (!data.states[i] || data.values[i] === null) return;
    const ratio = devicePixelRatio;
    plot.ctx.save();
    plot.ctx.fillStyle = colour;
    plot.ctx.font = font.replace("12px", `${12 * ratio}px`);
    plot.ctx.textAlign = "left";
    plot.ctx.textBaseline = "middle";
    plot.ctx.fillText(data.states[i], plot.valToPos(i, "x", true) + 9 * ratio, plot.valToPos(data.values[i], "y", true));
    plot.ctx.restore();
  }

  function draw(chart) {
    const data = JSON.parse(chart.querySelector(".chart-data").textContent);
    const box = document.createElement("div");
    box.className = "chart-canvas";
    box.setAttribute("aria-hidden", "true");
    chart.classList.add("chart-live");
    chart.prepend(box);
    const plot = new window.uPlot(options(chart, data, box), pieces(data), box);
    plot.over.addEventListener("click", (event) => openEvents(chart, nearest(chart, event.offsetX / plot.over.clientWidth)));
    const watch = new ResizeObserver(() => box.clientWidth && plot.setSize({ width: box.clientWidth, height: plot.height }));
    watch.observe(box);
    live.set(chart, { data, plot, watch });
  }

  function drop(chart) {
    const { plot, watch } = live.get(chart);
    watch.disconnect();
    plot.destroy();
    chart.querySelector(".chart-canvas")?.remove();
    chart.classList.remove("chart-live");
    live.delete(chart);
  }

  let asked = false;
  function start() {
    for (const chart of live.keys()) if (!chart.isConnected) drop(chart);
    const found = [...document.querySelectorAll(".chart:has(> .chart-data):not(.chart-live)")];
    if (!found.length) return;
    if (window.uPlot) return found.forEach(draw);
    if (asked) return;
    asked = true;
    document.head.append(
      Object.assign(document.createElement("link"), { rel: "stylesheet", href: STYLE, onload: load }),
    );
  }

  function load() {
    document.head.append(Object.assign(document.createElement("script"), { src: SCRIPT, onload: start }));
  }

  function again() {
    for (const chart of [...live.keys()]) drop(chart);
    start();
  }

  // Saving: the server's picture with its colours written in, since a file has no style sheet
  const LOOKS = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "font-size", "font-family"];

  function dressed(from, width, x, y) {
    const to = from.cloneNode(true);
    const parts = [...from.querySelectorAll("*")];
    [...to.querySelectorAll("*")].forEach((part, i) => {
      const look = getComputedStyle(parts[i]);
      for (const name of LOOKS) part.setAttribute(name, look.getPropertyValue(name));
      if (look.display === "none") part.setAttribute("visibility", "hidden");
      if (part.matches("path")) part.setAttribute("vector-effect", "non-scaling-stroke");
      part.removeAttribute("class");
    });
    for (const [name, value] of Object.entries({ x, y, width, overflow: "visible" })) to.setAttribute(name, value);
    return to;
  }

  // What the colours of bars stand for: beside the chart the table of values says it, a file has to say it itself
  function legendOf(chart, width) {
    if (!("band" in chart.dataset)) return [];
    const named = coloursOf(chart);
    let [x, y] = [12, 0];
    return named.flatMap(({ name, colour }, i) => {
      const bar = chart.querySelector(`.${colour}`) || (i === named.length - 1 && chart.querySelector(".series-other"));
      if (!bar) return [];
      const wide = 16 + name.length * 7 + 16;
      if (x > 12 && x + wide > width) [x, y] = [12, y + 20];
      x += wide;
      return [{ x: x - wide, y, name, fill: getComputedStyle(bar).fill }];
    });
  }

  // A figure may be several charts of one table, under each other
  function picture(charts, title) {
    const width = charts[0].clientWidth;
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const look = getComputedStyle(document.body);
    const add = (name, set, text) => {
      const part = svg.appendChild(document.createElementNS(svg.namespaceURI, name));
      for (const [key, value] of Object.entries(set)) part.setAttribute(key, value);
      part.textContent = text;
    };
    const write = (text, set) => add("text", { fill: look.color, "font-family": look.fontFamily, ...set }, text);
    svg.setAttribute("xmlns", svg.namespaceURI);
    svg.setAttribute("width", width);
    add("rect", { width: "100%", height: "100%", fill: look.backgroundColor }, "");
    write(title, { x: 12, y: 22, "font-size": 14 });
    let top = 32;
    for (const chart of charts) {
      const heading = chart.previousElementSibling;
      if (heading?.matches(".chart-title")) {
        write(heading.textContent, { x: 12, y: top + 22, "font-size": 14 });
        top += 32;
      }
      const [axis, plot] = chart.querySelectorAll(":scope > svg");
      const gutter = axis.width.baseVal.value;
      svg.append(dressed(axis, gutter, 0, top), dressed(plot, width - gutter - 60, gutter, top));
      top += axis.height.baseVal.value + 6;
      const items = legendOf(chart, width);
      for (const { x, y, name, fill } of items) {
        add("rect", { x, y: top + y, width: 10, height: 10, rx: 2, fill }, "");
        write(name, { x: x + 16, y: top + 9 + y, "font-size": 12 });
      }
      top += items.length ? items.at(-1).y + 24 : 0;
    }
    svg.setAttribute("height", top + 2);
    return new XMLSerializer().serializeToString(svg);
  }

  function keep(blob, name) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    document.dispatchEvent(new CustomEvent("fluxrate:say", { detail: `Saved ${name}.` }));
  }

  async function save(button) {
    const charts = document.querySelectorAll(`[data-chart="${CSS.escape(button.dataset.of)}"]`);
    const text = picture([...charts], button.dataset.title);
    const name = `${button.dataset.of}.${button.dataset.save}`;
    if (button.dataset.save === "svg") return keep(new Blob([text], { type: "image/svg+xml" }), name);
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(text)}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width * 2, height: image.height * 2 });
    canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((blob) => keep(blob, name), "image/png");
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-save]");
    if (button) save(button);
  });

  // A press on a piece of a bar opens its events, one beside it those of the whole bucket: the links are in the table
  document.addEventListener("click", (event) => {
    const chart = event.target.closest?.(".chart-bars");
    if (!chart) return;
    const plot = plotOf(chart);
    const row = tableOf(chart)?.tBodies[0]?.rows[nearest(chart, (event.clientX - plot.left) / plot.width)];
    const bar = event.target.closest(".chart-bar");
    const column = bar ? coloursOf(chart).find(({ colour }) => bar.classList.contains(colour))?.column : 0;
    row?.cells[column]?.querySelector("a")?.click();
  });

  // A legend, or the rows of the table that serves as one, lights its series
  function light(event) {
    const rows = event.target.closest?.("[data-lights]");
    const item = event.target.closest?.(".legend li, [data-lights] tr[data-series]");
    const chart = rows ? document.querySelector(`[data-chart="${CSS.escape(rows.dataset.lights)}"]`) : event.target.closest?.(".legend")?.previousElementSibling;
    if (!chart) return;
    const on = item && (event.type === "pointerover" || event.type === "focusin");
    chart.classList.toggle("chart-dimmed", Boolean(on));
    for (const bar of chart.querySelectorAll(".chart-bar")) bar.classList.toggle("bar-lit", Boolean(on) && bar.classList.contains(item.dataset.series));
  }
  for (const name of ["pointerover", "pointerout", "focusin", "focusout"]) document.addEventListener(name, light);

  document.addEventListener("fluxrate:theme", again);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
  document.addEventListener("htmx:after:swap", start);
  document.addEventListener("DOMContentLoaded", start);
})();
