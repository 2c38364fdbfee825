/**
 * The playground: a network that trains in the kernel, drawn many times a second.
 *
 * The board asks for the next frame when it begins to paint the last one: Python trains for a
 * moment while the browser paints, and answers. At most one frame is under way, so nothing piles
 * up, and a board that is gone asks for nothing.
 *
 * Request:  { kind: "frame", play, action, settings, state, focus }, all but kind optional
 *             play      train for a slice of time before answering
 *             action    "play", "pause", "step", "reset" or "reseed"
 *             settings  changed settings by name; state: a state string
 *             focus     [column, unit] for the large picture, null for the output
 *           { kind: "hello" } asks for everything, { kind: "program" } for the program's text.
 * Answer:   a header and arrays; frames.py describes them.
 */

const ELSEWHERE = 700; // ms after a frame of another view for which the board counts as playing
const MAP_SIZE = 60;
const THUMB_SIZE = 20;
const CLASS_COLORS = ["blue", "orange", "green", "purple", "yellow", "sky", "vermillion", "black"];
const CLASS_MARKERS = ["circle", "square", "diamond", "triangle", "circle", "square", "diamond", "triangle"];
const GROUPS = { thousands: new Intl.NumberFormat("en-US") };

/** The arrays of a frame by name. */
function unpackArrays(header, bytes) {
  const found = {};
  for (const [name, kind, start, count] of header.arrays ?? []) {
    const Kind = kind === "f4" ? Float32Array : Uint8Array;
    found[name] = new Kind(bytes.buffer, start, count);
  }
  return found;
}

const whole = (number) => GROUPS.thousands.format(number);
const lossText = (loss) => (loss === null || loss === undefined ? "\u2013" : loss < 0.001 ? prettyMinus(loss.toExponential(1)) : loss.toPrecision(3));
const shareText = (share) => (share === null || share === undefined ? "" : `${(100 * share).toFixed(share > 0.995 && share < 1 ? 1 : 0)}%`);

/** Make a canvas as sharp as the screen; returns its context in CSS pixels. */
function sharpen(canvas, width, height) {
  const scale = Math.max(1, window.devicePixelRatio || 1);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== w || canvas.height !== h) {
    [canvas.width, canvas.height] = [w, h];
    Object.assign(canvas.style, { width: `${width}px`, height: `${height}px` });
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/**
 * Paint bytes through a table of 256 colors: square pictures of `size` points below each other,
 * each with its row 0 at the bottom.
 */
function paintLevels(canvas, levels, size, table) {
  const height = levels.length / size;
  if (canvas.width !== size || canvas.height !== height) [canvas.width, canvas.height] = [size, height];
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, height);
  for (let k = 0; k < levels.length; k += 1) {
    const row = Math.floor(k / size);
    const inPicture = row % size;
    const at = 4 * ((row - inPicture + size - 1 - inPicture) * size + (k % size));
    const [r, g, b] = table[levels[k]];
    image.data[at] = r;
    image.data[at + 1] = g;
    image.data[at + 2] = b;
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Paint the winning class, stronger where the network is surer. */
function paintClasses(canvas, levels, size, frame) {
  [canvas.width, canvas.height] = [size, size];
  const colors = CLASS_COLORS.map((name) => readColor(frame.color(name)));
  const ground = readColor(frame.color("ground"));
  const context = canvas.getContext("2d");
  const image = context.createImageData(size, size);
  for (let k = 0; k < size * size; k += 1) {
    const share = (0.6 * levels[size * size + k]) / 255;
    const at = 4 * ((size - 1 - Math.floor(k / size)) * size + (k % size));
    for (let c = 0; c < 3; c += 1) {
      image.data[at + c] = ground[c] + share * (colors[levels[k]][c] - ground[c]);
    }
    image.data[at + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

// --- Settings ------------------------------------------------------------------------------------

/** One setting; `show(value)` brings it in line, `changed(name, value)` tells of the reader. */
class Setting {
  constructor(spec, changed) {
    Object.assign(this, { spec, id: freshId() });
    this.tell = (value) => changed(spec.name, value);
    this.build();
  }

  label() {
    return html("label", { for: this.id }, this.spec.label);
  }
}

class ChoiceSetting extends Setting {
  build() {
    this.select = html("select", { id: this.id });
    this.element = html("div", { class: "nnx-choice nnp-setting" }, this.label(), this.select);
    this.select.addEventListener("change", () =>
      this.tell(this.spec.values[this.select.selectedIndex][0]),
    );
    this.fill(this.spec.values);
  }

  /** Offer these values; used when the losses change with the data. */
  fill(values) {
    if (this.select.options.length && JSON.stringify(values) === JSON.stringify(this.spec.values)) return;
    this.spec.values = values;
    this.select.replaceChildren(...values.map(([, label]) => html("option", {}, label)));
  }

  show(value) {
    let index = this.spec.values.findIndex(([one]) => one === value);
    if (index < 0 && typeof value === "number") {
      // A state may hold a number that is not on the list.
      this.fill([...this.spec.values, [value, String(value)]]);
      index = this.spec.values.length - 1;
    }
    this.select.selectedIndex = index;
  }
}

class SliderSetting extends Setting {
  build() {
    const last = this.spec.values.length - 1;
    this.value = html("span", { class: "nnx-value", "aria-hidden": "true" });
    this.range = html("input", { type: "range", id: this.id, min: 0, max: last, step: 1 });
    const head = html("div", { class: "nnp-slider-head" }, this.label(), this.value);
    this.element = html("div", { class: "nnp-setting nnp-slider" }, head, this.range);
    this.range.addEventListener("input", () => {
      const value = this.spec.values[Number(this.range.value)];
      this.write(value);
      this.tell(value);
    });
  }

  show(value) {
    const gaps = this.spec.values.map((one) => Math.abs(Math.log((one + 1e-6) / (value + 1e-6))));
    this.range.value = gaps.indexOf(Math.min(...gaps));
    this.write(value);
  }

  write(value) {
    const text = String(Number(value.toPrecision(4)));
    this.value.textContent = text;
    this.range.setAttribute("aria-valuetext", text);
  }
}

class ChecksSetting extends Setting {
  build() {
    this.boxes = this.spec.values.map(([name, label]) => {
      const box = html("input", { type: "checkbox", value: name });
      box.addEventListener("change", () => this.pick(box));
      return box;
    });
    const labels = this.spec.values.map(([, label], k) =>
      html("label", { class: "nnp-check" }, this.boxes[k], label),
    );
    this.element = html(
      "fieldset",
      { class: "nnp-setting nnp-checks" },
      html("legend", {}, this.spec.label),
      ...labels,
    );
  }

  pick(box) {
    const names = this.boxes.filter((one) => one.checked).map((one) => one.value);
    if (names.length === 0) box.checked = true; // a network needs an input
    else this.tell(names);
  }

  show(names) {
    for (const box of this.boxes) box.checked = names.includes(box.value);
  }
}

const SETTINGS = { choice: ChoiceSetting, slider: SliderSetting, checks: ChecksSetting };

// --- The network ---------------------------------------------------------------------------------

/** Columns of units with their responses, joined by weights; the reader adds and removes units. */
class NetworkView {
  constructor(spec, frame, { focus, resize }) {
    Object.assign(this, { spec, frame, onFocus: focus, onResize: resize, columns: [], shape: "" });
    this.editable = this.mayEdit;
    this.canvas = html("canvas", { class: "nnp-edges", "aria-hidden": "true" });
    this.thumbs = document.createElement("canvas"); // all responses, below each other
    this.heads = html("div", { class: "nnp-heads" });
    this.units = html("div", { class: "nnp-units" });
    this.stage = html("div", { class: "nnp-stage" }, this.canvas, this.units);
    this.key = html(
      "p",
      { class: "nnp-help nnp-key" },
      html("span", { class: "nnp-plus" }),
      "positive weight",
      html("span", { class: "nnp-minus" }),
      "negative weight; thicker is larger. Point at a unit to enlarge it, click to keep it.",
    );
    const layers = this.editable ? [this.layerRow()] : [];
    this.remark = html("p", { class: "nnp-help", hidden: "" });
    this.element = html(
      "div",
      { class: "nnp-net" },
      ...layers,
      this.heads,
      this.stage,
      this.remark,
      this.key,
    );
  }

  get mayEdit() {
    return !this.spec.own_model && !this.spec.hidden.includes("hidden");
  }

  layerRow() {
    this.layerText = html("span", { class: "nnp-layer-count" });
    this.fewer = button("\u2212", () => this.changeLayers(-1), { "aria-label": "Remove the last hidden layer" });
    this.more = button("+", () => this.changeLayers(1), { "aria-label": "Add a hidden layer" });
    return html("div", { class: "nnp-layers nnx-buttons" }, this.layerText, this.fewer, this.more);
  }

  changeLayers(by) {
    const hidden = [...this.hidden];
    if (by > 0) hidden.push(hidden.at(-1) ?? 4);
    else hidden.pop();
    this.onResize(hidden);
  }

  changeUnits(layer, by) {
    const hidden = [...this.hidden];
    hidden[layer] = clamp(hidden[layer] + by, 1, this.spec.most.units);
    this.onResize(hidden);
  }

  /** Take the settings that say how the network is built. */
  configure(settings) {
    this.inputs = (settings.features ?? []).map(
      (name) => this.spec.features.find(([one]) => one === name)[1],
    );
    if (!this.editable || !settings.hidden) return;
    this.hidden = settings.hidden;
    const count = this.hidden.length;
    this.layerText.textContent = `Hidden layers: ${count}`;
    this.fewer.disabled = count === 0;
    this.more.disabled = count >= this.spec.most.layers;
    this.shape = ""; // the steppers may have reached their ends
  }

  /** Draw a frame; `focus` is the unit that the large picture shows. */
  draw(header, arrays, focus) {
    const shape = JSON.stringify([header.columns, this.hidden, this.inputs, this.stage.clientWidth]);
    if (shape !== this.shape) this.rebuild(header, shape);
    const context = sharpen(this.canvas, this.stage.clientWidth || 560, this.height);
    this.drawEdges(context, header, arrays, focus);
    this.drawThumbs(context, arrays.thumbs);
    this.columns.forEach((column, c) =>
      column.units.forEach(({ element }, u) =>
        element.classList.toggle("nnp-focused", focus?.[0] === c && focus?.[1] === u),
      ),
    );
  }

  /** The units' responses, on one canvas: many small ones cost the browser more. */
  drawThumbs(context, levels) {
    paintLevels(this.thumbs, levels, THUMB_SIZE, this.frame.theme.table("diverging"));
    context.globalAlpha = 1;
    const [size, half] = [this.size, this.size / 2];
    this.columns
      .flatMap((column) => column.units)
      .forEach(({ x, y }, k) => {
        const from = [0, k * THUMB_SIZE + 0.5, THUMB_SIZE, THUMB_SIZE - 1]; // no neighbor shines in
        context.drawImage(this.thumbs, ...from, x - half, y - half, size, size);
      });
  }

  rebuild(header, shape) {
    this.shape = shape;
    const width = this.stage.clientWidth || 560;
    const most = Math.max(...header.columns.map((column) => column.shown), 4);
    this.size = clamp(Math.floor(width / header.columns.length) - 18, 26, most > 6 ? 36 : 44);
    this.height = most * (this.size + 9) + 6;
    this.stage.style.height = `${this.height}px`;
    const kept = document.activeElement?.getAttribute?.("data-unit");
    const label = document.activeElement?.getAttribute?.("aria-label");
    const inside = this.element.contains(document.activeElement);
    const edge = Math.max(this.size / 2 + 2, 27);
    const gap = (width - 2 * edge) / Math.max(1, header.columns.length - 1);
    this.columns = header.columns.map((column, c) => this.makeColumn(header, c, edge + c * gap));
    this.units.replaceChildren(...this.columns.flatMap(({ units }) => units.map((u) => u.element)));
    this.heads.replaceChildren(...this.columns.map(({ head }) => head));
    const skipped = header.skipped ? `${header.skipped} further layers are not drawn.` : "";
    this.remark.textContent = skipped;
    this.remark.hidden = !skipped;
    if (inside) this.restoreFocus(kept, label);
  }

  /** The element that had the keyboard's focus may have been made anew. */
  restoreFocus(unit, label) {
    const query = unit ? `[data-unit="${unit}"]` : `[aria-label="${CSS.escape(label)}"]`;
    this.element.querySelector(query)?.focus({ preventScroll: true });
  }

  makeColumn(header, c, x) {
    const { shown, total } = header.columns[c];
    const place = c === 0 ? "input" : c === header.columns.length - 1 ? "output" : "hidden";
    const units = Array.from({ length: shown }, (_, u) => {
      const y = ((u + 0.5) / shown) * this.height;
      return { ...this.makeUnit(place, c, u, shown), x, y };
    });
    for (const { element, x: left, y } of units) {
      const [size, half] = [`${this.size}px`, this.size / 2];
      Object.assign(element.style, { left: `${left - half}px`, top: `${y - half}px`, width: size, height: size });
    }
    return { units, head: this.makeHead(place, c, shown, total, x) };
  }

  makeUnit(place, c, u, shown) {
    const names = {
      input: `Input ${this.inputs?.[u] ?? u + 1}`,
      hidden: `Hidden layer ${c}, unit ${u + 1} of ${shown}`,
      output: shown > 1 ? `Output ${u}` : "Output",
    };
    const element = html("button", {
      type: "button",
      class: "nnp-unit",
      "aria-label": names[place],
      "data-unit": `${c}-${u}`,
    });
    if (place === "input" && this.inputs?.[u]) element.append(html("span", { class: "nnp-input-name" }, this.inputs[u]));
    const focus = place === "output" ? null : [c, u];
    for (const kind of ["pointerenter", "focus"]) element.addEventListener(kind, () => this.onFocus(focus, kind));
    for (const kind of ["pointerleave", "blur"]) element.addEventListener(kind, () => this.onFocus(null, kind));
    element.addEventListener("click", () => this.onFocus(focus, "click"));
    return { element, name: names[place] };
  }

  makeHead(place, c, shown, total, x) {
    const title = { input: "Inputs", hidden: `Hidden ${c}`, output: "Output" }[place];
    const head = html("div", { class: "nnp-head", style: `left: ${x}px` }, html("b", {}, title));
    if (place !== "hidden") return head;
    const count = total > shown ? `${shown} of ${total}` : `${total} ${total === 1 ? "unit" : "units"}`;
    head.append(html("span", {}, count));
    if (!this.editable) return head;
    const layer = c - 1;
    const fewer = button("\u2212", () => this.changeUnits(layer, -1), { "aria-label": `Remove a unit of hidden layer ${c}` });
    const more = button("+", () => this.changeUnits(layer, 1), { "aria-label": `Add a unit to hidden layer ${c}` });
    fewer.disabled = total <= 1;
    more.disabled = total >= this.spec.most.units;
    head.append(html("span", { class: "nnp-stepper nnx-buttons" }, fewer, more));
    return head;
  }

  drawEdges(context, header, arrays, focus) {
    const colors = ["blue", "orange"].map((name) => this.frame.color(name));
    const largest = Math.max(1, ...arrays.weights.map(Math.abs));
    let start = 0;
    header.weights.forEach((shape, c) => {
      if (!shape) return;
      const [rows, columns] = shape;
      for (let row = 0; row < rows; row += 1) {
        for (let column = 0; column < columns; column += 1) {
          const weight = arrays.weights[start + row * columns + column] / largest;
          const touched = !focus || (focus[0] === c && focus[1] === column) || (focus[0] === c + 1 && focus[1] === row);
          context.globalAlpha = touched ? 0.9 : 0.15;
          this.drawEdge(context, this.columns[c].units[column], this.columns[c + 1].units[row], weight, colors);
        }
      }
      start += rows * columns;
    });
    context.setLineDash([]);
  }

  drawEdge(context, from, to, weight, [minus, plus]) {
    if (!from || !to || !Number.isFinite(weight)) return;
    const [x0, x1] = [from.x + this.size / 2, to.x - this.size / 2];
    const middle = (x0 + x1) / 2;
    context.lineWidth = 0.4 + 5.6 * Math.abs(weight);
    context.strokeStyle = weight < 0 ? minus : plus;
    context.setLineDash(weight < 0 ? [5, 3] : []);
    context.beginPath();
    context.moveTo(x0, from.y);
    context.bezierCurveTo(middle, from.y, middle, to.y, x1, to.y);
    context.stroke();
  }
}

// --- The large picture ---------------------------------------------------------------------------

const MARGIN = { left: 30, bottom: 20, top: 6, right: 6 };

/** The plane: the response of the output or of one unit, and the points. */
class SurfaceView {
  constructor(frame, showTest) {
    Object.assign(this, { frame, size: 0, showTest });
    this.heat = square(MAP_SIZE, "nnp-heat");
    this.front = html("canvas", { class: "nnp-front" });
    this.caption = html("p", { class: "nnp-heading nnp-caption" });
    this.plot = html("div", { class: "nnp-plot", role: "img" }, this.heat, this.front);
    this.legend = html("div", { class: "nnp-scale" });
    this.element = html("div", { class: "nnp-surface" }, this.caption, this.plot, this.legend);
  }

  setPoints(points, bytes) {
    this.points = points;
    this.tables = unpackArrays(points, bytes);
    this.size = 0; // draw them again
  }

  /** Draw the large picture: `surface` says what it is, `levels` holds its bytes. */
  draw({ surface, levels, size, title }, alt) {
    this.layOut();
    if (surface.kind === "classes") paintClasses(this.heat, levels, size, this.frame);
    else paintLevels(this.heat, levels, size, this.frame.theme.table("diverging"));
    if (this.caption.textContent !== title) this.caption.textContent = title;
    if (this.plot.getAttribute("aria-label") !== alt) this.plot.setAttribute("aria-label", alt);
    this.drawLegend(surface);
  }

  layOut() {
    const size = clamp(this.element.clientWidth || 330, 200, 360);
    if (size === this.size && this.theme === this.frame.theme.name) return;
    [this.size, this.theme, this.legendKey] = [size, this.frame.theme.name, ""];
    this.plot.style.width = this.plot.style.height = `${size}px`;
    const [width, height] = [size - MARGIN.left - MARGIN.right, size - MARGIN.top - MARGIN.bottom];
    Object.assign(this.heat.style, {
      left: `${MARGIN.left}px`,
      top: `${MARGIN.top}px`,
      width: `${width}px`,
      height: `${height}px`,
    });
    const context = sharpen(this.front, size, size);
    if (this.points) this.drawFront(context, width, height);
  }

  drawFront(context, width, height) {
    const [left, right, bottom, top] = this.points.limits;
    const x = makeScale(left, right, "linear", MARGIN.left, MARGIN.left + width);
    const y = makeScale(bottom, top, "linear", MARGIN.top + height, MARGIN.top);
    context.strokeStyle = this.frame.color("edge");
    context.strokeRect(MARGIN.left, MARGIN.top, width, height);
    context.fillStyle = this.frame.color("ink");
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    for (const [value, label] of makeTicks(left, right, "linear", 5)) context.fillText(label, x(value), MARGIN.top + height + 14);
    context.textAlign = "right";
    for (const [value, label] of makeTicks(bottom, top, "linear", 5)) context.fillText(label, MARGIN.left - 5, y(value) + 4);
    if (this.tables.test && this.showTest) this.drawPoints(context, this.tables.test, x, y, true);
    this.drawPoints(context, this.tables.train, x, y, false);
  }

  drawPoints(context, table, x, y, hollow) {
    const ground = this.frame.color("ground");
    const regression = this.points.task === "regression";
    const scale = regression ? Math.max(...table.filter((_, k) => k % 3 === 2).map(Math.abs), 1e-9) : 1;
    for (let k = 0; k < table.length; k += 3) {
      const target = table[k + 2];
      const color = regression ? this.shade(target / scale) : this.frame.color(CLASS_COLORS[target] ?? "black");
      const path = new Path2D(MARKERS[regression ? "circle" : (CLASS_MARKERS[target] ?? "circle")](x(table[k]), y(table[k + 1]), hollow ? 2.4 : 3.2));
      context.lineWidth = hollow ? 1.2 : 1;
      context.globalAlpha = hollow ? 0.75 : 1;
      context.strokeStyle = hollow ? color : regression ? this.frame.color("ink") : ground;
      context.fillStyle = color;
      if (!hollow) context.fill(path);
      context.stroke(path);
    }
    context.globalAlpha = 1;
  }

  shade(share) {
    const rgb = this.frame.theme.table("diverging")[clamp(Math.round(127.5 + 127.5 * share), 0, 255)];
    return `rgb(${rgb.map(Math.round).join(" ")})`;
  }

  drawLegend(surface) {
    const number = (value) => prettyMinus(Number(value.toPrecision(2)).toString());
    const key = surface.kind + number(surface.low) + number(surface.high) + this.theme;
    if (key === this.legendKey) return;
    this.legendKey = key;
    const stops = this.frame.theme.stops("diverging").join(", ");
    const bar = html("span", { class: "nnp-ramp", style: `background: linear-gradient(to right, ${stops})` });
    const dot = (name, text) => html("span", {}, html("i", { class: "nnp-dot", style: `background: var(--nnx-${name})` }), text);
    if (surface.kind === "classes") {
      const names = CLASS_COLORS.slice(0, this.points?.classes ?? 2);
      this.legend.replaceChildren(...names.map((name, k) => dot(name, `class ${k}`)));
      return;
    }
    const ends = surface.kind === "probability" ? ["class 0", "class 1"] : [number(surface.low), number(surface.high)];
    this.legend.replaceChildren(ends[0], bar, ends[1]);
  }
}

// --- The losses ----------------------------------------------------------------------------------

class LossView {
  constructor(frame, showTest) {
    Object.assign(this, { frame, showTest });
    this.canvas = html("canvas", { class: "nnp-losses", role: "img" });
    this.train = html("b", {});
    this.test = html("b", {});
    const key = (name, label, value) =>
      html("span", {}, html("span", { class: `nnp-line-${name}` }), label, value);
    const legend = html("p", { class: "nnp-loss-legend" }, key("train", "training loss ", this.train));
    if (showTest) legend.append(key("test", "test loss ", this.test));
    this.element = html("div", { class: "nnp-loss" }, legend, this.canvas);
  }

  draw(header, rows) {
    const accuracy = (share) => (shareText(share) ? ` (${shareText(share)} right)` : "");
    this.train.textContent = lossText(header.train_loss) + accuracy(header.train_accuracy);
    this.test.textContent = lossText(header.test_loss) + accuracy(header.test_accuracy);
    this.canvas.setAttribute("aria-label", `Losses by step: training ${this.train.textContent}, test ${this.test.textContent}`);
    const [width, height] = [this.element.clientWidth || 330, 128];
    const context = sharpen(this.canvas, width, height);
    const area = { left: 38, top: 6, width: width - 58, height: height - 28 };
    const count = rows.length / 3;
    const lastStep = Math.max(1, rows[3 * (count - 1)] ?? 1);
    const columns = this.showTest ? [1, 2] : [1];
    let most = 1e-6;
    for (let k = 0; k < count; k += 1) for (const c of columns) if (rows[3 * k + c] > most) most = rows[3 * k + c];
    const x = makeScale(0, lastStep, "linear", area.left, area.left + area.width);
    const y = makeScale(0, 1.06 * most, "linear", area.top + area.height, area.top);
    this.drawAxes(context, area, x, y, lastStep, 1.06 * most);
    if (this.showTest) this.drawCurve(context, rows, 2, x, y, "vermillion", [6, 3]);
    this.drawCurve(context, rows, 1, x, y, "text", []);
  }

  drawAxes(context, area, x, y, lastStep, most) {
    context.strokeStyle = this.frame.color("quiet");
    context.beginPath();
    context.moveTo(area.left, area.top);
    context.lineTo(area.left, area.top + area.height);
    context.lineTo(area.left + area.width, area.top + area.height);
    context.stroke();
    context.fillStyle = this.frame.color("ink");
    context.font = "11px system-ui, sans-serif";
    context.textAlign = "center";
    for (const [value, label] of makeTicks(0, lastStep, "linear", 4)) context.fillText(label, x(value), area.top + area.height + 15);
    context.textAlign = "right";
    for (const [value, label] of makeTicks(0, most, "linear", 4)) context.fillText(label, area.left - 5, y(value) + 4);
  }

  drawCurve(context, rows, column, x, y, color, dash) {
    context.strokeStyle = this.frame.color(color);
    context.lineWidth = 1.8;
    context.lineJoin = "round";
    context.setLineDash(dash);
    context.beginPath();
    let pen = false;
    for (let k = 0; k < rows.length; k += 3) {
      const loss = rows[k + column];
      if (Number.isFinite(loss)) context[pen ? "lineTo" : "moveTo"](x(rows[k]), y(loss));
      pen = Number.isFinite(loss);
    }
    context.stroke();
    context.setLineDash([]);
  }
}

// --- State and program ---------------------------------------------------------------------------

/** Show a text to copy; where the clipboard is closed, it is selected instead. */
async function copyText(text, field, say) {
  try {
    await navigator.clipboard.writeText(text);
    say("Copied.");
  } catch {
    if (field.select) field.select();
    else getSelection().selectAllChildren(field);
    say("Selected: copy it with Ctrl+C.");
  }
}

class SharePanel {
  constructor(spec, { say, load, program }) {
    Object.assign(this, { spec, say, program });
    const id = freshId();
    this.field = html("input", { type: "text", id, class: "nnx-box nnp-state", spellcheck: "false", autocomplete: "off" });
    this.field.addEventListener("keydown", (event) => event.key === "Enter" && load(this.field.value));
    this.load = button("Load", () => load(this.field.value), { "aria-label": "Load the state" });
    this.copy = button("Copy", () => copyText(this.field.value, this.field, say), { "aria-label": "Copy the state" });
    this.code = html("code", {});
    this.pre = html("pre", { class: "nnp-program", tabindex: 0, "aria-label": "Program" }, this.code);
    this.toggle = button("Show program", () => this.flip(), { "aria-expanded": "false" });
    this.copyCode = button("Copy program", () => copyText(this.code.textContent, this.code, say), { hidden: "" });
    this.pre.hidden = true;
    const share = html("div", { class: "nnp-share-row" }, html("label", { for: id }, "State"), this.field, this.copy, this.load);
    const rows = html("div", { class: "nnx-buttons" }, this.toggle, this.copyCode);
    const hidden = (name) => spec.hidden.includes(name);
    this.element = html(
      "div",
      { class: "nnp-share-panel nnx-buttons" },
      ...(hidden("state") ? [] : [share]),
      ...(hidden("program") ? [] : [rows, this.pre]),
    );
  }

  get open() {
    return !this.pre.hidden;
  }

  flip() {
    this.pre.hidden = this.open;
    this.copyCode.hidden = this.pre.hidden;
    this.toggle.textContent = this.open ? "Hide program" : "Show program";
    this.toggle.setAttribute("aria-expanded", String(this.open));
    if (this.open) this.program();
  }

  showState(state) {
    if (document.activeElement !== this.field) this.field.value = state;
  }
}

// --- The board -----------------------------------------------------------------------------------

class BoardView {
  constructor(model, parent) {
    this.spec = model.get("spec");
    this.frame = new ToolFrame(this.spec, "board", parent);
    Object.assign(this, { playing: false, pending: {}, focus: null, pinned: null, frames: 0 });
    const shown = (name) => !this.spec.hidden.includes(name);
    this.settings = Object.fromEntries(
      this.spec.controls.map((control) => [
        control.name,
        new SETTINGS[control.kind](control, (name, value) => this.change(name, value)),
      ]),
    );
    this.network = new NetworkView(this.spec, this.frame, {
      focus: (unit, event) => this.setFocus(unit, event),
      resize: (hidden) => this.change("hidden", hidden),
    });
    this.surface = new SurfaceView(this.frame, shown("test"));
    this.losses = new LossView(this.frame, shown("test"));
    this.share = new SharePanel(this.spec, {
      say: (text) => this.say(text),
      load: (state) => this.request({ state }),
      program: () => this.askProgram(),
    });
    this.recording = new RecordingBar(this.spec.recording, model.get("recorded"), {
      show: (header, bytes) => this.playRecorded(header, bytes),
      note: PAGE_REMARK,
    });
    this.line = new Line(model, {
      onAnswer: (header, bytes, mine) => guard(this.root, () => this.take(header, bytes, mine)),
      onBusy: () => this.hold("A cell of the notebook runs; the board goes on when it is over."),
      onWait: () => this.hold(WAIT_REMARK),
      onSilence: () => this.goRecorded(SILENT_REMARK),
      onGone: () => this.goSilent(),
    });
    this.build();
    if (this.line.exists) this.line.ask({ kind: "hello" });
    else this.goRecorded(PAGE_REMARK);
  }

  get root() {
    return this.frame.root;
  }

  build() {
    const shown = (name) => !this.spec.hidden.includes(name);
    this.playButton = button("Play", () => this.togglePlay(), { class: "nnp-play" });
    this.stepButton = button("Step", () => this.act("step"));
    this.resetButton = button("Reset", () => this.act("reset"));
    this.seedButton = button("New weights", () => this.act("reseed"));
    const seed = shown("seed") && !this.spec.own_model ? [this.seedButton] : [];
    this.counter = html("span", { class: "nnp-counter", "aria-hidden": "true" });
    const bar = html(
      "div",
      { class: "nnp-bar-row nnx-buttons", role: "group", "aria-label": "Training" },
      this.playButton,
      this.stepButton,
      this.resetButton,
      ...seed,
      this.counter,
    );
    const elements = Object.values(this.settings).map((setting) => setting.element);
    const controls = html("div", { class: "nnp-controls" }, ...elements);
    const right = html("div", { class: "nnp-right" }, this.surface.element, this.losses.element);
    const network = shown("network") ? [this.network.element] : [];
    const main = html("div", { class: "nnp-main" }, ...network, right);
    this.status = html("p", { class: "nnx-status", "aria-hidden": "true" });
    const { fault, announcer } = this.frame;
    this.root.append(this.recording.element, bar, controls, fault, main, this.status, this.share.element, announcer.element);
  }

  // --- what the reader does ---

  change(name, value) {
    this.pending.settings = { ...this.pending.settings, [name]: value };
    this.request({});
  }

  act(action) {
    if (action === "step" || action === "reset") this.frame.showFault("");
    this.request({ action });
  }

  togglePlay() {
    const running = this.playing || this.elsewhere;
    this.setPlaying(!running);
    this.request({ action: running ? "pause" : "play" });
    this.pausing = running;
    if (running && this.shown) this.say(this.summary("Paused", this.shown.header));
  }

  setPlaying(playing) {
    this.playing = playing;
    this.elsewhere = false;
    this.showPlay();
  }

  showPlay() {
    const running = this.playing || this.elsewhere;
    this.playButton.textContent = running ? "Pause" : "Play";
    this.root.dataset.playing = String(Boolean(running));
    this.stepButton.disabled = running || this.locked;
  }

  /** The unit to enlarge: the one pointed at or in keyboard focus, else the one kept by a click. */
  setFocus(unit, event) {
    const same = JSON.stringify(unit) === JSON.stringify(this.pinned);
    if (event === "click") this.pinned = same ? null : unit;
    this.focus = unit ?? this.pinned;
    this.schedule();
    if (this.line.exists && !this.locked) this.request({});
  }

  /** Ask as soon as the line is free; what comes together goes together. */
  request(more) {
    if (this.locked) return;
    Object.assign(this.pending, more, { wanted: true });
    this.ask();
  }

  ask() {
    if (this.line.waiting || this.locked || !(this.pending.wanted || this.playing)) return;
    const { wanted, ...request } = this.pending;
    this.pending = {};
    this.line.ask({ kind: "frame", play: this.playing, focus: this.focus, ...request });
  }

  askProgram() {
    if (this.locked) {
      this.share.code.textContent = this.spec.program;
      return;
    }
    this.wantsProgram = true;
    if (this.line.ask({ kind: "program" })) this.wantsProgram = false;
  }

  // --- what the kernel answers ---

  take(header, bytes, mine) {
    if (mine && this.locked) this.goLive();
    if (mine) this.release();
    if (header.kind === "program") {
      if (mine) this.share.code.textContent = header.text;
    } else if (header.kind === "failed") {
      this.setPlaying(false);
      this.frame.showFault(header.text);
    } else if (header.kind === "frame") {
      this.takeFrame(header, bytes, mine);
    }
    if (!mine || this.playing) return;
    if (this.wantsProgram) this.askProgram();
    else this.ask();
  }

  takeFrame(header, bytes, mine) {
    if (header.halt && (this.playing || this.elsewhere)) this.setPlaying(false);
    if (!mine) this.noticeElsewhere(header.playing && !header.halt && !this.playing);
    this.showPlay();
    this.next = { header, bytes };
    this.absorb(header, bytes);
    if (mine && header.halt && this.pausing && !header.note) {
      this.pausing = false;
      this.say(this.summary("Paused", header)); // some steps were still under way
    }
    this.schedule();
  }

  /** Another view of this board plays, or has done so a moment ago. */
  noticeElsewhere(plays) {
    clearTimeout(this.elsewhereTimer);
    this.elsewhere = plays;
    if (!plays) return;
    this.elsewhereTimer = setTimeout(() => {
      this.elsewhere = false;
      this.showPlay();
    }, ELSEWHERE);
  }

  /** Take what is not a picture: settings, points, remarks, faults. */
  absorb(header, bytes) {
    if (header.settings) this.showSettings(header);
    if (header.points) this.surface.setPoints(header.points, bytes);
    if (header.note) this.say(header.note);
    if (header.started) this.flash();
    this.frame.showFault(header.fault ?? "");
    this.root.dataset.fault = header.fault ?? "";
    if (header.fault) this.setPlaying(false);
  }

  showSettings({ settings, state, losses }) {
    this.settings.loss?.fill(losses);
    for (const [name, value] of Object.entries(settings)) {
      if (!(name in (this.pending.settings ?? {}))) this.settings[name]?.show(value);
    }
    this.network.configure(settings);
    this.share.showState(state);
  }

  /** A new beginning is seen: the plot lights up for a moment. */
  flash() {
    const { element } = this.surface;
    element.classList.remove("nnp-flash");
    element.getBoundingClientRect(); // the animation starts anew
    element.classList.add("nnp-flash");
  }

  // --- the picture ---

  /** Draw before the next paint; of several frames only the last is drawn. Ask for another first. */
  schedule() {
    this.painting ??= requestAnimationFrame(() => {
      this.painting = null;
      if (this.playing) this.ask();
      guard(this.root, () => this.paint());
    });
  }

  paint() {
    if (this.next) {
      const { header, bytes } = this.next;
      this.next = null;
      this.frames += 1;
      this.counterOf(header);
      if (header.surface) this.shown = { header, arrays: unpackArrays(header, bytes) };
    }
    if (this.shown) this.drawShown();
  }

  drawShown() {
    const { header, arrays } = this.shown;
    this.network.draw(header, arrays, this.focus);
    this.surface.draw(this.largePicture(), this.spec.alt);
    this.losses.draw(header, arrays.history);
  }

  /** What the large picture shows: what the kernel sent, or until then the unit's own thumbnail. */
  largePicture() {
    const { header, arrays } = this.shown;
    const { surface } = header;
    const title = this.titleOf(this.focus, surface);
    const fits = JSON.stringify(surface.focus ?? null) === JSON.stringify(this.focus);
    const unit = this.focus && this.network.columns[this.focus[0]]?.units[this.focus[1]];
    if (fits || !unit) return { surface, levels: arrays.map, size: MAP_SIZE, title };
    const before = header.columns.slice(0, this.focus[0]).reduce((sum, { shown }) => sum + shown, 0);
    const at = before + this.focus[1];
    const levels = arrays.thumbs.subarray(at * THUMB_SIZE ** 2, (at + 1) * THUMB_SIZE ** 2);
    const scale = arrays.scales[at];
    return { surface: { kind: "unit", low: -scale, high: scale }, levels, size: THUMB_SIZE, title };
  }

  titleOf(focus, surface) {
    if (focus) return this.network.columns[focus[0]]?.units[focus[1]]?.name ?? "";
    return { probability: "Output: probability of class 1", classes: "Output: most probable class", value: "Output: predicted value" }[surface.kind] ?? "Output";
  }

  counterOf(header) {
    const rate = header.rate ? ` \u00b7 ${whole(header.rate)} steps/s` : "";
    this.counter.textContent = `Step ${whole(header.step)} \u00b7 epoch ${whole(header.epoch)}${rate}`;
    Object.assign(this.root.dataset, { step: header.step, frames: this.frames });
  }

  summary(word, { step, train_loss: loss }) {
    return `${word} at step ${whole(step)}, training loss ${lossText(loss)}.`;
  }

  say(text) {
    this.status.textContent = text;
    this.frame.announcer.say(text, 200);
  }

  /** Say why the answer takes its time. */
  hold(text) {
    this.held = text;
    this.say(text);
  }

  /** The answer is there: take the remark away, unless another has followed it. */
  release() {
    if (this.held && this.held === this.status.textContent) this.say("The kernel answers again.");
    this.held = "";
  }

  redraw() {
    this.network.shape = "";
    this.surface.size = 0;
    this.schedule();
  }

  // --- without a kernel ---

  goRecorded(remark) {
    if (this.locked) return;
    this.lock(remark);
    this.recording.move(this.recording.last); // settings and points come with the first moment
    if (this.line.exists && !calmMotion()) this.recording.start();
  }

  /** The kernel is gone: what it has shown stays, and the recording can be played. */
  goSilent() {
    if (this.locked || !this.shown) {
      this.goRecorded(GONE_REMARK);
      this.recording.open(GONE_REMARK);
      return;
    }
    this.lock(GONE_REMARK);
    this.network.editable = false;
    this.redraw();
    this.say(this.summary("The kernel is gone. The board stands", this.shown.header));
  }

  lock(remark) {
    this.locked = true;
    this.setPlaying(false);
    this.root.dataset.mode = "recorded";
    this.enable(false);
    this.recording.open(remark);
  }

  goLive() {
    this.locked = this.recordedStart = false;
    this.network.editable = this.network.mayEdit;
    this.root.dataset.mode = "live";
    this.recording.close();
    this.enable(true);
    this.showPlay();
    this.say("The kernel answers again.");
    this.line.ask({ kind: "hello" });
  }

  enable(on) {
    const inputs = ".nnp-bar-row button, .nnp-controls :is(input, select), .nnp-layers button, .nnp-stepper button, .nnp-share-row :is(input, button)";
    for (const element of this.root.querySelectorAll(inputs)) element.disabled = !on;
  }

  playRecorded(header, bytes) {
    if (!this.recordedStart) {
      const { frames } = this.recording.recording;
      const first = frames[0];
      this.network.editable = this.network.mayEdit;
      if (first) this.absorb(first.header, this.recording.bytes.slice(first.start, first.start + first.length));
      this.recordedStart = true;
      this.network.editable = false;
      this.enable(false);
      this.share.showState(first?.header.state ?? "");
    }
    this.frame.showFault(header.fault ?? "");
    this.next = { header, bytes };
    this.schedule();
    return `step ${whole(header.step)}`;
  }

  watch() {
    const stop = this.frame.watch(() => this.redraw());
    return () => {
      this.setPlaying(false);
      this.recording.stop();
      this.line.close();
      if (this.painting) cancelAnimationFrame(this.painting);
      stop();
    };
  }
}

const calmMotion = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function renderBoard({ model, el }) {
  return guard(el, () => new BoardView(model, el).watch());
}

export default { render: renderBoard };
