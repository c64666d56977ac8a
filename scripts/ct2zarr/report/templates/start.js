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

  // The sample in use: the one that has the focus, or else the one in the middle of the window.
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

setUpReviewList();
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
