// ---- decisions ----
// Cells of a CSV file are written as run/cells.py reads them: without hidden characters, and with an
// apostrophe before what a spreadsheet would run as a formula.
const escaped = (text) => text
  .replace(/\\(?=x[0-9a-f]{2}|u[0-9a-f]{4}|U000[0-9a-f]{5})/g, "\\x5c")
  .replace(/[{# HIDDEN #}]/gu, (one) => {
    const digits = (count) => one.codePointAt(0).toString(16).padStart(count, "0");
    if (one.codePointAt(0) < 0x100) return `\\x${digits(2)}`;
    return one.length === 1 ? `\\u${digits(4)}` : `\\U${digits(8)}`;
  });
const guarded = (text) => text.replace(/(^|;)('*\s*[=+\-@\uff1d\uff0b\uff0d\uff20])/g, "$1'$2");

class Decisions {
  constructor(samples) {
    this.samples = samples;
    this.key = `ct2zarr-decisions-${document.body.dataset.report}`;
    // Decisions that the summary has, on volumes of this page and on others. Those made in this
    // browser take precedence.
    this.before = JSON.parse(document.getElementById("decided-before").textContent);
    this.all = {};
    try { this.all = JSON.parse(storage.get(this.key)) || {}; } catch { /* damaged: start without decisions */ }
    const here = new Set(samples.map(({ article }) => article.dataset.hash));
    this.elsewhere = this.before.filter(({ series_hash }) => !here.has(series_hash));
    for (const { article } of samples) this.setUp(article);
    const csv = document.getElementById("export-csv");
    if (!csv) return;
    csv.addEventListener("click", () => this.exportCsv());
    document.getElementById("export-json").addEventListener("click", () => this.exportJson());
    document.getElementById("discard").addEventListener("click", () => this.discard());
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
    comment.value = this.of(hash).comment;
    comment.addEventListener("input", () => this.keep(article, { comment: comment.value }));
    this.draw(article);
  }

  of(hash) {
    const before = this.before.find(({ series_hash }) => series_hash === hash);
    return { decision: "", comment: "", ...before, ...this.all[hash] };
  }

  decide(article, name) {
    const now = this.of(article.dataset.hash).decision;
    this.keep(article, { decision: now === name ? "" : name });
  }

  keep(article, change) {
    const hash = article.dataset.hash;
    const { decision, comment } = { ...this.of(hash), ...change };
    this.all[hash] = { decision, comment };
    storage.set(this.key, JSON.stringify(this.all));
    this.draw(article);
    this.count();
  }

  discard() {
    this.all = {};
    storage.set(this.key, "{}");
    for (const { article } of this.samples) {
      article.querySelector(".comment").value = this.of(article.dataset.hash).comment;
      this.draw(article);
    }
    this.count();
  }

  draw(article) {
    const { decision } = this.of(article.dataset.hash);
    article.dataset.decision = decision;
    for (const name of ["accept", "reject"]) {
      article.querySelector(`.${name}`).setAttribute("aria-pressed", String(decision === name));
    }
  }

  rows() {
    const shown = this.samples.map(({ article }) => {
      const { hash, dataset } = article.dataset;
      const { decision, comment } = this.of(hash);
      return { series_hash: hash, dataset, decision, comment };
    });
    return [...shown, ...this.elsewhere];
  }

  count() {
    const rows = this.rows();
    const number = (name) => rows.filter((row) => row.decision === name).length;
    const accepted = number("accept"), rejected = number("reject");
    document.getElementById("decided").textContent = accepted + rejected - this.elsewhere.length;
    const more = this.elsewhere.length ? `, ${this.elsewhere.length} of them not shown here` : "";
    document.getElementById("tally").textContent = accepted + rejected
      ? `${accepted} accepted, ${rejected} rejected${more}` : "(decisions stay in this browser until you export them)";
    document.getElementById("discard").hidden = Object.keys(this.all).length === 0;
  }

  exportCsv() {
    const cell = (text) => `"${guarded(escaped(text)).replaceAll('"', '""')}"`;
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
