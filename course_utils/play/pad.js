/**
 * Draw a digit: a pad whose strokes go to the kernel, and what the model makes of them.
 *
 * Request:  { kind: "strokes", strokes: [[[x, y], ...], ...] }, x right and y down, 0 to 1.
 * Answer:   { kind: "reading", ... } with 28 x 28 bytes for what the model sees and for each of
 *           the nearest examples; or { kind: "fault", text }.
 */

const PAD_SIZE = 280; // CSS pixels
const KEY_STEP = 1 / 28; // of the pad
const NEAR_ENOUGH = 0.004; // a pointer must move this far to add a point

const percentText = (share) => `${(100 * share).toFixed(share >= 0.995 && share < 0.9995 ? 1 : 0)}%`;

// --- The paper -----------------------------------------------------------------------------------

/** The pad itself: strokes by pointer, touch and keyboard. */
class Paper {
  constructor(spec, frame, changed) {
    Object.assign(this, { spec, frame, changed, strokes: [], pen: [0.5, 0.2], down: false });
    this.held = new Set();
    this.help = html(
      "p",
      { class: "nnp-help", id: freshId() },
      "Draw with mouse, pen or finger. By keyboard: ",
      html("kbd", {}, "arrows"),
      " move the pen, ",
      html("kbd", {}, "Space"),
      " puts it down or lifts it, ",
      html("kbd", {}, "Backspace"),
      " undoes, ",
      html("kbd", {}, "Delete"),
      " clears.",
    );
    this.canvas = square(PAD_SIZE, "nnp-paper", {
      tabindex: 0,
      role: "application",
      "aria-label": "Drawing pad",
      "aria-describedby": this.help.id,
    });
    this.listen();
  }

  listen() {
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (event) => this.press(event));
    canvas.addEventListener("pointermove", (event) => this.drag(event));
    for (const kind of ["pointerup", "pointercancel"]) {
      canvas.addEventListener(kind, (event) => this.release(event));
    }
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("keyup", (event) => this.held.delete(event.key));
    canvas.addEventListener("blur", () => {
      this.held.clear();
      this.lift();
      this.draw();
    });
    canvas.addEventListener("focus", () => this.draw());
  }

  get empty() {
    return this.strokes.length === 0;
  }

  get count() {
    return this.strokes.reduce((sum, stroke) => sum + stroke.length, 0);
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const share = (value, start, length) => clamp((value - start) / length, 0, 1);
    return [share(event.clientX, box.left, box.width), share(event.clientY, box.top, box.height)];
  }

  press(event) {
    if (event.button > 0 || this.locked) return;
    event.preventDefault();
    this.canvas.focus({ preventScroll: true });
    this.canvas.setPointerCapture?.(event.pointerId);
    this.pointer = event.pointerId;
    this.lift();
    this.pen = this.place(event);
    this.strokes.push([this.pen]);
    this.changed();
  }

  drag(event) {
    if (event.pointerId !== this.pointer) return;
    const events = event.getCoalescedEvents?.() ?? [];
    for (const one of events.length ? events : [event]) this.extend(this.place(one));
    this.changed();
  }

  release(event) {
    if (event.pointerId === this.pointer) this.pointer = null;
  }

  /** Add a point to the present stroke, unless the pen has hardly moved or the paper is full. */
  extend(point) {
    const stroke = this.strokes.at(-1);
    const [x, y] = stroke.at(-1);
    if (Math.hypot(point[0] - x, point[1] - y) < NEAR_ENOUGH) return;
    if (this.count >= this.spec.max_points) return;
    this.pen = point;
    stroke.push(point);
  }

  // --- keyboard ---

  key(event) {
    if (this.locked || event.ctrlKey || event.metaKey || event.altKey) return;
    const action = {
      ArrowLeft: () => this.walk(event.key),
      ArrowRight: () => this.walk(event.key),
      ArrowUp: () => this.walk(event.key),
      ArrowDown: () => this.walk(event.key),
      " ": () => (this.down ? this.lift() : this.put()),
      Escape: () => this.lift(),
      Backspace: () => this.undo(),
      Delete: () => this.clear(),
    }[event.key];
    if (!action) return;
    event.preventDefault();
    action();
    this.draw();
  }

  /** Move the pen; two arrow keys held together move it diagonally. */
  walk(key) {
    this.held.add(key);
    const sign = (plus, minus) => this.held.has(plus) - this.held.has(minus);
    const to = [
      clamp(this.pen[0] + KEY_STEP * sign("ArrowRight", "ArrowLeft"), 0, 1),
      clamp(this.pen[1] + KEY_STEP * sign("ArrowDown", "ArrowUp"), 0, 1),
    ];
    if (!this.down) {
      this.pen = to;
      return;
    }
    this.extend(to);
    this.changed();
  }

  put() {
    this.down = true;
    this.strokes.push([this.pen]);
    this.frame.announcer.say("Pen down", 0);
    this.changed();
  }

  lift() {
    if (this.down) this.frame.announcer.say("Pen up", 0);
    this.down = false;
  }

  undo() {
    this.lift();
    this.strokes.pop();
    this.changed();
  }

  clear() {
    this.lift();
    this.strokes = [];
    this.changed();
  }

  // --- picture ---

  draw() {
    const scale = Math.max(1, window.devicePixelRatio || 1);
    const size = Math.round((this.canvas.clientWidth || PAD_SIZE) * scale);
    if (this.canvas.width !== size) [this.canvas.width, this.canvas.height] = [size, size];
    const context = this.canvas.getContext("2d");
    context.clearRect(0, 0, size, size);
    this.drawGuide(context, size);
    context.lineWidth = 2 * this.spec.pen * size;
    context.lineCap = context.lineJoin = "round";
    context.strokeStyle = this.frame.color("text");
    for (const stroke of this.strokes) this.drawStroke(context, stroke, size);
    if (document.activeElement === this.canvas || this.canvas.matches(":focus")) {
      this.drawPen(context, size, scale);
    }
  }

  /** Faint lines that help to place a digit. */
  drawGuide(context, size) {
    context.save();
    context.strokeStyle = this.frame.color("muted");
    context.globalAlpha = 0.35;
    context.lineWidth = size / PAD_SIZE;
    context.setLineDash([size / 70, size / 50]);
    context.strokeRect(0.2 * size, 0.1 * size, 0.6 * size, 0.8 * size);
    context.restore();
  }

  drawStroke(context, stroke, size) {
    context.beginPath();
    stroke.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](x * size, y * size));
    if (stroke.length === 1) context.lineTo(stroke[0][0] * size + 0.01, stroke[0][1] * size);
    context.stroke();
  }

  drawPen(context, size, scale) {
    const [x, y] = this.pen.map((value) => value * size);
    context.save();
    context.strokeStyle = this.frame.color("accent");
    context.fillStyle = this.frame.color("accent");
    context.lineWidth = 2 * scale;
    context.beginPath();
    context.arc(x, y, 7 * scale, 0, 7);
    if (this.down) context.fill();
    else context.stroke();
    context.restore();
  }
}

// --- What the model says -------------------------------------------------------------------------

/** One bar for each class. */
class ProbabilityBars {
  constructor() {
    this.list = html("div", { class: "nnp-bars", role: "img" });
    this.rows = [];
    this.show(new Array(10).fill(0), null);
  }

  show(shares, best) {
    while (this.rows.length < shares.length) this.addRow(this.rows.length);
    while (this.rows.length > shares.length) this.rows.pop().row.remove();
    shares.forEach((share, k) => {
      const { row, fill, number } = this.rows[k];
      row.classList.toggle("nnp-best", k === best);
      fill.style.width = `${100 * share}%`;
      number.textContent = best === null ? "" : percentText(share);
    });
    const order = shares.map((share, k) => [share, k]).sort((a, b) => b[0] - a[0]).slice(0, 3);
    const spoken = order.map(([share, k]) => `${k}: ${percentText(share)}`).join(", ");
    this.list.setAttribute(
      "aria-label",
      best === null ? "Probabilities: none yet" : `Probabilities, highest first: ${spoken}`,
    );
  }

  addRow(k) {
    const fill = html("span", { class: "nnp-fill" });
    const number = html("span", { class: "nnp-share" });
    const row = html(
      "div",
      { class: "nnp-bar" },
      html("span", { class: "nnp-class" }, String(k)),
      html("span", { class: "nnp-track" }, fill),
      number,
    );
    this.rows.push({ row, fill, number });
    this.list.append(row);
  }
}

/** How usual the distance to the nearest example is, on a scale of percentiles. */
class Gauge {
  constructor(limit) {
    this.limit = limit;
    this.marker = html("span", { class: "nnp-marker", hidden: "" });
    const zone = html("span", { class: "nnp-zone", style: `left: ${limit}%` });
    const track = html("div", { class: "nnp-gauge", "aria-hidden": "true" }, zone, this.marker);
    const ends = html(
      "div",
      { class: "nnp-gauge-ends nnp-help", "aria-hidden": "true" },
      html("span", {}, "like the training digits"),
      html("span", {}, "unlike"),
    );
    this.text = html("p", { class: "nnp-familiar" });
    this.element = html("div", {}, track, ends, this.text);
  }

  show(reading) {
    this.marker.hidden = reading.empty;
    this.text.textContent = reading.empty ? "\u00a0" : prettyMinus(reading.familiarity);
    this.element.classList.toggle("nnp-unlike", Boolean(reading.unlike));
    if (!reading.empty) this.marker.style.left = `${reading.percentile}%`;
  }
}

/** Paint bytes (0 paper, 255 ink) in the colors of the theme. */
function paintDigit(canvas, bytes, frame) {
  const [ink, paper] = ["text", "ground"].map((name) => readColor(frame.color(name)));
  const context = canvas.getContext("2d");
  const image = context.createImageData(canvas.width, canvas.height);
  for (let k = 0; k < image.data.length / 4; k += 1) {
    const share = (bytes[k] ?? 0) / 255;
    for (let c = 0; c < 3; c += 1) image.data[4 * k + c] = paper[c] + share * (ink[c] - paper[c]);
    image.data[4 * k + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

/** Small pictures of the nearest examples, with their labels. */
class Neighbors {
  constructor(size, frame) {
    Object.assign(this, { size, frame });
    this.element = html("div", { class: "nnp-near", role: "img", "aria-label": "No drawing yet" });
    this.items = Array.from({ length: 5 }, () => this.item());
    this.element.append(...this.items.map((item) => item.box));
  }

  item() {
    const canvas = square(this.size, "nnp-digit");
    const label = html("span", {}, "\u00a0");
    return { canvas, label, box: html("figure", { class: "nnp-neighbor" }, canvas, label) };
  }

  show(reading, bytes) {
    const area = this.size * this.size;
    const near = reading.nearest ?? [];
    this.items.forEach(({ canvas, label }, k) => {
      paintDigit(canvas, bytes.subarray((k + 1) * area, (k + 2) * area), this.frame);
      label.textContent = near[k] ? String(near[k][0]) : "\u00a0";
    });
    const labels = near.map(([label]) => label).join(", ");
    this.element.setAttribute(
      "aria-label",
      near.length ? `The nearest training digits are labeled ${labels}` : "No drawing yet",
    );
  }
}

// --- The tool ------------------------------------------------------------------------------------

class PadView {
  constructor(model, parent) {
    this.spec = model.get("spec");
    this.frame = new ToolFrame(this.spec, "pad", parent);
    this.paper = new Paper(this.spec, this.frame, () => this.changed());
    this.seen = square(this.spec.size, "nnp-digit nnp-seen", {
      role: "img",
      "aria-label": "The 28 by 28 picture that the model sees",
    });
    this.bars = new ProbabilityBars();
    this.gauge = new Gauge(this.spec.percentile);
    this.near = new Neighbors(this.spec.size, this.frame);
    this.guess = html("p", { class: "nnp-guess", "aria-hidden": "true" });
    this.recording = new RecordingBar(this.spec.recording, model.get("recorded"), {
      show: (header, bytes) => this.play(header, bytes),
      note: PAGE_REMARK,
    });
    this.line = new Line(model, {
      onAnswer: (header, bytes, mine) => guard(this.root, () => this.take(header, bytes, mine)),
      onBusy: () => this.say("A cell of the notebook runs; the pad answers when it is over."),
      onWait: () => this.say(WAIT_REMARK),
      onSilence: () => this.goRecorded(SILENT_REMARK),
      onGone: () => this.goSilent(),
    });
    this.build();
    this.show({ empty: true, guess: "The pad is empty. Draw a digit." }, new Uint8Array());
    if (this.line.exists) this.line.ask({ kind: "hello" });
    else this.goRecorded(PAGE_REMARK);
  }

  get root() {
    return this.frame.root;
  }

  build() {
    this.undo = button("Undo", () => this.paper.undo());
    this.clear = button("Clear", () => this.paper.clear());
    const buttons = html("div", { class: "nnx-buttons" }, this.undo, this.clear);
    const heading = (text) => html("p", { class: "nnp-heading" }, text);
    const draw = html("div", { class: "nnp-draw" }, this.paper.canvas, buttons, this.paper.help);
    const says = html("div", { class: "nnp-says" }, this.guess, this.bars.list);
    const knows = html(
      "div",
      { class: "nnp-knows" },
      heading("What the model sees"),
      this.seen,
      heading("Nearest training digits"),
      this.near.element,
      heading("How usual is this drawing?"),
      this.gauge.element,
    );
    const main = html("div", { class: "nnp-main" }, draw, says, knows);
    const { fault, announcer } = this.frame;
    this.root.append(this.recording.element, main, fault, announcer.element);
  }

  /** The drawing has changed: draw it now, ask for a reading as soon as the line is free. */
  changed() {
    this.dirty = true;
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      guard(this.root, () => this.refresh());
    });
  }

  refresh() {
    this.paper.draw();
    this.undo.disabled = this.clear.disabled = this.paper.empty || Boolean(this.paper.locked);
    if (!this.dirty || this.line.waiting) return;
    this.dirty = false;
    const strokes = this.paper.strokes.map((stroke) =>
      stroke.map((point) => point.map((value) => Math.round(value * 1000) / 1000)),
    );
    this.line.ask({ kind: "strokes", strokes });
  }

  take(header, bytes, mine) {
    if (!mine) return; // another view of the pad has its own drawing
    if (this.paper.locked) this.goLive();
    if (header.kind === "fault" || header.kind === "failed") {
      this.frame.showFault(header.text);
      this.say("No reading of this drawing.");
    }
    if (header.kind === "reading") this.show(header, bytes);
    if (this.dirty) this.refresh();
  }

  show(reading, bytes) {
    this.frame.showFault("");
    [this.reading, this.bytes] = [reading, bytes];
    this.bars.show(reading.probabilities ?? new Array(this.bars.rows.length).fill(0), reading.empty ? null : reading.prediction);
    this.say(reading.guess, reading.familiarity);
    this.gauge.show(reading);
    this.paint();
    this.root.dataset.prediction = reading.empty ? "" : reading.prediction;
    this.root.dataset.unlike = String(Boolean(reading.unlike));
  }

  say(text, more = "") {
    this.guess.textContent = text;
    this.frame.announcer.say(`${text} ${more}`.trim());
  }

  paint() {
    paintDigit(this.seen, this.bytes, this.frame);
    this.near.show(this.reading, this.bytes);
  }

  redraw() {
    this.refresh();
    this.paint();
  }

  // --- without a kernel ---

  goRecorded(remark) {
    if (this.paper.locked) return;
    this.lock(remark);
    this.recording.move(0);
    if (this.line.exists && !calm()) this.recording.start();
  }

  /** The kernel is gone: the drawing and its reading stay, and the recording can be played. */
  goSilent() {
    this.lock(GONE_REMARK);
    this.refresh();
    this.frame.announcer.say(GONE_REMARK);
  }

  lock(remark) {
    this.paper.locked = true;
    this.paper.pointer = null;
    this.root.dataset.mode = "recorded";
    this.recording.open(remark);
  }

  goLive() {
    this.paper.locked = false;
    this.root.dataset.mode = "live";
    this.recording.close();
    this.paper.strokes = [];
    this.dirty = true;
    this.show({ empty: true, guess: "The pad is empty. Draw a digit." }, new Uint8Array());
  }

  play(header, bytes) {
    this.paper.strokes = header.strokes;
    this.paper.draw();
    if (header.kind === "fault") this.frame.showFault(header.text);
    else this.show(header, bytes);
    return header.guess;
  }

  watch() {
    const stop = this.frame.watch(() => this.redraw());
    return () => {
      this.recording.stop();
      this.line.close();
      if (this.pending) cancelAnimationFrame(this.pending);
      stop();
    };
  }
}

const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function renderPad({ model, el }) {
  return guard(el, () => new PadView(model, el).watch());
}

export default { render: renderPad };
