// ---- list of volumes to review: all rows are in the pack (see review_list.py); search, filter, sort, draw ----
class ReviewList {
  constructor(table, content) {
    this.body = table.tBodies[0];
    this.template = document.getElementById("row");
    this.rows = content.hashes.map((hash, i) => this.read(content, hash, i));
    this.shown = ReviewList.PAGE;
    this.controls = Object.fromEntries(
      ["search", "status", "flag", "more"].map((id) => [id, document.getElementById(id)]));
    this.setUp(table);
    this.draw();
  }

  read(content, hash, i) {
    const word = (name) => content.words[name][content.columns[name][i]];
    const flags = content.sets[content.flag[i]].map((number) => content.flags[number]);
    const row = {
      hash, flags,
      dataset: word("dataset"), status: word("status"), reason: word("reason"), error: word("error"),
      log: word("log"),
      slices: content.slices[i],
      record: Boolean(content.recorded[i]),
      sampled: document.getElementById(`v-${hash}`) !== null,
    };
    const sentences = flags.map(({ code, sentence }) => `${code} ${sentence}`);
    row.why = [row.reason, row.error, ...sentences].join(" ").trim().toLowerCase();
    row.text = [row.status, row.dataset, hash, row.why].join(" ").toLowerCase();
    return row;
  }

  setUp(table) {
    for (const button of table.querySelectorAll("[data-sort]")) {
      button.disabled = false;
      button.addEventListener("click", () => {
        const head = button.parentElement;
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.querySelectorAll("[aria-sort]")) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        this.sort(button.dataset.sort, down);
      });
    }
    document.getElementById("filter").addEventListener("submit", (event) => event.preventDefault());
    const { search, status, flag, more } = this.controls;
    for (const control of [search, status, flag]) {
      control.disabled = false;
      control.addEventListener("input", () => { this.shown = ReviewList.PAGE; this.draw(); });
    }
    more.addEventListener("click", () => { this.shown += 4 * ReviewList.PAGE; this.draw(); });
    addEventListener("beforeprint", () => { this.shown = ReviewList.PRINTED; this.draw(); });
    addEventListener("afterprint", () => { this.shown = ReviewList.PAGE; this.draw(); });
  }

  sort(name, down) {
    const gravity = { failed: 0, rejected: 1, ok: 2 };
    const key = {
      status: (row) => gravity[row.status] ?? 3,
      dataset: (row) => row.dataset.toLowerCase(),
      volume: (row) => row.hash,
      slices: (row) => row.slices,
      why: (row) => row.why,
    }[name];
    const sign = down ? -1 : 1;
    this.rows.sort((a, b) => {
      const x = key(a), y = key(b);
      return sign * (x < y ? -1 : x > y ? 1 : 0);
    });
    this.draw();
  }

  draw() {
    const { search, status, flag, more } = this.controls;
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    const fitting = this.rows.filter((row) =>
      (!status.value || row.status === status.value) &&
      (!flag.value || row.flags.some(({ code }) => code === flag.value)) &&
      words.every((word) => row.text.includes(word)));
    this.body.replaceChildren(...fitting.slice(0, this.shown).map((row) => this.element(row)));
    const number = (count) => count.toLocaleString("en");
    more.hidden = fitting.length <= this.shown;
    more.textContent = `Show more (${number(fitting.length - this.shown)} left)`;
    document.getElementById("empty").hidden = fitting.length > 0;
    document.getElementById("matches").textContent =
      `${number(fitting.length)} of ${number(this.rows.length)} volumes`;
  }

  // A row of the page with its words put in; parts that would be empty are removed.
  element(row) {
    const tr = this.template.content.firstElementChild.cloneNode(true);
    const put = (name, text) => {
      if (text) tr.querySelector(name).textContent = text;
      else tr.querySelector(name).remove();
    };
    const link = (name, address) => {
      if (address) tr.querySelector(name).href = address;
      else tr.querySelector(name).remove();
    };
    tr.dataset.status = row.status;
    tr.dataset.flags = row.flags.map(({ code }) => code).join(" ");
    tr.querySelector(".status").textContent = row.status;
    tr.querySelector(".status").classList.add(row.status);
    tr.querySelector(".of").textContent = row.dataset;
    tr.querySelector(".hash").textContent = row.hash.slice(0, 12);
    tr.querySelector(".hash").title = row.hash;
    tr.querySelector(".slices").textContent = row.slices ? row.slices.toLocaleString("en") : "";
    link(".to-pictures", row.sampled && `#v-${row.hash}`);
    link(".to-record", row.record && `meta/${row.hash}.series.json`);
    link(".to-log", row.log);
    put(".error > .chip", row.reason);
    put(".error > .words", row.error);
    if (!row.reason && !row.error) tr.querySelector(".error").remove();
    const list = tr.querySelector(".flags");
    const first = list.firstElementChild;
    list.replaceChildren(...row.flags.map(({ code, sentence }) => {
      const item = first.cloneNode(true);
      item.querySelector(".chip").textContent = code;
      item.querySelector(".words").textContent = sentence;
      return item;
    }));
    if (!row.flags.length) list.remove();
    return tr;
  }
}
ReviewList.PAGE = 50;
ReviewList.PRINTED = 1000; // more would be a book

async function setUpReviewList() {
  const table = document.getElementById("table");
  if (!table) return;
  const bytes = await inflate(document.getElementById("rows").textContent.trim());
  new ReviewList(table, JSON.parse(new TextDecoder().decode(bytes)));
}
