/**
 * What both live tools share: the line to the kernel, the recording, and small elements.
 *
 * This file is joined to explore/front.js, whose helpers it uses: html, clamp, prettyMinus, guard,
 * keepKeys, freshId, Theme, watchTheme.
 */

const SILENCE = 3000; // ms without an answer after which the reader is told
const PATIENCE = 60000; // ms of silence after which a kernel counts as gone, if nobody knows better
const BUSY_AGAIN = 250; // ms until a request is repeated that met a running cell
const GONE = ["restarting", "autorestarting", "terminating", "dead"]; // states of a kernel

// --- The line to the kernel ----------------------------------------------------------------------

/**
 * Asks, and waits for the answer before asking again: at most one request is under way.
 *
 *   onAnswer(header, bytes)   an answer to this view, or to another view of the same tool
 *   onBusy()                  a cell runs; the request is repeated until it is over
 *   onWait()                  the answer takes its time: messages have to wait for a cell here
 *   onSilence()               no answer, and none before: there may be no kernel
 *   onGone()                  the kernel has stopped or starts anew: this line is dead
 *
 * Some front ends say what becomes of the kernel; JupyterLab and Notebook do. There a line waits
 * as long as it takes, and its end is known at once. Elsewhere long silence must do.
 */
class Line {
  constructor(model, handlers) {
    Object.assign(this, { model, handlers, seq: 0, waiting: null, closed: false, answered: false });
    this.view = Math.random().toString(36).slice(2, 10);
    this.exists = typeof model.send === "function";
    this.receive = (header, buffers) => this.take(header, buffers);
    this.lose = () => this.end();
    this.follow = (_, status) => GONE.includes(status) && this.end();
    if (!this.exists) return;
    model.on("msg:custom", this.receive);
    this.kernel = model.widget_manager?.kernel;
    this.kernel?.statusChanged?.connect(this.follow);
    this.kernel?.disposed?.connect(this.lose);
  }

  /** Send a request; false if another one is still under way, or nobody can answer. */
  ask(request) {
    if (!this.exists || this.closed || this.waiting) return false;
    this.waiting = { ...request, view: this.view, seq: (this.seq += 1) };
    this.post();
    return true;
  }

  post() {
    clearTimeout(this.timer);
    this.since = performance.now();
    this.timer = setTimeout(() => this.silent(), SILENCE);
    try {
      this.model.send(this.waiting);
    } catch {
      this.end(); // the front end refuses: it knows that the kernel is gone
    }
  }

  silent() {
    const told = Boolean(this.kernel?.statusChanged);
    const patient = told || performance.now() - this.since < PATIENCE;
    if (!this.answered || !patient) {
      this.handlers.onSilence();
      return;
    }
    this.handlers.onWait();
    this.timer = setTimeout(() => this.silent(), SILENCE);
  }

  take(header, buffers) {
    if (this.closed) return;
    const mine = header.view === this.view;
    if (mine && header.seq !== this.waiting?.seq) return;
    if (mine) clearTimeout(this.timer);
    if (mine) this.answered = true;
    if (mine && header.kind === "busy") {
      this.handlers.onBusy();
      this.timer = setTimeout(() => this.post(), BUSY_AGAIN);
      return;
    }
    if (mine) this.waiting = null;
    this.handlers.onAnswer(header, buffers?.[0] ? bytesOf(buffers[0]) : new Uint8Array(), mine);
  }

  /** The kernel is gone; what starts in its place does not know this tool. */
  end() {
    if (this.closed) return;
    this.close();
    this.handlers.onGone();
  }

  close() {
    this.closed = true;
    clearTimeout(this.timer);
    if (!this.exists) return;
    this.model.off("msg:custom", this.receive);
    this.kernel?.statusChanged?.disconnect(this.follow);
    this.kernel?.disposed?.disconnect(this.lose);
  }
}

/** A copy of a binary block, so that arrays of any type may begin at its start. */
function bytesOf(block) {
  const view = ArrayBuffer.isView(block) ? block : new DataView(block);
  return new Uint8Array(view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength));
}

// --- The recording -------------------------------------------------------------------------------

/** Plays recorded answers; `show(header, bytes)` draws one. */
class RecordingBar {
  constructor(recording, data, { show, note }) {
    Object.assign(this, { recording, show, index: 0, timer: null });
    this.bytes = bytesOf(data);
    this.button = html("button", { type: "button", class: "nnp-record-play" }, "Play recording");
    this.button.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
    this.range = html("input", {
      type: "range",
      min: 0,
      max: Math.max(0, this.last),
      step: 1,
      value: 0,
      "aria-label": "Moment of the recording",
    });
    this.range.addEventListener("input", () => {
      this.stop();
      this.move(Number(this.range.value));
    });
    this.note = html("p", { class: "nnp-record-note" }, note);
    const row = html("div", { class: "nnp-record-row nnx-buttons" }, this.button, this.range);
    this.element = html("div", { class: "nnp-record", hidden: "" }, this.note, row);
  }

  get last() {
    return this.recording.frames.length - 1;
  }

  /** Show the bar with a remark on why there is only a recording. */
  open(remark) {
    this.note.textContent = remark;
    this.element.hidden = false;
  }

  close() {
    this.stop();
    this.element.hidden = true;
  }

  move(index) {
    this.index = clamp(index, 0, this.last);
    const frame = this.recording.frames[this.index];
    if (!frame) return;
    this.range.value = this.index;
    const bytes = this.bytes.slice(frame.start, frame.start + frame.length);
    const text = this.show(frame.header, bytes) ?? "";
    this.range.setAttribute("aria-valuetext", text || `${this.index + 1} of ${this.last + 1}`);
  }

  start() {
    this.move(this.index === this.last ? 0 : this.index);
    this.button.textContent = "Pause recording";
    this.next();
  }

  next() {
    const hold = this.recording.frames[this.index]?.header.hold ?? 0;
    this.timer = setTimeout(
      () => {
        this.move(this.index + 1);
        if (this.index === this.last) this.stop();
        else this.next();
      },
      this.recording.pace * (1 + hold),
    );
  }

  stop() {
    clearTimeout(this.timer);
    this.timer = null;
    this.button.textContent = "Play recording";
  }
}

const PAGE_REMARK =
  "This page has no Python kernel, so here is a recorded session. Open the notebook in Jupyter to use the tool live.";
const SILENT_REMARK =
  "No answer from the Python kernel: it is busy, or it has stopped. Here is a recorded session until it answers; run the cell again if it has stopped.";
const GONE_REMARK =
  "The Python kernel has stopped or been restarted. Run the notebook's cells again to use the tool live; until then you can play a recorded session.";
const WAIT_REMARK = "Waiting for the kernel\u2026";

// --- Small elements ------------------------------------------------------------------------------

/** A button that does something. */
function button(label, action, attributes = {}) {
  const element = html("button", { type: "button", ...attributes }, label);
  element.addEventListener("click", action);
  return element;
}

/** A canvas of `size` by `size` pixels. */
function square(size, className, attributes = {}) {
  return html("canvas", { width: size, height: size, class: className, ...attributes });
}

/** A text that a screen reader hears after the picture has rested for a moment. */
class Announcer {
  constructor() {
    this.element = html("div", { class: "nnx-hidden", role: "status", "aria-live": "polite" });
  }

  say(text, delay = ANNOUNCE_AFTER) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      if (this.element.textContent !== text) this.element.textContent = text;
    }, delay);
  }

  stop() {
    clearTimeout(this.timer);
  }
}

/** The frame of a tool: title, theme, keys, and a place for faults. */
class ToolFrame {
  constructor(spec, kind, parent) {
    this.root = html("div", {
      class: `nnx nnp nnp-${kind}`,
      role: "group",
      "aria-label": spec.title,
      "data-tool": kind,
    });
    keepKeys(this.root);
    this.root.append(html("p", { class: "nnx-title" }, spec.title));
    parent.append(this.root);
    this.theme = new Theme(spec, this.root);
    this.fault = html("p", { class: "nnx-error", role: "alert", hidden: "" });
    this.announcer = new Announcer();
  }

  showFault(text) {
    if (this.fault.textContent !== text) this.fault.textContent = text;
    this.fault.hidden = !text;
  }

  /** Follow theme and width; returns a function that stops. */
  watch(redraw) {
    const update = () => guard(this.root, () => this.theme.update() && redraw());
    const sizes = new ResizeObserver(() => guard(this.root, () => {
      this.theme.update();
      redraw();
    }));
    sizes.observe(this.root);
    const stopTheme = watchTheme(update);
    return () => {
      sizes.disconnect();
      stopTheme();
      this.announcer.stop();
      this.root.remove();
    };
  }

  /** A color of the theme, as CSS. */
  color(name) {
    return getComputedStyle(this.root).getPropertyValue(`--nnx-${name}`).trim();
  }
}
