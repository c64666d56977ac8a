// ---- pictures: unpack levels (see packing.py) and draw them at a window ----
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
