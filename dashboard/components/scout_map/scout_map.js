// Sagittal and coronal scout with levels; a click or a key says where a person wants to go. The server answers with the
// slice that lies there. Heights are shares of the picture, 0 at the head.

const STEP_MS = 80; // keys that follow each other fast are one wish
const ANSWER_MS = 1500; // another widget may swallow an answer: then the next wish is sent all the same
const KEYS = { ArrowUp: 1, ArrowDown: -1, PageUp: 5, PageDown: -5 };

const maps = new WeakMap(); // shadow root -> ScoutMap: Streamlit calls the export again for every payload

export default function ({ data, parentElement, setTriggerValue }) {
  let map = maps.get(parentElement);
  if (!map || !map.root.isConnected) {
    map = new ScoutMap(parentElement.querySelector(".scouts"));
    maps.set(parentElement, map);
  }
  map.send = setTriggerValue;
  map.receive(data);
}

function element(kind, className, text = "") {
  return Object.assign(document.createElement(kind), { className, textContent: text });
}

function at(node, height) {
  node.style.top = `${100 * height}%`;
  return node;
}

function figureOf({ name, left, right, src }) {
  const figure = element("figure", "");
  const image = Object.assign(new Image(), { src, draggable: false, alt: `${name} scout along the spine` });
  image.onload = () => figure.style.setProperty("--share", image.naturalWidth / image.naturalHeight);
  const [line, readout] = [element("i", "line hover"), element("span", "readout")];
  line.hidden = readout.hidden = true;
  figure.append(image, element("span", "side left", left), element("span", "side right", right), line, readout);
  return figure;
}

class ScoutMap {
  constructor(root) {
    this.root = root;
    this.steps = 0;
    this.sentAt = -Infinity;
    const part = (name) => root.querySelector(`[data-part='${name}']`);
    this.slider = part("scouts");
    this.words = { measured: part("measuredWords"), shown: part("shownWords"), key: part("measuredKey") };
    this.slider.addEventListener("keydown", (event) => this.onKey(event));
    this.slider.addEventListener("click", (event) => this.onClick(event));
    this.slider.addEventListener("pointermove", (event) => this.onHover(event));
    this.slider.addEventListener("pointerleave", () => this.hover(null));
  }

  receive(data) {
    this.data = data;
    this.sentAt = -Infinity;
    const sources = data.pictures.map(({ src }) => src).join();
    if (sources !== this.sources) this.slider.replaceChildren(...data.pictures.map(figureOf)); // else they would flash
    this.sources = sources;
    this.slider.querySelectorAll("figure").forEach((figure) => this.mark(figure));
    this.words.key.hidden = !data.measured;
    this.words.measured.textContent = data.measured ? `measured: ${data.measured.name}` : "";
    this.words.shown.textContent = `shown: ${data.shown.words}`;
    for (const [name, value] of [["min", 0], ["max", data.slice_count - 1], ["now", data.shown.index]]) {
      this.slider.setAttribute(`aria-value${name}`, value);
    }
    this.slider.setAttribute("aria-valuetext", data.shown.words);
    if (this.steps) this.flush();
  }

  mark(figure) {
    figure.querySelectorAll(".mark").forEach((mark) => mark.remove());
    for (const { label, height } of this.data.levels) {
      figure.append(at(element("span", `mark level ${label.startsWith("L3") ? "target" : ""}`, label), height));
    }
    if (this.data.measured) figure.append(at(element("i", "mark line measured"), this.data.measured.height));
    figure.append(at(element("i", "mark line shown"), this.data.shown.height));
  }

  onKey(event) {
    const step = KEYS[event.key];
    if (!step) return;
    event.preventDefault();
    this.steps += step;
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.flush(), STEP_MS);
  }

  flush() {
    const wait = this.sentAt + ANSWER_MS - performance.now();
    clearTimeout(this.timer);
    if (wait > 0) {
      this.timer = setTimeout(() => this.flush(), wait);
    } else if (this.steps) {
      this.tell("step", this.steps);
    }
  }

  onClick(event) {
    const height = this.heightOf(event);
    if (height === null) return;
    this.slider.querySelectorAll(".line.shown").forEach((line) => at(line, height)); // the answer sets it to its slice
    this.tell("click", height);
  }

  tell(wish, value) {
    this.steps = 0;
    this.sentAt = performance.now();
    this.send(wish, value);
  }

  heightOf(event) {
    const figure = event.target.closest("figure");
    if (!figure) return null;
    const box = figure.getBoundingClientRect();
    return Math.min(Math.max((event.clientY - box.top) / box.height, 0), 1);
  }

  onHover(event) {
    this.hover(this.heightOf(event));
  }

  hover(height) {
    const [head, feet] = this.data.z_ends_mm;
    for (const node of this.slider.querySelectorAll(".hover, .readout")) {
      node.hidden = height === null;
      if (height !== null) at(node, height);
      if (node.className === "readout") node.textContent = `z ${Math.round(head + (feet - head) * (height ?? 0))} mm`;
    }
  }
}
