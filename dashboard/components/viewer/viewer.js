// Axial CT slice with window, zoom, overlay and painting. One file, because Streamlit loads inline component code from
// a blob address, from where nothing can be imported.
//
// Three kinds of coordinates: native pixels (x, y) as stored, which is all that leaves this file; displayed pixels
// (u, v), the same pixels after the turn to the radiological view; and CSS pixels of the canvas. Native and displayed
// pixels have their middle at whole numbers; on canvases a pixel covers [u, u + 1].

const MIN_STEP_PX = 0.25; // points of a stroke that lie nearer to each other say nothing new
const ANSWER_MS = 5000; // another widget may interrupt the run that held the strokes: then they are sent again
const TRIES = 3; // after that a person is told that the server is silent
const SCROLL_MS = 80; // a fast wheel is gathered for this long
const SCROLL_ANSWER_MS = 1500;
const ZOOM_STEP = 1.25;
const MAX_ZOOM = 60; // CSS pixels per mm
const CHANGES_OPACITY = 0.8; // changes are few pixels, and nothing else lies over the slice then
const PREVIEW_DASH = [6, 4]; // CSS pixels
const VIRIDIS = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
const KEY_HELP = [
  ["1 2 3 4", "Window: soft tissue, muscle, bone, lung"],
  ["right drag", "Width (across) and level (up and down)"],
  ["wheel, ↑ ↓", "Next slice; PageUp and PageDown go five"],
  ["ctrl+wheel, + −", "Zoom around the pointer"],
  ["0", "Fit the body"],
  ["middle drag, space+drag", "Move the picture"],
  ["m", "Back to the measured slice"],
  ["l", "Outlines or areas"],
  ["u", "Uncertainty of the AI"],
  ["a", "Outline of the AI's own mask, once it is mended"],
  ["d", "Changes (difference) against the AI's own mask"],
  ["?", "This list; Escape closes it"],
];
const PAINT_HELP = [
  ["b, e", "Brush, eraser"],
  ["p, o (or shift+p)", "Polygon that adds, that takes away"],
  ["v", "Back to moving the picture"],
  ["[ ]", "Smaller, larger brush"],
  ["h", "Paint inside the HU range of muscle only"],
  ["Enter, double click", "Close the polygon"],
  ["Escape", "Cancel the stroke or polygon"],
  ["ctrl+z, ctrl+y", "Undo, redo (also ctrl+shift+z); a reset too"],
];

const viewers = new WeakMap(); // shadow root -> Viewer: Streamlit calls the export again for every payload
const memories = new Map(); // component key -> what a person has set; survives reruns, slices and remounts
const sharedWindows = new Map(); // link -> width and level of all viewers with that link
const live = new Set(); // viewers of the page

export default function ({ data, parentElement, setTriggerValue }) {
  let viewer = viewers.get(parentElement);
  if (!viewer || !viewer.root.isConnected) {
    viewer = new Viewer(parentElement.querySelector(".viewer"), data);
    viewers.set(parentElement, viewer);
  }
  viewer.send = setTriggerValue;
  viewer.receive(data);
  // Streamlit also calls this when a newer payload overtakes a slow one, while the viewer is still in use.
  return () => { if (!viewer.root.isConnected) viewer.dispose(); };
}

function remembered({ key, link, windows: [{ width, level }] }) {
  if (!sharedWindows.has(link)) sharedWindows.set(link, { width, level });
  if (!memories.has(key)) {
    memories.set(key, {
      window: sharedWindows.get(link), zoom: 0, centre: [0, 0], fitted: true, format: "",
      shown: null, uncertainty: false, outlines: false, opacity: 0.45, ai: false, changes: false,
      tool: "", radius: 4, within: true,
    });
  }
  return memories.get(key);
}

// ---- decoding and turning ----

async function unpack(base64) {
  const letters = atob(base64);
  const bytes = fill(new Uint8Array(letters.length), (i) => letters.charCodeAt(i));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

async function decodePicture(data) {
  const [nativeRows, nativeColumns] = data.shape_yx;
  const turned = data.view.transpose;
  const picture = {
    key: data.slice_key,
    hu: new Int16Array(await unpack(data.hu)),
    rows: turned ? nativeColumns : nativeRows,
    columns: turned ? nativeRows : nativeColumns,
    nativeColumns,
    view: data.view,
    spacing: data.spacing_mm_vu,
  };
  picture.index = nativeIndices(picture);
  return picture;
}

function toNative({ view, rows, columns }, u, v) {
  const row = view.flip_rows ? rows - 1 - v : v;
  const column = view.flip_columns ? columns - 1 - u : u;
  return view.transpose ? [row, column] : [column, row];
}

function toDisplay({ view, rows, columns }, [x, y]) {
  const [row, column] = view.transpose ? [x, y] : [y, x];
  return [view.flip_columns ? columns - 1 - column : column, view.flip_rows ? rows - 1 - row : row];
}

/** Place in the native arrays of every displayed pixel. */
function nativeIndices(picture) {
  const index = new Int32Array(picture.rows * picture.columns);
  for (let v = 0, i = 0; v < picture.rows; v++) {
    for (let u = 0; u < picture.columns; u++, i++) {
      const [x, y] = toNative(picture, u, v);
      index[i] = y * picture.nativeColumns + x;
    }
  }
  return index;
}

async function decodeMasks(sent, picture) {
  if (!sent) return null;
  const compartments = new Uint8Array(await unpack(sent.compartments));
  const muscle = unpackBits(new Uint8Array(await unpack(sent.muscle)), compartments.length);
  const spread = sent.spread && new Uint8Array(await unpack(sent.spread.data));
  const layers = sent.layers.map((layer) => ({ ...layer, mask: layerMask(layer, picture, compartments, muscle) }));
  const own = sent.ai && unpackBits(new Uint8Array(await unpack(sent.ai.muscle)), compartments.length);
  const compared = sent.ai && compare(sent.ai, picture, own, muscle);
  return { key: sent.key, muscle, layers, spread, spreadTop: sent.spread?.top, compared, preview: sent.preview };
}

/** The models' own muscle, and what a person has added to it and removed; 0 or 1 for every displayed pixel. */
function compare(colours, { index }, own, muscle) {
  const where = (test) => fill(new Uint8Array(index.length), (i) => (test(own[index[i]], muscle[index[i]]) ? 1 : 0));
  return {
    own: { mask: where((ai) => ai), colour: colours.colour },
    added: { mask: where((ai, mended) => !ai && mended), colour: colours.added_colour },
    removed: { mask: where((ai, mended) => ai && !mended), colour: colours.removed_colour },
  };
}

function unpackBits(packed, length) {
  return fill(new Uint8Array(length), (i) => (packed[i >> 3] >> (7 - (i & 7))) & 1);
}

/** 0 or 1 for every displayed pixel. What a person painted is muscle whatever its HU, so muscle is never recomputed. */
function layerMask(layer, picture, compartments, muscle) {
  const [low, high] = layer.hu_range ?? [-32768, 32767];
  const { index, hu } = picture;
  return fill(new Uint8Array(index.length), (i) => {
    const native = index[i];
    if (layer.is_muscle) return muscle[native];
    return compartments[native] === layer.label && hu[native] >= low && hu[native] <= high ? 1 : 0;
  });
}

/** As `TypedArray.from` with a function, but several times as fast. */
function fill(array, valueAt) {
  for (let i = 0; i < array.length; i++) array[i] = valueAt(i);
  return array;
}

// ---- pictures of one displayed pixel per pixel, scaled when they are drawn ----

function bitmap({ rows, columns }, paint) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  paint(image.data);
  context.putImageData(image, 0, 0);
  return canvas;
}

function greyBitmap(picture, width, level) {
  const low = level - width / 2;
  return bitmap(picture, (rgba) => {
    for (let i = 0; i < picture.index.length; i++) {
      const grey = ((picture.hu[picture.index[i]] - low) * 255) / width;
      rgba[4 * i] = rgba[4 * i + 1] = rgba[4 * i + 2] = grey;
      rgba[4 * i + 3] = 255;
    }
  });
}

function layersBitmap(picture, layers) {
  return bitmap(picture, (rgba) => {
    for (const { mask, colour } of layers) {
      const pixel = [...colour, 255];
      for (let i = 0; i < mask.length; i++) if (mask[i]) rgba.set(pixel, 4 * i);
    }
  });
}

function spreadBitmap(picture, spread) {
  const colours = Array.from({ length: 256 }, (_, value) => [...heat(value / 255), Math.min(255, 3 * value)]);
  return bitmap(picture, (rgba) => {
    for (let i = 0; i < picture.index.length; i++) rgba.set(colours[spread[picture.index[i]]], 4 * i);
  });
}

function heat(share) {
  const at = Math.min(share, 0.9999) * (VIRIDIS.length - 1);
  const [from, to] = [VIRIDIS[Math.floor(at)], VIRIDIS[Math.floor(at) + 1]];
  return from.map((value, channel) => value + (to[channel] - value) * (at % 1));
}

/** The edges between pixels inside and outside of a mask, as a path in displayed pixels. */
function outline(mask, { rows, columns }) {
  const path = new Path2D();
  const edge = (u, v, du, dv) => { path.moveTo(u, v); path.lineTo(u + du, v + dv); };
  for (let v = 0, i = 0; v < rows; v++) {
    for (let u = 0; u < columns; u++, i++) {
      if (!mask[i]) continue;
      if (u === 0 || !mask[i - 1]) edge(u, v, 0, 1);
      if (u === columns - 1 || !mask[i + 1]) edge(u + 1, v, 0, 1);
      if (v === 0 || !mask[i - columns]) edge(u, v, 1, 0);
      if (v === rows - 1 || !mask[i + columns]) edge(u, v + 1, 1, 0);
    }
  }
  return path;
}

// ---- small helpers ----

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const signature = (strokes) => JSON.stringify(strokes.map((s) => [s.tool, s.path_xy, s.radius_px, s.within_muscle_hu]));
const adds = (tool) => tool === "brush" || tool === "polygon_add";
const isPolygon = (tool) => tool.startsWith("polygon");
const signed = (number) => String(Math.round(number)).replace("-", "−");

function element(tag, properties, children = []) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

/** Space and Enter belong to the button that has the focus, and every named key to a slider. */
function belongsToControl({ key, target: { localName } }) {
  if (localName === "input") return key === " " || key.length > 1;
  return localName === "button" && (key === " " || key === "Enter");
}

/** Append a point unless it lies too near to the last one. */
function extend(path, point) {
  const last = path.at(-1);
  if (!last || Math.hypot(point[0] - last[0], point[1] - last[1]) >= MIN_STEP_PX) path.push(point);
}

class Viewer {
  constructor(root, data) {
    this.root = root;
    this.memory = remembered(data);
    this.parts = Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.canvas = this.parts.canvas;
    this.canvas.viewer = this; // lets a test compare arrays instead of looking at pixels
    this.context = this.canvas.getContext("2d");
    Object.assign(this, { turn: 0, steps: 0, wheelRest: 0, quietUntil: 0, asked: 0, space: false });
    Object.assign(this, { data: null, picture: null, masks: null, cache: {} });
    Object.assign(this, { gesture: null, polygon: [], pointer: null, strokes: [], past: [], future: [] });
    Object.assign(this, { base: null, confirmed: "", confirmedCount: 0, sent: null });
    live.add(this);
    this.listen();
  }

  listen() {
    const on = (target, events) => Object.entries(events).forEach(([name, act]) => {
      target.addEventListener(name, act.bind(this), { passive: false });
    });
    on(this.root, { keydown: this.key, keyup: this.keyUp, click: this.click, input: this.input });
    on(this.canvas, {
      pointerdown: this.press, pointermove: this.move, pointerup: this.release, pointercancel: this.cancel,
      pointerleave: this.leave, dblclick: this.closePolygon, wheel: this.wheel,
      contextmenu: (event) => event.preventDefault(), blur: () => { this.space = false; },
    });
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.parts.stage);
  }

  dispose() {
    live.delete(this);
    this.observer.disconnect();
    clearTimeout(this.answerTimer);
    clearTimeout(this.scrollTimer);
  }

  // ---- what the server sends ----

  async receive(data) {
    const turn = ++this.turn;
    const same = this.picture?.key === data.slice_key;
    const picture = same ? this.picture : await decodePicture(data);
    const sameMasks = same && this.masks && this.masks.key === data.masks?.key;
    const masks = sameMasks ? this.masks : await decodeMasks(data.masks, picture);
    if (turn === this.turn) this.adopt(data, picture, masks); // else a newer payload has overtaken this one
  }

  adopt(data, picture, masks) {
    const sameSlice = this.data?.slice_index === data.slice_index && this.picture?.key === picture.key;
    if (picture !== this.picture) this.cache = {};
    else if (masks !== this.masks) this.cache = { grey: this.cache.grey };
    Object.assign(this, { data, picture, masks });
    if (!sameSlice) this.quietUntil = 0;
    this.memory.shown ??= masks && new Set(masks.layers.filter((layer) => layer.is_muscle).map((layer) => layer.name));
    this.adoptStrokes(data, sameSlice);
    this.build();
    this.resize();
  }

  adoptStrokes(data, sameSlice) {
    if (data.revision === this.base) return; // nothing new: what was painted since is still on its way
    const told = signature(data.strokes);
    const mine = sameSlice && told === this.sent;
    clearTimeout(this.answerTimer);
    Object.assign(this, { base: data.revision, confirmed: told, confirmedCount: data.strokes.length, sent: null });
    if (!mine) { // the server's list wins over the browser's
      Object.assign(this, { strokes: data.strokes, past: [], future: [] });
      this.cancel();
    }
    this.say("");
    this.flush();
  }

  /** Send the whole list, one message at a time: Streamlit loses an event that a later one overtakes. */
  flush() {
    const list = signature(this.strokes);
    if (this.sent !== null || list === this.confirmed) return;
    this.sent = list;
    this.say("Saving …");
    this.transmit({ base: this.base, strokes: this.strokes }, 1);
  }

  transmit(message, attempt) {
    this.send("strokes", message);
    this.answerTimer = setTimeout(() => {
      if (attempt < TRIES) return this.transmit(message, attempt + 1);
      this.sent = null;
      this.say("Not saved: no answer from the server", true);
    }, ANSWER_MS);
  }

  say(words, trouble = false) {
    this.parts.status.textContent = words;
    this.parts.status.classList.toggle("trouble", trouble);
  }

  // ---- toolbar ----

  build() {
    const { data, masks, parts } = this;
    parts.stage.style.height = `${data.height_px}px`;
    this.canvas.setAttribute("aria-label", `${data.caption} (? lists the hot keys)`);
    // What other slices of the series lack stays where it is, or the picture would jump while a person scrolls.
    this.memory.paints ||= data.editable;
    parts.painting.hidden = !this.memory.paints;
    parts.painting.inert = !data.editable;
    parts.style.inert = !masks || masks.preview;
    parts.layers.inert = !masks;
    parts.slider.hidden = data.slice_count < 2;
    parts.slice.max = data.slice_count - 1;
    parts.withinText.textContent = `${signed(data.muscle_hu[0])} to ${data.muscle_hu[1]} HU only`;
    this.buildButtons();
    const help = data.editable ? [...KEY_HELP, ...PAINT_HELP] : KEY_HELP;
    parts.keys.replaceChildren(...help.flatMap(([keys, words]) => [
      element("dt", { textContent: keys }), element("dd", { textContent: words }),
    ]));
  }

  /** Buttons of windows and layers; made again only when they change, so that none loses the focus. */
  buildButtons() {
    if (this.made && !this.masks) return;
    const { windows, editable } = this.data;
    const { layers = [], spread, compared } = this.masks ?? {};
    const comparable = Boolean(compared) || editable || this.made?.includes("comparable");
    const names = layers.map((layer) => layer.name);
    const made = JSON.stringify([windows, names, Boolean(spread), comparable ? "comparable" : ""]);
    if (made === this.made) return;
    this.made = made;
    this.parts.windows.replaceChildren(...windows.map(({ name }, i) => (
      button("window", i, name.replace(/ \(.*/, ""), `${name}, key ${i + 1}`))));
    const toggles = layers.map(({ name, colour }) => (
      button("layer", name, name.match(/\((.+)\)/)?.[1] ?? name, name, `rgb(${colour})`)));
    const scale = `linear-gradient(to right, ${VIRIDIS.map((colour) => `rgb(${colour})`)})`;
    if (spread) {
      toggles.push(button("uncertainty", "", "Uncertainty", "Uncertainty: spread of the AI's answers (u)", scale));
    }
    if (comparable) {
      toggles.push(button("ai", "", "AI outline", "AI outline: the AI's own muscle mask, once it is mended (a)"));
      toggles.push(button("changes", "", "Changes", "Changes: added and removed against the AI's own mask (d)"));
    }
    this.parts.layers.replaceChildren(...toggles);
    this.parts.legend.querySelector("i").style.background = scale;
    this.parts.legendTop.textContent = this.masks?.spreadTop ?? "";
  }

  /** Show in the toolbar and the corners what is set; then the picture. */
  refresh() {
    const { memory, parts, data } = this;
    if (!data) return;
    for (const each of this.root.querySelectorAll("button[data-do]")) {
      const pressed = this.isPressed(each.dataset.do, each.dataset.value);
      if (pressed !== undefined) each.setAttribute("aria-pressed", String(pressed));
    }
    const disable = (name, off) => {
      const found = this.root.querySelector(`[data-do="${name}"]`);
      if (found) found.disabled = off;
    };
    disable("ai", !this.masks?.compared);
    disable("changes", !this.masks?.compared);
    disable("undo", !this.past.length && !this.strokes.length);
    disable("reset", !this.strokes.length);
    disable("redo", !this.future.length);
    Object.assign(parts.opacity, { value: memory.opacity, disabled: memory.outlines });
    parts.radius.value = memory.radius;
    parts.radiusText.textContent = `${memory.radius} px`;
    Object.assign(parts.within, { checked: memory.within, disabled: Boolean(this.tool()) && !adds(this.tool()) });
    parts.legend.hidden = !(memory.uncertainty && this.masks?.spread);
    parts.level.textContent = `W ${signed(memory.window.width)}   L ${signed(memory.window.level)}`;
    this.refreshPlace();
    this.refreshCompared();
    parts.description.textContent = this.described();
    this.readOut();
    this.redraw();
  }

  /** Which slice is shown, or has been asked for. */
  refreshPlace() {
    const { data, parts } = this;
    const wanted = data.slice_count > 1 ? this.wanted() : data.slice_index;
    const words = [data.slice_count > 1 ? `Slice ${wanted} of 0–${data.slice_count - 1}` : `Slice ${wanted}`];
    const known = wanted === data.slice_index && data.z_mm !== null;
    if (known) words.push(`z ${data.z_mm.toFixed(1).replace("-", "−")} mm`);
    parts.place.textContent = words.join(", ");
    const measured = wanted === data.measured_index;
    parts.sliceText.textContent = words.join(", ") + (measured ? " (measured)" : "");
    parts.slice.value = wanted;
    parts.slice.setAttribute("aria-valuetext", parts.sliceText.textContent);
    const back = this.root.querySelector('[data-do="measured"]');
    back.hidden = data.measured_index === null || data.slice_count < 2;
    back.disabled = measured;
  }

  /** Legend of what is compared with the AI's own mask; areas in cm². */
  refreshCompared() {
    const { memory, parts, picture } = this;
    const compared = this.masks?.compared;
    const shown = { own: memory.ai, added: memory.changes, removed: memory.changes };
    const cm2 = ({ mask }) => (mask.reduce((sum, one) => sum + one, 0) * picture.spacing[0] * picture.spacing[1]) / 100;
    if (compared) compared.words ??= {
      own: "AI's own outline", added: `Added ${cm2(compared.added).toFixed(1)} cm²`,
      removed: `Removed ${cm2(compared.removed).toFixed(1)} cm²`,
    };
    const names = compared ? Object.keys(shown).filter((name) => shown[name]) : [];
    parts.compared.replaceChildren(...names.map((name) => {
      const chip = element("span", { className: "chip on" });
      chip.style.background = `rgb(${compared[name].colour})`;
      return element("li", {}, [chip, compared.words[name]]);
    }));
    parts.compared.hidden = !names.length;
  }

  /** The picture in words, for those who cannot see it. */
  described() {
    const { memory, masks, data } = this;
    const { width, level } = memory.window;
    const layers = masks ? this.shownLayers().map((layer) => layer.name) : [];
    const manner = masks?.preview ? "dashed outlines" : memory.outlines ? "outlines" : "areas";
    const tissues = layers.length ? `${layers.join(", ")} as ${manner}` : "none";
    const overlay = [this.comparing() ? "changes against the AI" : tissues];
    if (memory.uncertainty && masks?.spread) overlay.push("uncertainty of the AI");
    if (memory.ai && masks?.compared) overlay.push("outline of the AI's own mask");
    return `Window width ${width}, level ${level} HU. Overlay: ${overlay.join(", ")}. ${data.note}`.trim();
  }

  comparing() {
    return this.memory.changes && Boolean(this.masks?.compared);
  }

  /** Viewers that share the window show it at once. */
  refreshLinked() {
    for (const other of live) if (other !== this && other.memory.window === this.memory.window) other.refresh();
  }

  isPressed(what, value) {
    const { memory, data } = this;
    const { width, level } = data.windows[what === "window" ? value : 0];
    if (what === "window") return width === memory.window.width && level === memory.window.level;
    if (what === "layer") return Boolean(memory.shown?.has(value));
    if (what === "tool") return this.tool() === value;
    if (what === "ai" || what === "changes") return memory[what] && Boolean(this.masks?.compared);
    return { outlines: memory.outlines, uncertainty: memory.uncertainty }[what];
  }

  click(event) {
    const { do: what, value } = event.target.closest("button[data-do]")?.dataset ?? {};
    if (what && this.data) this.act(what, value);
  }

  input({ target }) {
    const { memory, parts } = this;
    if (target === parts.opacity) memory.opacity = Number(target.value);
    if (target === parts.radius) memory.radius = Number(target.value);
    if (target === parts.within) memory.within = target.checked;
    if (target === parts.slice) this.scroll(Number(target.value) - this.wanted());
    this.refresh();
  }

  /** Everything that a button or a key can ask for. */
  act(what, value) {
    const { memory, data } = this;
    const toggle = (set, name) => (set.delete(name) ? set : set.add(name));
    const deeds = {
      window: () => {
        Object.assign(memory.window, { width: data.windows[value].width, level: data.windows[value].level });
        this.refreshLinked();
      },
      layer: () => { memory.shown = toggle(memory.shown, value); this.cache.layers = null; },
      uncertainty: () => { memory.uncertainty = !memory.uncertainty; },
      ai: () => { memory.ai = !memory.ai; },
      changes: () => { memory.changes = !memory.changes; },
      outlines: () => { memory.outlines = !memory.outlines; },
      fit: () => this.fit(),
      zoomIn: () => this.zoomBy(ZOOM_STEP),
      zoomOut: () => this.zoomBy(1 / ZOOM_STEP),
      help: () => this.parts.help.showModal(),
      slice: () => this.scroll(value),
      measured: () => this.scroll((data.measured_index ?? this.wanted()) - this.wanted()),
      tool: () => { this.cancel(); memory.tool = value; },
      radius: () => this.resizeBrush(value),
      within: () => { memory.within = !memory.within; },
      undo: () => this.undo(),
      redo: () => this.redo(),
      reset: () => this.commit([]),
      close: () => this.closePolygon(),
      cancel: () => this.cancel(),
    };
    deeds[what]();
    this.refresh();
  }

  // ---- keys ----

  key(event) {
    if (!this.data || this.parts.help.open) return;
    if (belongsToControl(event)) return;
    const deed = this.deedOf(event);
    if (!deed) return;
    event.preventDefault();
    event.stopPropagation();
    if (deed[0] === "space") this.space = true;
    else this.act(...deed);
  }

  keyUp(event) {
    if (event.key === " ") this.space = false;
  }

  deedOf(event) {
    const key = event.key.toLowerCase();
    // AltGr types brackets on many keyboards, and looks like ctrl+alt.
    if (!event.getModifierState("AltGraph")) {
      if (event.ctrlKey || event.metaKey) return this.data.editable && this.historyDeed(key, event.shiftKey);
      if (event.altKey) return null;
    }
    if ("1234".includes(key) && this.data.windows[key - 1]) return ["window", key - 1];
    const always = {
      "+": ["zoomIn"], "=": ["zoomIn"], "-": ["zoomOut"], 0: ["fit"], l: ["outlines"], "?": ["help"], " ": ["space"],
      a: ["ai"], d: ["changes"], m: ["measured"], u: ["uncertainty"],
      arrowup: ["slice", 1], arrowdown: ["slice", -1], pageup: ["slice", 5], pagedown: ["slice", -5],
    };
    const painting = {
      b: ["tool", "brush"], e: ["tool", "eraser"], o: ["tool", "polygon_remove"], v: ["tool", ""],
      p: ["tool", event.shiftKey ? "polygon_remove" : "polygon_add"],
      "[": ["radius", -1], "]": ["radius", 1], h: ["within"], enter: ["close"], escape: ["cancel"],
    };
    return always[key] ?? (this.data.editable ? painting[key] : null);
  }

  historyDeed(key, shift) {
    if (key === "z") return [shift ? "redo" : "undo"];
    return key === "y" ? ["redo"] : null;
  }

  // ---- pointer ----

  tool() {
    return this.data?.editable ? this.memory.tool : "";
  }

  /** Position of an event on the canvas in CSS pixels. */
  position(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  /** Native pixel coordinates of a position on the canvas, not rounded. */
  nativeAt([px, py]) {
    const { a, d, e, f } = this.toScreen();
    return toNative(this.picture, (px - e) / a - 0.5, (py - f) / d - 0.5);
  }

  pointAt(event) {
    // The pointer may be dragged far out of a small picture; beyond this the server would refuse the stroke.
    return this.nativeAt(this.position(event)).map((value) => clamp(Math.round(value * 100) / 100, -9999, 9999));
  }

  press(event) {
    if (!this.picture || this.gesture) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.pointer = this.position(event);
    this.gesture = this.gestureOf(event);
    if (this.gesture) this.canvas.setPointerCapture(event.pointerId);
    this.refresh();
  }

  gestureOf(event) {
    if (event.button === 2) return this.windowing();
    if (event.button === 1 || this.space || !this.tool()) return this.panning();
    if (isPolygon(this.tool())) extend(this.polygon, this.pointAt(event));
    else return this.painting(event);
    return null;
  }

  windowing() {
    const { memory: { window: shared }, pointer: [x0, y0] } = this;
    const { width, level } = shared;
    const speed = Math.max(width / 300, 0.5); // HU per CSS pixel: fine in narrow windows, fast in wide ones
    return { move: () => {
      shared.width = Math.round(Math.max(width + (this.pointer[0] - x0) * speed, 1));
      shared.level = Math.round(level - (this.pointer[1] - y0) * speed);
      this.refreshLinked();
    } };
  }

  panning() {
    const { memory, pointer: [x0, y0] } = this;
    const [cx, cy] = memory.centre;
    return { move: () => {
      const [x, y] = this.pointer;
      Object.assign(memory, { centre: [cx - (x - x0) / memory.zoom, cy - (y - y0) / memory.zoom], fitted: false });
    } };
  }

  painting(event) {
    const stroke = this.newStroke([this.pointAt(event)]);
    return {
      stroke,
      move: (moved) => {
        const events = moved.getCoalescedEvents?.() ?? [];
        for (const each of events.length ? events : [moved]) extend(stroke.path_xy, this.pointAt(each));
        if (stroke.path_xy.length < this.data.limits.points - 100) return;
        this.add({ ...stroke, path_xy: stroke.path_xy.slice() }); // as long as a stroke may be: go on in a new one
        stroke.path_xy.splice(0, stroke.path_xy.length - 1);
      },
      end: () => this.add(stroke),
    };
  }

  newStroke(path) {
    const tool = this.tool();
    // What is taken away is taken away whatever its HU, or a freely painted pixel could never be erased.
    return { tool, path_xy: path, radius_px: this.memory.radius, within_muscle_hu: adds(tool) && this.memory.within };
  }

  move(event) {
    if (!this.picture) return;
    this.pointer = this.position(event);
    this.gesture?.move(event);
    if (this.gesture && !this.gesture.stroke) this.refresh();
    this.readOut();
    this.redraw();
  }

  release() {
    const { gesture } = this;
    this.gesture = null;
    gesture?.end?.();
    this.refresh();
  }

  leave() {
    if (!this.gesture) this.pointer = null;
    this.readOut();
    this.redraw();
  }

  cancel() {
    this.gesture = null;
    this.polygon = [];
    this.redraw();
  }

  closePolygon() {
    const path = this.polygon;
    if (path.length < 3) return;
    this.polygon = [];
    this.add(this.newStroke(path));
  }

  /** Half pixels for small brushes, whole ones above 4. */
  resizeBrush(direction) {
    const { memory } = this;
    const step = memory.radius + direction / 4 > 4 ? 1 : 0.5;
    memory.radius = clamp(memory.radius + direction * step, 0.5, 30);
  }

  add(stroke) {
    this.commit([...this.strokes, stroke]);
  }

  /** Take a new list of strokes; the one before can be had again. */
  commit(strokes) {
    this.change(strokes, [...this.past, this.strokes], []);
  }

  /** The list before the last change; of strokes from an earlier visit one after the other. */
  undo() {
    if (!this.past.length && !this.strokes.length) return;
    const before = this.past.at(-1) ?? this.strokes.slice(0, -1);
    this.change(before, this.past.slice(0, -1), [...this.future, this.strokes]);
  }

  redo() {
    const [after] = this.future.slice(-1);
    if (after) this.change(after, [...this.past, this.strokes], this.future.slice(0, -1));
  }

  /** Take a list of strokes with its history and tell the server. */
  change(strokes, past, future) {
    if (strokes.length > this.data.limits.strokes) {
      this.say(`A correction has at most ${this.data.limits.strokes} strokes`, true);
      return;
    }
    Object.assign(this, { strokes, past, future });
    this.flush();
    this.refresh();
  }

  // ---- other slices ----

  wheel(event) {
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      this.pointer = this.position(event);
      this.zoomBy(Math.exp(-clamp(event.deltaY, -100, 100) * 0.003));
    } else if (this.data?.slice_count > 1) {
      event.preventDefault();
      this.scroll(-this.wheelSteps(event));
    }
  }

  /** A notch of a wheel is one slice; the small steps of a touch pad are gathered. */
  wheelSteps(event) {
    if (event.deltaMode !== 0 || Math.abs(event.deltaY) >= 50) return Math.sign(event.deltaY);
    this.wheelRest += event.deltaY;
    const steps = Math.trunc(this.wheelRest / 50);
    this.wheelRest -= 50 * steps;
    return steps;
  }

  scroll(steps) {
    if (this.gesture || this.polygon.length) return; // a slip of the wheel must not lose what is being drawn
    this.steps += steps;
    this.refreshPlace();
    this.scrollTimer ??= setTimeout(() => this.sendScroll(), SCROLL_MS);
  }

  /** The slice that will be shown when every wish is fulfilled. */
  wanted() {
    const from = Date.now() < this.quietUntil ? this.asked : this.data.slice_index;
    return clamp(from + this.steps, 0, this.data.slice_count - 1);
  }

  /** Ask for another slice, but never while an earlier wish or a stroke is under way. */
  sendScroll() {
    this.scrollTimer = null;
    if (this.sent !== null || Date.now() < this.quietUntil) {
      this.scroll(0);
      return;
    }
    const asked = this.wanted();
    const delta = asked - this.data.slice_index;
    this.steps = 0;
    if (!delta) return;
    Object.assign(this, { asked, quietUntil: Date.now() + SCROLL_ANSWER_MS });
    this.send("scroll", delta);
  }

  // ---- zoom ----

  size() {
    return [this.canvas.clientWidth, this.canvas.clientHeight];
  }

  resize() {
    const [width, height] = this.size();
    if (!width || !height || !this.picture) return;
    const ratio = window.devicePixelRatio || 1;
    Object.assign(this.canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    const format = JSON.stringify([this.picture.rows, this.picture.columns, this.picture.spacing]);
    const known = this.memory.format === format;
    this.memory.format = format;
    const resized = this.lastSize !== `${width}x${height}`;
    this.lastSize = `${width}x${height}`;
    // Another slice of the same series keeps its place; another size of canvas or pixels does not.
    if (!known || (this.memory.fitted && resized)) this.fit();
    this.refresh();
  }

  fit() {
    const [top, left, bottom, right] = this.data.body_box;
    const [dv, du] = this.picture.spacing;
    const [width, height] = this.size();
    const zoom = Math.min(width / ((right - left) * du), height / ((bottom - top) * dv));
    const centre = [((left + right) / 2) * du, ((top + bottom) / 2) * dv];
    Object.assign(this.memory, { zoom, centre, fitted: true });
  }

  /** Zoom around the pointer, or the middle where there is none. */
  zoomBy(factor) {
    const { memory } = this;
    const [width, height] = this.size();
    const [px, py] = this.pointer ?? [width / 2, height / 2];
    const zoom = clamp(memory.zoom * factor, 0.2, MAX_ZOOM);
    const move = 1 / memory.zoom - 1 / zoom;
    const [cx, cy] = memory.centre;
    const centre = [cx + (px - width / 2) * move, cy + (py - height / 2) * move];
    Object.assign(memory, { zoom, centre, fitted: false });
    this.refresh();
  }

  /** Displayed pixels (a pixel covers [u, u + 1]) to CSS pixels of the canvas. */
  toScreen() {
    const { zoom, centre } = this.memory;
    const [dv, du] = this.picture.spacing;
    const [width, height] = this.size();
    return new DOMMatrix([du * zoom, 0, 0, dv * zoom, width / 2 - centre[0] * zoom, height / 2 - centre[1] * zoom]);
  }

  // ---- drawing ----

  readOut() {
    const { picture, pointer, parts } = this;
    parts.readout.textContent = "";
    if (!picture || !pointer) return;
    const [u, v] = toDisplay(picture, this.nativeAt(pointer)).map(Math.round);
    if (u < 0 || v < 0 || u >= picture.columns || v >= picture.rows) return;
    const native = picture.index[v * picture.columns + u];
    const [x, y] = [native % picture.nativeColumns, Math.floor(native / picture.nativeColumns)];
    parts.readout.textContent = `x ${x}  y ${y}   ${signed(picture.hu[native])} HU`;
  }

  /** Draw with the next frame, however often this is asked for. */
  redraw() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      if (this.picture && this.memory.zoom) this.draw();
    });
  }

  draw() {
    const { context, memory, masks } = this;
    const [width, height] = this.size();
    const ratio = window.devicePixelRatio || 1;
    const matrix = this.toScreen();
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.fillStyle = "#000";
    context.fillRect(0, 0, width, height);
    context.save();
    context.transform(matrix.a, 0, 0, matrix.d, matrix.e, matrix.f);
    this.drawBitmaps();
    this.drawStrokes();
    context.restore();
    if (masks) this.drawOutlines(matrix);
    this.drawPolygon(matrix);
    this.drawBrush(matrix);
    this.annotate(width, height);
  }

  drawBitmaps() {
    const { context, memory, masks, picture } = this;
    context.imageSmoothingEnabled = true;
    context.imageSmoothingQuality = "high";
    context.drawImage(this.grey(), 0, 0);
    if (!masks) return;
    context.imageSmoothingEnabled = false; // a mask is what it is, pixel by pixel
    context.globalAlpha = this.comparing() ? CHANGES_OPACITY : memory.opacity;
    if (this.comparing()) {
      this.cache.changes ??= layersBitmap(picture, [masks.compared.added, masks.compared.removed]);
      context.drawImage(this.cache.changes, 0, 0);
    } else if (!memory.outlines && !masks.preview) {
      this.cache.layers ??= layersBitmap(picture, this.shownLayers());
      context.drawImage(this.cache.layers, 0, 0);
    }
    context.globalAlpha = memory.opacity;
    if (memory.uncertainty && masks.spread) {
      this.cache.spread ??= spreadBitmap(picture, masks.spread);
      context.imageSmoothingEnabled = true;
      context.drawImage(this.cache.spread, 0, 0);
    }
    context.globalAlpha = 1;
  }

  grey() {
    const { width, level } = this.memory.window;
    const window = `${width}/${level}`;
    if (this.cache.grey?.window !== window) {
      this.cache.grey = { window, bitmap: greyBitmap(this.picture, width, level) };
    }
    return this.cache.grey.bitmap;
  }

  /** Layers that are on, muscle last: a pixel that is muscle is shown as muscle. */
  shownLayers() {
    const shown = this.masks.layers.filter((layer) => this.memory.shown?.has(layer.name));
    return shown.sort((one, other) => one.is_muscle - other.is_muscle);
  }

  drawOutlines(matrix) {
    const { memory, masks: { preview, compared }, context } = this;
    const layers = (memory.outlines || preview) && !this.comparing() ? this.shownLayers() : [];
    context.setLineDash(preview ? PREVIEW_DASH : []);
    for (const layer of layers) this.line(this.outlineOf(layer, matrix), `rgb(${layer.colour})`, 1.5);
    context.setLineDash([]);
    if (!memory.ai || !compared) return;
    const path = this.outlineOf(compared.own, matrix);
    this.line(path, "rgb(0 0 0 / 0.8)", 3); // white alone would drown in bone
    this.line(path, `rgb(${compared.own.colour})`, 1.25);
  }

  outlineOf(layer, matrix) {
    layer.outline ??= outline(layer.mask, this.picture);
    const path = new Path2D();
    path.addPath(layer.outline, matrix); // the line keeps its width whatever the zoom and the shape of pixels
    return path;
  }

  line(path, colour, width) {
    Object.assign(this.context, { strokeStyle: colour, lineWidth: width, lineCap: "round", lineJoin: "round" });
    this.context.stroke(path);
  }

  /** What is not yet in the server's mask: the stroke under the pointer, and those that are on their way. */
  drawStrokes() {
    const { context, gesture } = this;
    const pending = this.strokes.slice(this.confirmedCount);
    for (const stroke of gesture?.stroke ? [...pending, gesture.stroke] : pending) {
      const colour = this.strokeColour(stroke.tool, 0.55);
      if (isPolygon(stroke.tool)) {
        context.fillStyle = colour;
        context.fill(this.pathOf(stroke.path_xy), "evenodd");
      } else {
        this.line(this.pathOf(stroke.path_xy), colour, 2 * stroke.radius_px);
      }
    }
  }

  strokeColour(tool, opacity) {
    const muscle = this.masks?.layers.find((layer) => layer.is_muscle)?.colour ?? [213, 94, 0];
    return `rgb(${adds(tool) ? muscle : [225, 235, 245]} / ${opacity})`.replaceAll(",", " ");
  }

  /** A path of native points in displayed pixels. */
  pathOf(points) {
    const path = new Path2D();
    for (const [u, v] of points.map((point) => toDisplay(this.picture, point))) path.lineTo(u + 0.5, v + 0.5);
    if (points.length === 1) path.closePath(); // gives a dot with round ends
    return path;
  }

  drawPolygon(matrix) {
    if (!this.polygon.length) return;
    const points = this.pointer ? [...this.polygon, this.nativeAt(this.pointer)] : this.polygon;
    const path = new Path2D();
    path.addPath(this.pathOf(points), matrix);
    this.context.fillStyle = this.strokeColour(this.tool(), 0.25);
    this.context.fill(path, "evenodd");
    this.line(path, this.strokeColour(this.tool(), 1), 1.5);
    for (const [u, v] of this.polygon.map((point) => toDisplay(this.picture, point))) {
      const corner = matrix.transformPoint({ x: u + 0.5, y: v + 0.5 });
      this.context.fillStyle = "#fff";
      this.context.fillRect(corner.x - 2, corner.y - 2, 4, 4);
    }
  }

  /** Ring of the brush: an ellipse where pixels are not square. */
  drawBrush(matrix) {
    const brush = this.tool() && !isPolygon(this.tool()) && !this.space;
    this.canvas.style.cursor = this.tool() ? "crosshair" : "default";
    if (!brush || !this.pointer) return;
    const { radius } = this.memory;
    const ring = new Path2D();
    ring.ellipse(...this.pointer, radius * matrix.a, radius * matrix.d, 0, 0, 2 * Math.PI);
    this.line(ring, "rgb(0 0 0 / 0.7)", 3);
    this.line(ring, this.strokeColour(this.tool(), 1), 1.5);
  }

  annotate(width, height) {
    const { letters, burnt_in: words } = this.data;
    this.write(letters.left, 14, height / 2, 18);
    this.write(letters.right, width - 14, height / 2, 18);
    this.write(letters.top, width / 2, 16, 18);
    this.write(letters.bottom, width / 2, height - 16, 18);
    this.write(words, 12, height - 16, 13, "left");
    this.write(this.data.note, 12, height - 36, 15, "left");
    this.drawScaleBar(width - 16, height - 16);
  }

  write(text, x, y, size, align = "center") {
    const font = `600 ${size}px ${getComputedStyle(this.root).fontFamily}`;
    Object.assign(this.context, { font, textAlign: align, textBaseline: "middle", fillStyle: "#dfe6ec" });
    Object.assign(this.context, { strokeStyle: "rgb(0 0 0 / 0.8)", lineWidth: 3, lineJoin: "round" });
    this.context.strokeText(text, x, y);
    this.context.fillText(text, x, y);
  }

  drawScaleBar(right, base) {
    const { zoom } = this.memory;
    const wide = this.data.scale_bar_mm * zoom > this.size()[0] / 2; // zoomed far in: a bar of 1 cm
    const mm = wide ? 10 : this.data.scale_bar_mm;
    const left = right - mm * zoom;
    const bar = new Path2D();
    for (const [x, y] of [[left, base - 5], [left, base], [right, base], [right, base - 5]]) bar.lineTo(x, y);
    this.line(bar, "rgb(0 0 0 / 0.8)", 4);
    this.line(bar, "#dfe6ec", 2);
    this.write(`${mm / 10} cm`, right - (mm * zoom) / 2, base - 14, 13);
  }
}

function button(what, value, text, title, colour) {
  const made = element("button", { type: "button", title, ariaLabel: title });
  Object.assign(made.dataset, { do: what, value });
  if (colour) {
    const chip = element("span", { className: "chip" });
    chip.style.background = colour;
    made.append(chip);
  }
  made.append(text);
  return made;
}
