"use strict";

// ---- storage: decisions and theme stay in this browser; the page works without ----
const storage = {
  get(key) {
    try { return localStorage.getItem(key); } catch { return null; }
  },
  set(key, value) {
    try { localStorage.setItem(key, value); } catch { /* private mode: kept until the page closes */ }
  },
};

// ---- theme ----
document.getElementById("theme").addEventListener("click", () => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)").matches;
  const now = root.dataset.theme || (dark ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  storage.set("ct2zarr-theme", root.dataset.theme);
});

// ---- table: search, filter, sort, a page at a time ----
function setUpTable() {
  const table = document.getElementById("table");
  if (!table) return;
  const PAGE = 50;
  const body = table.tBodies[0];
  const columns = ["status", "dataset", "volume", "slices", "why"];
  const gravity = { failed: 0, rejected: 1, ok: 2 };
  let rows = [...body.rows].map((element) => ({
    element,
    text: element.textContent.toLowerCase(),
    cells: [...element.cells].map((cell) => cell.textContent.trim().toLowerCase()),
    flags: element.dataset.flags.split(" "),
    status: element.dataset.status,
    slices: Number(element.dataset.slices),
  }));
  let shown = PAGE;
  const search = document.getElementById("search");
  const status = document.getElementById("status");
  const flag = document.getElementById("flag");
  const more = document.getElementById("more");

  function draw() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = rows.filter((row) =>
      (!status.value || row.status === status.value) &&
      (!flag.value || row.flags.includes(flag.value)) &&
      words.every((word) => row.text.includes(word)));
    const visible = new Set(fitting.slice(0, shown));
    for (const row of rows) row.element.hidden = !visible.has(row);
    more.hidden = fitting.length <= shown;
    more.textContent = `Show more (${(fitting.length - shown).toLocaleString("en")} left)`;
    document.getElementById("empty").hidden = fitting.length > 0;
    document.getElementById("matches").textContent =
      `${fitting.length.toLocaleString("en")} of ${rows.length.toLocaleString("en")} volumes`;
  }

  function sortBy(name, down) {
    const index = columns.indexOf(name);
    const key = name === "slices" ? (row) => row.slices
      : name === "status" ? (row) => gravity[row.status] ?? 3
        : (row) => row.cells[index];
    const sign = down ? -1 : 1;
    rows.sort((a, b) => {
      const x = key(a), y = key(b);
      return sign * (typeof x === "number" ? x - y : x.localeCompare(y));
    });
    body.append(...rows.map((row) => row.element));
    draw();
  }

  for (const button of table.querySelectorAll("[data-sort]")) {
    button.addEventListener("click", () => {
      const head = button.parentElement;
      const down = head.getAttribute("aria-sort") === "ascending";
      for (const other of table.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      sortBy(button.dataset.sort, down);
    });
  }
  document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
  for (const control of [search, status, flag]) {
    control.addEventListener("input", () => { shown = PAGE; draw(); });
  }
  more.addEventListener("click", () => { shown += 4 * PAGE; draw(); });
  addEventListener("beforeprint", () => { shown = Infinity; draw(); });
  addEventListener("afterprint", () => { shown = PAGE; draw(); });
  draw();
}

// ---- pictures: unpack levels (see report_packing.py) and draw them at a window ----
async function inflate(text) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

function unfold(bytes, start, count, height, width) {
  const size = count * height * width;
  const levels = new Uint16Array(size);
  for (let n = 0; n < count; n++) {
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = (n * height + y) * width + x;
        const folded = (bytes[start + i] << 8) | bytes[start + size + i];
        const error = folded & 1 ? -((folded + 1) >> 1) : folded >> 1;
        const left = x ? levels[i - 1] : 0;
        const above = y ? levels[i - width] : 0;
        const corner = x && y ? levels[i - width - 1] : 0;
        const low = Math.min(left, above), high = Math.max(left, above);
        levels[i] = error + Math.max(low, Math.min(high, left + above - corner));
      }
    }
  }
  return levels;
}

async function unpack(pack) {
  const bytes = await inflate(pack.data);
  let start = 0;
  return pack.stacks.map((stack) => {
    const levels = unfold(bytes, start, stack.captions.length, stack.height, stack.width);
    start += 2 * levels.length;
    return { ...stack, levels };
  });
}

const EMPTY = [38, 44, 54];

function greyColours(scale, center, width) {
  const colours = new Uint8ClampedArray(4096 * 3);
  for (let level = 1; level < 4096; level++) {
    const value = scale.offset + scale.step * (level - 1);
    const grey = ((value - center) / width + 0.5) * 255;
    colours.fill(Math.max(0, Math.min(255, grey)), level * 3, level * 3 + 3);
  }
  colours.set(EMPTY, 0);
  return colours;
}

function differenceColours() {
  // Zero is dark grey; a store above its source goes to orange, one below to blue.
  const colours = new Uint8ClampedArray(4096 * 3);
  for (let level = 1; level < 4096; level++) {
    const part = (level - 2048) / 2047;
    const far = part === 0 ? 0 : 0.25 + 0.75 * Math.abs(part);
    const end = part > 0 ? [255, 150, 60] : [90, 170, 255];
    colours.set(end.map((c) => 34 + (c - 34) * far), level * 3);
  }
  colours.set(EMPTY, 0);
  return colours;
}

class Sample {
  constructor(article) {
    this.article = article;
    this.started = false;
    this.loaded = false;
    const script = article.querySelector(".pack");
    this.pack = script ? JSON.parse(script.textContent) : null;
    if (!this.pack) return;
    const chosen = article.querySelector('.presets [aria-pressed="true"]');
    this.center = Number(chosen.dataset.center);
    this.width = Number(chosen.dataset.width);
  }

  async load() {
    if (this.started || !this.pack) return;
    this.started = true;
    const stacks = await unpack(this.pack);
    this.views = [...this.article.querySelectorAll(".viewer")].map((figure, i) =>
      this.setUpView(figure, stacks[i]));
    this.setUpWindow();
    this.loaded = true;
    this.setWindow(this.center, this.width);
    this.article.dataset.ready = "true";
  }

  setUpView(figure, stack) {
    const canvas = figure.querySelector("canvas");
    canvas.width = stack.width;
    canvas.height = stack.height;
    const slider = figure.querySelector(".scroll");
    slider.disabled = false;
    const view = {
      stack, canvas, slider, figure,
      // Pixels are made on the CPU, so the canvas is kept there.
      context: canvas.getContext("2d", { willReadFrequently: true }),
      image: null,
      title: figure.querySelector(".name").textContent,
      linked: figure.parentElement.classList.contains("linked"),
    };
    view.image = view.context.createImageData(stack.width, stack.height);
    slider.addEventListener("input", () => this.show(view, Number(slider.value)));
    canvas.addEventListener("keydown", (event) => {
      const step = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 5, PageDown: -5 }[event.key];
      if (!step) return;
      event.preventDefault();
      this.show(view, Number(slider.value) + step);
    });
    canvas.addEventListener("wheel", (event) => {
      if (document.activeElement !== canvas || event.ctrlKey) return;
      event.preventDefault();
      this.show(view, Number(slider.value) - Math.sign(event.deltaY));
    }, { passive: false });
    this.setUpDrag(canvas);
    figure.querySelector("img").hidden = true;
    canvas.hidden = false;
    return view;
  }

  setUpDrag(canvas) {
    let from = null;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.pointerType === "touch" || event.button !== 0) return;
      from = { x: event.clientX, y: event.clientY, center: this.center, width: this.width };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!from) return;
      const unit = Math.max(from.width, 20 * this.pack.scale.step) / 250;
      const width = Math.max(this.pack.scale.step, from.width + (event.clientX - from.x) * unit);
      this.setWindow(from.center + (event.clientY - from.y) * unit, width);
    });
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { from = null; });
  }

  setUpWindow() {
    const article = this.article;
    const { offset, step, levels } = this.pack.scale;
    const span = step * levels;
    this.widthSlider = article.querySelector(".width");
    this.levelSlider = article.querySelector(".level");
    Object.assign(this.widthSlider, { min: step, max: span, step: span / 2000 });
    Object.assign(this.levelSlider, { min: offset, max: offset + span, step: span / 4000 });
    this.presets = [...article.querySelectorAll(".presets button")];
    for (const button of this.presets) {
      button.disabled = false;
      button.addEventListener("click", () =>
        this.setWindow(Number(button.dataset.center), Number(button.dataset.width)));
    }
    for (const slider of [this.widthSlider, this.levelSlider]) {
      slider.disabled = false;
      slider.addEventListener("input", () =>
        this.setWindow(Number(this.levelSlider.value), Number(this.widthSlider.value)));
    }
  }

  setWindow(center, width) {
    if (!this.loaded) return;
    this.center = center;
    this.width = width;
    this.colours = greyColours(this.pack.scale, center, width);
    this.widthSlider.value = width;
    this.levelSlider.value = center;
    const show = (value) => Number(value.toPrecision(4)).toLocaleString("en");
    this.widthSlider.nextElementSibling.textContent = show(width);
    this.levelSlider.nextElementSibling.textContent = show(center);
    for (const button of this.presets) {
      const same = Number(button.dataset.center) === center && Number(button.dataset.width) === width;
      button.setAttribute("aria-pressed", String(same));
    }
    for (const view of this.views) this.draw(view);
  }

  show(view, index) {
    const last = view.stack.captions.length - 1;
    const at = Math.max(0, Math.min(last, index));
    const together = view.linked ? this.views.filter((other) => other.linked) : [view];
    for (const each of together) {
      each.slider.value = at;
      this.draw(each);
    }
  }

  draw(view) {
    const { stack, image, context } = view;
    const index = Number(view.slider.value);
    const colours = stack.difference ? (this.differences ??= differenceColours()) : this.colours;
    const size = stack.width * stack.height;
    const out = image.data;
    for (let i = 0, at = index * size; i < size; i++, at++) {
      const level = stack.levels[at] * 3;
      out[4 * i] = colours[level];
      out[4 * i + 1] = colours[level + 1];
      out[4 * i + 2] = colours[level + 2];
      out[4 * i + 3] = 255;
    }
    context.putImageData(image, 0, 0);
    const caption = stack.captions[index];
    view.figure.querySelector(".where").textContent = caption;
    view.canvas.setAttribute("aria-label", `${view.title}, ${caption}; arrow keys scroll`);
  }
}

// ---- decisions ----
class Decisions {
  constructor(samples) {
    this.samples = samples;
    this.key = `ct2zarr-decisions-${document.body.dataset.report}`;
    this.all = {};
    try { this.all = JSON.parse(storage.get(this.key)) || {}; } catch { /* damaged: start anew */ }
    for (const { article } of samples) this.setUp(article);
    const csv = document.getElementById("export-csv");
    if (!csv) return;
    csv.addEventListener("click", () => this.exportCsv());
    document.getElementById("export-json").addEventListener("click", () => this.exportJson());
    this.count();
  }

  setUp(article) {
    const hash = article.dataset.hash;
    const comment = article.querySelector(".comment");
    for (const name of ["accept", "reject"]) {
      const button = article.querySelector(`.${name}`);
      button.disabled = false;
      button.addEventListener("click", () => this.decide(article, name));
    }
    comment.disabled = false;
    comment.value = this.all[hash]?.comment || "";
    comment.addEventListener("input", () => this.keep(article, { comment: comment.value }));
    this.draw(article);
  }

  decide(article, name) {
    const now = this.all[article.dataset.hash]?.decision;
    this.keep(article, { decision: now === name ? "" : name });
  }

  keep(article, change) {
    const hash = article.dataset.hash;
    this.all[hash] = { decision: "", comment: "", ...this.all[hash], ...change };
    storage.set(this.key, JSON.stringify(this.all));
    this.draw(article);
    this.count();
  }

  draw(article) {
    const decision = this.all[article.dataset.hash]?.decision || "";
    article.dataset.decision = decision;
    for (const name of ["accept", "reject"]) {
      article.querySelector(`.${name}`).setAttribute("aria-pressed", String(decision === name));
    }
  }

  rows() {
    return this.samples.map(({ article }) => {
      const { hash, dataset } = article.dataset;
      const { decision = "", comment = "" } = this.all[hash] || {};
      return { series_hash: hash, dataset, decision, comment };
    });
  }

  count() {
    const rows = this.rows();
    const number = (name) => rows.filter((row) => row.decision === name).length;
    const accepted = number("accept"), rejected = number("reject");
    document.getElementById("decided").textContent = accepted + rejected;
    document.getElementById("tally").textContent =
      accepted + rejected ? `${accepted} accepted, ${rejected} rejected` : "kept in this browser until exported";
  }

  exportCsv() {
    // A leading apostrophe keeps spreadsheets from running a comment as a formula.
    const safe = (text) => (/^[=+\-@\t\r]/.test(text) ? `'${text}` : text);
    const cell = (text) => `"${safe(text).replaceAll('"', '""')}"`;
    const names = ["series_hash", "dataset", "decision", "comment"];
    const lines = this.rows().map((row) => names.map((name) => cell(row[name])).join(","));
    this.save("decisions.csv", "text/csv", [names.join(","), ...lines].join("\n") + "\n");
  }

  exportJson() {
    const content = { report: document.body.dataset.report, decisions: this.rows() };
    this.save("decisions.json", "application/json", JSON.stringify(content, null, 1) + "\n");
  }

  save(name, type, text) {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }
}

// ---- keys ----
function setUpKeys(samples, decisions) {
  const keys = document.getElementById("keys");
  if (!keys) return;
  const button = document.getElementById("keys-button");
  function toggleHelp() {
    keys.hidden = !keys.hidden;
    button.setAttribute("aria-expanded", String(!keys.hidden));
  }
  button.addEventListener("click", toggleHelp);

  // The sample in use: the one that holds the focus, else the one across the middle of the window.
  function current() {
    const focused = samples.find(({ article }) => article.contains(document.activeElement));
    if (focused) return samples.indexOf(focused);
    const middle = innerHeight / 2;
    return samples.findIndex(({ article }) => {
      const box = article.getBoundingClientRect();
      return box.top <= middle && box.bottom >= middle;
    });
  }

  document.addEventListener("keydown", (event) => {
    const typing = event.target.matches('input:not([type="range"]), textarea, select');
    if (typing && event.key === "Escape") event.target.blur();
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "?") return toggleHelp();
    const at = current();
    if (event.key === "j" || event.key === "k") {
      const next = samples[Math.max(0, Math.min(samples.length - 1, at + (event.key === "j" ? 1 : -1)))];
      next.article.focus({ preventScroll: true });
      next.article.scrollIntoView({ block: "start" });
      return;
    }
    const sample = samples[at];
    if (!sample) return;
    if (event.key === "a") decisions.decide(sample.article, "accept");
    else if (event.key === "r") decisions.decide(sample.article, "reject");
    else if (event.key === "c") {
      event.preventDefault();
      sample.article.querySelector(".comment").focus();
    } else if (/^[1-9]$/.test(event.key) && sample.loaded) {
      sample.presets[Number(event.key) - 1]?.click();
    }
  });
}

setUpTable();
const samples = [...document.querySelectorAll(".sample")].map((article) => new Sample(article));
const decisions = new Decisions(samples);
setUpKeys(samples, decisions);
for (const form of document.querySelectorAll(".decision")) {
  form.addEventListener("submit", (event) => event.preventDefault());
}
const watcher = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    watcher.unobserve(entry.target);
    samples.find(({ article }) => article === entry.target).load();
  }
}, { rootMargin: "600px" });
for (const { article } of samples) watcher.observe(article);
