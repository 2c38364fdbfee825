/**
 * The front end of every explorer: controls, and pictures drawn from frames that are already here.
 *
 * A widget in a notebook and a page without a kernel both call `render({ model, el })`. The model
 * offers two values and is never written to, so several views of one explorer move independently:
 *
 *   spec   title, alt, controls, colors, and the header of the frames (JSON)
 *   data   the frames as one binary block; frames.py describes its layout
 *
 * Text from the model only ever becomes text nodes and attributes, never markup.
 */

const SVG = "http://www.w3.org/2000/svg";
const ANNOUNCE_AFTER = 600; // ms of rest before a screen reader hears the new status
const DEFAULT_WIDTH = 480; // px of a panel that the page has not laid out yet
const DASHES = { solid: null, dashed: "7 4", dotted: "2 3.5" };

// --- Small helpers -------------------------------------------------------------------------------

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);
const round = (value) => Math.round(value * 10) / 10;
const prettyMinus = (text) =>
  text.replace(/(^|[^\w])-(?=[\d.])/g, "$1\u2212").replace(/e-/g, "e\u2212");

/** Make an HTML element with attributes and children (elements or text). */
function html(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Make the children of an SVG group match `shapes`, a list of { tag, color, text, ...attributes }.
 * Elements are kept where the tag fits: a moving curve only gets a new `d`.
 */
function drawShapes(group, shapes) {
  shapes.forEach((shape, index) => {
    let element = group.children[index];
    if (element?.tagName !== shape.tag) {
      const fresh = document.createElementNS(SVG, shape.tag);
      if (element) element.replaceWith(fresh);
      else group.append(fresh);
      element = fresh;
    }
    setShape(element, shape);
  });
  while (group.children.length > shapes.length) group.lastChild.remove();
}

function setShape(element, { tag, color, text, ...attributes }) {
  for (const { name } of [...element.attributes]) {
    if (!(name in attributes) && name !== "style") element.removeAttribute(name);
  }
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined) element.removeAttribute(name);
    else if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
  }
  if (color) element.style.setProperty("--nnx-color", `var(--nnx-${color})`);
  if (text !== undefined && element.textContent !== text) element.textContent = text;
}

// --- Frames: every position, unpacked on demand --------------------------------------------------

class Frames {
  constructor(header, view) {
    const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
    this.floats = new Float32Array(bytes, 0, header.floats);
    this.records = new Int32Array(bytes, 4 * header.floats, header.records);
    this.scenes = new Int32Array(bytes, 4 * (header.floats + header.records), header.positions);
    this.texts = header.texts;
    this.styles = header.styles;
  }

  record(reference) {
    return this.records.subarray(reference + 1, reference + 1 + this.records[reference]);
  }

  array(reference) {
    const [start, length] = this.record(reference);
    return this.floats.subarray(start, start + length);
  }

  scene(position) {
    const [status, diverged, ...panels] = this.record(this.scenes[position]);
    return { status: this.texts[status], diverged: diverged === 1, panels };
  }

  panel(reference) {
    const [style, title, xlabel, ylabel, limits, ...marks] = this.record(reference);
    return {
      axes: [style, xlabel, ylabel, limits].join(), // equal keys: the axes need no redrawing
      title: this.texts[title],
      xlabel: this.texts[xlabel],
      ylabel: this.texts[ylabel],
      limits: [...this.array(limits)],
      marks,
      ...this.styles[style],
    };
  }

  mark(reference) {
    const [style, text, ...arrays] = this.record(reference);
    return {
      text: this.texts[text],
      arrays: arrays.map((a) => this.array(a)),
      ...this.styles[style],
    };
  }
}

// --- Scales and ticks ----------------------------------------------------------------------------

/** Map data to pixels. What a log scale cannot show becomes NaN, which is drawn as a gap. */
function makeScale(low, high, kind, from, to) {
  const bend = kind === "log" ? (v) => (v > 0 ? Math.log10(v) : NaN) : (v) => v;
  const start = bend(low);
  const factor = (to - from) / (bend(high) - start);
  return (value) => from + (bend(value) - start) * factor;
}

/** Ticks as [value, label] pairs: at most about `most` of them. */
function makeTicks(low, high, kind, most) {
  if (kind === "log") return logTicks(low, high, most);
  const rough = (high - low) / Math.max(most, 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const multiple = [1, 2, 2.5, 5, 10].find((m) => m * power >= rough * (1 - 1e-9));
  const step = multiple * power;
  const decimals = Math.max(0, (multiple === 2.5 ? 1 : 0) - Math.floor(Math.log10(step) + 1e-9));
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-6); k * step <= high + 1e-6 * step; k += 1) {
    ticks.push([k * step, tickLabel(k * step, decimals)]);
  }
  return ticks;
}

function tickLabel(value, decimals) {
  const large = Math.abs(value) >= 1e5 || decimals > 4;
  const text = large ? String(Number(value.toPrecision(3))) : value.toFixed(decimals);
  return prettyMinus(Number(text) === 0 ? "0" : text);
}

function logTicks(low, high, most) {
  const [first, last] = [Math.log10(low), Math.log10(high)];
  if (last - first < 1.2) return fineLogTicks(low, high);
  const every = Math.max(1, Math.ceil((last - first) / Math.max(most, 2)));
  const ticks = [];
  for (let k = Math.ceil(first - 1e-6); k <= last + 1e-6; k += 1) {
    if (k % every === 0) ticks.push([10 ** k, powerLabel(k)]);
  }
  return ticks;
}

function fineLogTicks(low, high) {
  const ticks = [];
  for (let k = Math.floor(Math.log10(low)); 10 ** k <= high; k += 1) {
    for (const digit of [1, 2, 5]) {
      const value = digit * 10 ** k;
      if (value >= low * 0.999 && value <= high * 1.001) {
        ticks.push([value, String(Number(value.toPrecision(2)))]);
      }
    }
  }
  return ticks;
}

function powerLabel(exponent) {
  if (Math.abs(exponent) <= 3) return String(Number((10 ** exponent).toPrecision(1)));
  const raised = String(exponent).replace(
    /./g,
    (c) =>
      "\u207b\u2070\u00b9\u00b2\u00b3\u2074\u2075\u2076\u2077\u2078\u2079"[
        "-0123456789".indexOf(c)
      ],
  );
  return `10${raised}`;
}

// --- Clipping: curves may leave the panel by any distance ----------------------------------------

/** The part of a segment inside [0, width] x [0, height], or null (Liang and Barsky). */
function clipSegment([x0, y0], [x1, y1], { width, height }) {
  let [enter, leave] = [0, 1];
  const [dx, dy] = [x1 - x0, y1 - y0];
  for (const [p, q] of [
    [-dx, x0],
    [dx, width - x0],
    [-dy, y0],
    [dy, height - y0],
  ]) {
    if (p === 0 && q < 0) return null;
    if (p < 0) enter = Math.max(enter, q / p);
    if (p > 0) leave = Math.min(leave, q / p);
  }
  if (enter > leave) return null;
  return [
    [x0 + enter * dx, y0 + enter * dy],
    [x0 + leave * dx, y0 + leave * dy],
  ];
}

/** The part of a polygon inside the panel (Sutherland and Hodgman). */
function clipPolygon(points, { width, height }) {
  for (const [axis, border, sign] of [
    [0, 0, 1],
    [0, width, -1],
    [1, 0, 1],
    [1, height, -1],
  ]) {
    points = clipHalf(points, axis, border, sign);
  }
  return points;
}

function clipHalf(points, axis, border, sign) {
  const inside = (point) => sign * (point[axis] - border) >= 0;
  return points.flatMap((point, index) => {
    const previous = points.at(index - 1);
    const kept = inside(point) ? [point] : [];
    if (inside(point) === inside(previous)) return kept;
    const share = (border - previous[axis]) / (point[axis] - previous[axis]);
    return [previous.map((value, k) => value + share * (point[k] - value)), ...kept];
  });
}

const isFinitePoint = ([x, y]) => Number.isFinite(x) && Number.isFinite(y);
const isInside = ([x, y], { width, height }) =>
  x >= -1 && x <= width + 1 && y >= -1 && y <= height + 1;
const pathText = (points) => points.map(([x, y]) => `${round(x)} ${round(y)}`).join("L");

/** Path data of a polyline with gaps, cut at the panel's border. */
function polyline(points, area) {
  let path = "";
  let pen = null; // where the path ends, while the curve is unbroken and inside
  for (let k = 1; k < points.length; k += 1) {
    const whole = isFinitePoint(points[k - 1]) && isFinitePoint(points[k]);
    const piece = whole && clipSegment(points[k - 1], points[k], area);
    if (!piece) {
      pen = null;
      continue;
    }
    path += (pen === points[k - 1] ? "L" : `M${pathText([piece[0]])}L`) + pathText([piece[1]]);
    pen = isInside(points[k], area) ? points[k] : null;
  }
  return path;
}

// --- Marks: each painter turns a mark into SVG shapes --------------------------------------------

/** Path data of one marker of radius r around (x, y). */
const MARKERS = {
  circle: (x, y, r) =>
    `M${round(x - r)} ${round(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`,
  square: (x, y, r) => `M${round(x - r)} ${round(y - r)}h${2 * r}v${2 * r}h${-2 * r}z`,
  triangle: (x, y, r) => `M${round(x)} ${round(y - 1.2 * r)}l${1.15 * r} ${2 * r}h${-2.3 * r}z`,
  diamond: (x, y, r) =>
    `M${round(x)} ${round(y - 1.3 * r)}l${1.3 * r} ${1.3 * r}l${-1.3 * r} ${1.3 * r}l${-1.3 * r} ${-1.3 * r}z`,
  cross: (x, y, r) =>
    `M${round(x - r)} ${round(y - r)}l${2 * r} ${2 * r}m0 ${-2 * r}l${-2 * r} ${2 * r}`,
};
MARKERS.ring = MARKERS.circle;
const isOutline = (marker) => marker === "ring" || marker === "cross";

/** Pixel points of two data arrays. */
const project = (xs, ys, { x, y }) => Array.from(xs, (value, k) => [x(value), y(ys[k])]);

const PAINTERS = {
  line({ arrays: [xs, ys], color, dash, width }, area) {
    const d = polyline(project(xs, ys, area), area);
    return [
      {
        tag: "path",
        class: "nnx-line",
        color,
        d,
        "stroke-width": width,
        "stroke-dasharray": DASHES[dash],
      },
    ];
  },

  points({ arrays: [xs, ys], color, marker, size }, area) {
    const visible = project(xs, ys, area).filter(
      (point) => isFinitePoint(point) && isInside(point, area),
    );
    const d = visible.map(([x, y]) => MARKERS[marker](x, y, size)).join("");
    return [{ tag: "path", class: isOutline(marker) ? "nnx-outline" : "nnx-marker", color, d }];
  },

  bars({ arrays: [xs, heights], color, width, baseline }, area) {
    const bars = Array.from(xs, (x, k) =>
      boxPath(area, x - width / 2, x + width / 2, baseline, heights[k]),
    );
    return [{ tag: "path", class: "nnx-fill", color, d: bars.join("") }];
  },

  arrow({ arrays: [[x0], [y0], [x1], [y1]], color }, area) {
    const [from, to] = project([x0, x1], [y0, y1], area);
    const piece = isFinitePoint(from) && isFinitePoint(to) && clipSegment(from, to, area);
    if (!piece) return [];
    const shaft = {
      tag: "path",
      class: "nnx-line",
      color,
      d: `M${pathText(piece)}`,
      "stroke-width": 2,
    };
    return isInside(to, area) ? [shaft, arrowHead(from, to, color)] : [shaft];
  },

  band({ arrays: [xs, lower, upper], color }, area) {
    const polygons = bandPolygons(project(xs, lower, area), project(xs, upper, area));
    const d = polygons
      .map((p) => clipPolygon(p, area))
      .filter((p) => p.length)
      .map((p) => `M${pathText(p)}z`);
    return [{ tag: "path", class: "nnx-area", color, d: d.join("") }];
  },

  span({ arrays: [[start], [end]], color, axis }, area) {
    const [x0, x1, y0, y1] = area.limits;
    const d = axis === "x" ? boxPath(area, start, end, y0, y1) : boxPath(area, x0, x1, start, end);
    return [{ tag: "path", class: "nnx-area", color, d }];
  },

  label({ arrays: [[x], [y]], text, color, align }, area) {
    const [[left, top]] = project([x], [y], area);
    if (!isFinitePoint([left, top]) || !isInside([left, top], area)) return [];
    const anchor = { left: "start", center: "middle", right: "end" }[align];
    return [
      {
        tag: "text",
        class: "nnx-text",
        color,
        text: prettyMinus(text),
        x: round(left),
        y: round(top),
        dy: "0.35em",
        "text-anchor": anchor,
      },
    ];
  },
};

/** Path data of a rectangle given in data units, cut at the panel's border. */
function boxPath(area, x0, x1, y0, y1) {
  const low = (scale, value, otherwise) =>
    Number.isNaN(scale(value)) && value <= 0 ? otherwise : scale(value);
  const [left, right] = [low(area.x, x0, 0), low(area.x, x1, 0)].map((v) =>
    clamp(v, 0, area.width),
  );
  const [bottom, top] = [low(area.y, y0, area.height), low(area.y, y1, area.height)].map((v) =>
    clamp(v, 0, area.height),
  );
  if (![left, right, bottom, top].every(Number.isFinite)) return "";
  return `M${pathText([
    [left, bottom],
    [right, bottom],
    [right, top],
    [left, top],
  ])}z`;
}

/** One polygon for each unbroken stretch of a band. */
function bandPolygons(lower, upper) {
  const polygons = [];
  let stretch = [];
  const finish = () => {
    if (stretch.length > 1)
      polygons.push([...stretch.map((k) => lower[k]), ...stretch.reverse().map((k) => upper[k])]);
    stretch = [];
  };
  lower.forEach((point, k) =>
    isFinitePoint(point) && isFinitePoint(upper[k]) ? stretch.push(k) : finish(),
  );
  finish();
  return polygons;
}

function arrowHead([x0, y0], [x1, y1], color) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  const size = Math.min(11, length);
  const [ux, uy] = length ? [(x1 - x0) / length, (y1 - y0) / length] : [0, 0];
  const [backX, backY] = [x1 - size * ux, y1 - size * uy];
  const side = 0.42 * size;
  const corners = [
    [x1, y1],
    [backX - side * uy, backY + side * ux],
    [backX + side * uy, backY - side * ux],
  ];
  return { tag: "path", class: "nnx-fill", color, d: `M${pathText(corners)}z` };
}

// --- Heat maps -----------------------------------------------------------------------------------

const hexToRgb = (hex) => [1, 3, 5].map((k) => parseInt(hex.slice(k, k + 2), 16));

/** 256 RGB triples between the stops of a color map. */
function colorTable(stops) {
  const colors = stops.map(hexToRgb);
  return Array.from({ length: 256 }, (_, k) => {
    const place = (k / 255) * (colors.length - 1);
    const low = Math.min(Math.floor(place), colors.length - 2);
    return colors[low].map((value, c) => value + (place - low) * (colors[low + 1][c] - value));
  });
}

/** Paint a heat map, one canvas pixel for each value; row 0 lies at the bottom. */
function paintHeat(canvas, { arrays: [z], rows, columns, vmin, vmax, alpha }, table) {
  [canvas.width, canvas.height] = [columns, rows];
  const context = canvas.getContext("2d");
  const image = context.createImageData(columns, rows);
  const factor = 255 / (vmax - vmin);
  for (let k = 0; k < z.length; k += 1) {
    if (!Number.isFinite(z[k])) continue; // stays transparent
    const rgb = table[clamp(Math.round((z[k] - vmin) * factor), 0, 255)];
    const row = rows - 1 - Math.floor(k / columns);
    image.data.set([...rgb, 255 * alpha], 4 * (row * columns + (k % columns)));
  }
  context.putImageData(image, 0, 0);
}

// --- Legend --------------------------------------------------------------------------------------

/** Marks with labels, each look once. */
function legendEntries(marks) {
  const labelled = marks.filter((mark) => mark.kind !== "label" && mark.text);
  return [...new Map(labelled.map((mark) => [legendKey(mark), mark])).values()];
}

const legendKey = ({ kind, text, color, dash, marker, cmap, vmin, vmax }) =>
  JSON.stringify([kind, text, color, dash, marker, cmap, vmin, vmax]);

function legendItem(mark, theme) {
  if (mark.kind === "heat") return heatLegendItem(mark, theme);
  const swatch = document.createElementNS(SVG, "svg");
  setShape(swatch, { width: 28, height: 14, class: "nnx-swatch" });
  drawShapes(swatch, swatchShapes(mark));
  return html("li", {}, swatch, html("span", {}, mark.text));
}

function swatchShapes({ kind, color, dash, marker, size }) {
  const shape = { tag: "path", color };
  if (kind === "line")
    return [
      {
        ...shape,
        class: "nnx-line",
        d: "M1 7H27",
        "stroke-width": 2,
        "stroke-dasharray": DASHES[dash],
      },
    ];
  if (kind === "points") {
    return [
      {
        ...shape,
        class: isOutline(marker) ? "nnx-outline" : "nnx-marker",
        d: MARKERS[marker](14, 7, Math.min(size, 5)),
      },
    ];
  }
  if (kind === "arrow")
    return [
      { ...shape, class: "nnx-line", d: "M1 7H20", "stroke-width": 2 },
      arrowHead([1, 7], [27, 7], color),
    ];
  return [{ ...shape, class: kind === "bars" ? "nnx-fill" : "nnx-area", d: "M1 2h26v10h-26z" }];
}

function heatLegendItem({ text, cmap, vmin, vmax }, theme) {
  const bar = html("span", { class: "nnx-colorbar" });
  bar.style.background = `linear-gradient(to right, ${theme.stops(cmap).join(",")})`;
  const number = (value) => prettyMinus(String(Number(value.toPrecision(3))));
  return html(
    "li",
    {},
    html("span", {}, text),
    html("span", {}, number(vmin)),
    bar,
    html("span", {}, number(vmax)),
  );
}

// --- A panel: axes, legend, marks ----------------------------------------------------------------

class PanelView {
  constructor(frames) {
    this.frames = frames;
    this.title = html("div", { class: "nnx-panel-title" });
    this.legend = html("ul", { class: "nnx-legend" });
    this.heats = html("div", { class: "nnx-heats" });
    this.svg = document.createElementNS(SVG, "svg");
    this.svg.setAttribute("class", "nnx-svg");
    [this.grid, this.body, this.axes] = [0, 0, 0].map(() => document.createElementNS(SVG, "g"));
    this.svg.append(this.grid, this.body, this.axes);
    this.plot = html("div", { class: "nnx-plot" }, this.heats, this.svg);
    this.element = html("div", { class: "nnx-panel" }, this.title, this.legend, this.plot);
    this.slots = []; // one for each mark: what its element shows now
  }

  measure() {
    this.width = Math.floor(this.element.clientWidth) || DEFAULT_WIDTH;
  }

  draw(reference, theme) {
    const key = `${reference} ${this.width} ${theme.name}`;
    if (key === this.key) return;
    this.key = key;
    const panel = this.frames.panel(reference);
    const marks = panel.marks.map((mark) => ({ reference: mark, ...this.frames.mark(mark) }));
    if (this.title.textContent !== panel.title) this.title.textContent = panel.title;
    this.drawLegend(marks, theme);
    this.drawAxes(panel, marks);
    this.drawMarks(marks, theme);
  }

  drawLegend(marks, theme) {
    const entries = legendEntries(marks);
    const key = entries.map(legendKey).join() + theme.name;
    if (key === this.legendKey) return;
    this.legendKey = key;
    this.legend.replaceChildren(...entries.map((mark) => legendItem(mark, theme)));
  }

  drawAxes(panel, marks) {
    const hasHeat = marks.some((mark) => mark.kind === "heat");
    const key = `${panel.axes} ${this.width} ${hasHeat}`;
    if (key === this.axesKey) return;
    this.axesKey = key;
    this.area = layOut(panel, this.width);
    const { left, top, width, height, full } = this.area;
    setShape(this.svg, { class: "nnx-svg", width: full.width, height: full.height });
    for (const group of [this.grid, this.body, this.axes])
      group.setAttribute("transform", `translate(${left} ${top})`);
    Object.assign(this.plot.style, { width: `${full.width}px`, height: `${full.height}px` });
    Object.assign(this.heats.style, {
      left: `${left}px`,
      top: `${top}px`,
      width: `${width}px`,
      height: `${height}px`,
    });
    drawShapes(this.grid, hasHeat ? [] : gridShapes(this.area));
    drawShapes(this.axes, axesShapes(panel, this.area));
  }

  drawMarks(marks, theme) {
    marks.forEach((mark, index) => this.drawMark(mark, index, theme));
    for (const slot of this.slots.splice(marks.length)) slot.element.remove();
  }

  drawMark(mark, index, theme) {
    const heat = mark.kind === "heat";
    const key = `${mark.reference} ${this.axesKey} ${heat ? theme.name : ""}`;
    const slot = this.slot(index, heat);
    if (slot.key === key) return;
    slot.key = key;
    if (heat) {
      paintHeat(slot.element, mark, theme.table(mark.cmap));
      slot.element.classList.toggle("nnx-coarse", Math.max(mark.rows, mark.columns) <= 32);
    } else {
      drawShapes(slot.element, PAINTERS[mark.kind](mark, this.area));
    }
  }

  /** The slot of a mark, with a canvas for a heat map and an SVG group for anything else. */
  slot(index, heat) {
    const old = this.slots[index];
    if (old?.heat === heat) return old;
    const element = heat ? html("canvas") : document.createElementNS(SVG, "g");
    old?.element.remove();
    this.slots[index] = { element, heat, key: null };
    const layer = this.slots.filter((slot) => slot.heat === heat);
    const parent = heat ? this.heats : this.body;
    parent.insertBefore(element, parent.children[layer.indexOf(this.slots[index])] ?? null);
    return this.slots[index];
  }
}

/** Place the plotting area: margins that fit the tick labels, a height that fits the width. */
function layOut(panel, fullWidth) {
  const [x0, x1, y0, y1] = panel.limits;
  const [, guess] = plotSize(panel, fullWidth - 64); // the tick labels' width is not known yet
  const room = panel.equal ? 62 : 38; // px for each tick; equal scales get equal ticks
  const yticks = panel.yticks ?? makeTicks(y0, y1, panel.yscale, guess / room);
  const left = 12 + textWidth(yticks) + (panel.ylabel ? 20 : 0);
  const [right, top] = [14, 10];
  const [width, height] = plotSize(panel, fullWidth - left - right);
  const xticks = panel.xticks ?? makeTicks(x0, x1, panel.xscale, width / 62);
  const tilted =
    panel.xticks !== null && textWidth(xticks) > (width / Math.max(xticks.length, 1)) * 0.95;
  const bottom = 24 + (tilted ? 0.6 * textWidth(xticks) : 0) + (panel.xlabel ? 20 : 0);
  return {
    ...{ left, top, width, height, xticks, yticks, tilted, limits: panel.limits },
    full: { width: Math.ceil(left + width + right), height: Math.ceil(top + height + bottom) },
    x: makeScale(x0, x1, panel.xscale, 0, width),
    y: makeScale(y0, y1, panel.yscale, height, 0),
  };
}

/** Width and height of the plotting area, if it may be `room` pixels wide. */
function plotSize({ equal, limits: [x0, x1, y0, y1] }, room) {
  const width = Math.max(room, 60);
  if (!equal) return [width, clamp(0.68 * width, 180, 300)];
  const ratio = (y1 - y0) / (x1 - x0);
  const fitting = Math.min(width, 380, 420 / ratio);
  return [fitting, fitting * ratio];
}

const textWidth = (ticks) => 6.8 * Math.max(1, ...ticks.map(([, label]) => label.length));

/** Ticks that lie inside the panel, as [pixel, label]. */
const placed = (ticks, scale, length) =>
  ticks
    .map(([value, label]) => [round(scale(value)), label])
    .filter(([at]) => at >= -0.5 && at <= length + 0.5);

function gridShapes({ x, y, width, height, xticks, yticks }) {
  const vertical = placed(xticks, x, width).map(([at]) => `M${at} 0V${height}`);
  const horizontal = placed(yticks, y, height).map(([at]) => `M0 ${at}H${width}`);
  return [{ tag: "path", class: "nnx-grid", d: [...vertical, ...horizontal].join("") }];
}

function axesShapes(panel, area) {
  const { x, y, width, height, xticks, yticks, tilted, left, top, full } = area;
  const [across, up] = [placed(xticks, x, width), placed(yticks, y, height)];
  const frame = `M0 0V${height}H${width}`;
  const marks = [...across.map(([at]) => `M${at} ${height}v5`), ...up.map(([at]) => `M0 ${at}h-5`)];
  const shapes = [{ tag: "path", class: "nnx-axis", d: frame + marks.join("") }];
  for (const [at, text] of across) shapes.push(xTickShape(at, height, text, tilted));
  for (const [at, text] of up)
    shapes.push({
      tag: "text",
      class: "nnx-tick",
      x: -8,
      y: at,
      dy: "0.35em",
      "text-anchor": "end",
      text,
    });
  if (panel.xlabel) {
    shapes.push({
      tag: "text",
      class: "nnx-axis-label",
      x: width / 2,
      y: full.height - top - 5,
      "text-anchor": "middle",
      text: panel.xlabel,
    });
  }
  if (panel.ylabel) {
    const turn = `translate(${12 - left} ${height / 2}) rotate(-90)`;
    shapes.push({
      tag: "text",
      class: "nnx-axis-label",
      transform: turn,
      "text-anchor": "middle",
      text: panel.ylabel,
    });
  }
  return shapes;
}

function xTickShape(at, height, text, tilted) {
  const shape = { tag: "text", class: "nnx-tick", text };
  if (!tilted) return { ...shape, x: at, y: height + 18, "text-anchor": "middle" };
  return {
    ...shape,
    transform: `translate(${at + 4} ${height + 14}) rotate(-35)`,
    "text-anchor": "end",
  };
}

// --- The picture: all panels of the present scene ------------------------------------------------

class Picture {
  constructor(spec, frames) {
    this.frames = frames;
    this.panels = [];
    this.badge = html("span", { class: "nnx-badge", hidden: "" }, "diverged");
    this.element = html("div", { class: "nnx-picture", role: "img", "aria-label": spec.alt });
  }

  draw(scene, theme) {
    while (this.panels.length < scene.panels.length) this.addPanel();
    while (this.panels.length > scene.panels.length) this.panels.pop().element.remove();
    if (this.panels.some((panel) => !panel.width)) this.measure();
    scene.panels.forEach((reference, k) => this.panels[k].draw(reference, theme));
    this.badge.hidden = !scene.diverged;
  }

  addPanel() {
    this.panels.push(new PanelView(this.frames));
    this.element.append(this.panels.at(-1).element);
    this.panels[0].plot.append(this.badge);
    for (const panel of this.panels) panel.width = 0; // the new neighbor takes some of their room
  }

  measure() {
    for (const panel of this.panels) panel.measure();
  }
}

// --- Theme: follow the page that surrounds the explorer ------------------------------------------

class Theme {
  constructor(spec, root) {
    [this.spec, this.root, this.tables] = [spec, root, new Map()];
    this.update();
  }

  /** Read the surroundings again; true if the theme has changed. */
  update() {
    const background = hostBackground(this.root);
    const dark = background
      ? brightness(background) < 110
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const name = dark ? "dark" : "light";
    const bare = String(background === null);
    if (name === this.name && bare === this.root.dataset.bare) return false;
    this.name = name;
    this.tables.clear();
    Object.assign(this.root.dataset, { theme: name, bare });
    for (const [color, shades] of Object.entries(this.spec.colors)) {
      this.root.style.setProperty(`--nnx-${color}`, shades[dark ? 1 : 0]);
    }
    return true;
  }

  stops(colormap) {
    return this.spec.colormaps[colormap][this.name === "dark" ? 1 : 0];
  }

  table(colormap) {
    if (!this.tables.has(colormap)) this.tables.set(colormap, colorTable(this.stops(colormap)));
    return this.tables.get(colormap);
  }
}

/**
 * Background behind the explorer as [r, g, b, a], or null on a page that sets none. A notebook
 * renders before it attaches; until then the page's body has to answer.
 */
function hostBackground(root) {
  const host = root.isConnected ? root.parentElement : document.body;
  const style = getComputedStyle(host);
  for (const name of ["--jp-layout-color0", "--vscode-editor-background"]) {
    const value = style.getPropertyValue(name).trim();
    if (value) return readColor(value);
  }
  for (let node = host; node; node = node.parentElement) {
    const color = readColor(getComputedStyle(node).backgroundColor);
    if (color[3] > 127) return color;
  }
  return null;
}

/** Let the browser turn any CSS color into [r, g, b, a], each 0 to 255. */
function readColor(css) {
  const canvas = html("canvas", { width: 1, height: 1 });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.fillStyle = css;
  context.fillRect(0, 0, 1, 1);
  return [...context.getImageData(0, 0, 1, 1).data];
}

const brightness = ([r, g, b]) => 0.299 * r + 0.587 * g + 0.114 * b;

/** Call `changed` when the page may have switched its theme; returns a function that stops. */
function watchTheme(changed) {
  const query = matchMedia("(prefers-color-scheme: dark)");
  const later = () => [0, 300].forEach((delay) => setTimeout(changed, delay)); // style sheets load late
  const observer = new MutationObserver(later);
  for (const node of [document.documentElement, document.body])
    observer.observe(node, { attributes: true });
  query.addEventListener("change", later);
  return () => {
    observer.disconnect();
    query.removeEventListener("change", later);
  };
}

// --- Controls ------------------------------------------------------------------------------------

let serial = 0;
const session = Math.random().toString(36).slice(2, 8);
const freshId = () => `nnx-${session}-${(serial += 1)}`;

/**
 * A control holds `index`, its place on its grid of values. `show()` brings its elements in line;
 * `onChange(note)` tells the explorer that the reader has moved it.
 */
class Control {
  constructor(spec, onChange) {
    Object.assign(this, {
      spec,
      onChange,
      index: spec.start,
      last: spec.texts.length - 1,
      id: freshId(),
    });
    this.build();
    this.show();
  }

  /** Move to a place on the grid, as the reader does. */
  move(index, note = "") {
    this.index = clamp(index, 0, this.last);
    this.show();
    this.onChange(note);
  }

  /** Back to the start, without telling. */
  reset() {
    this.index = this.spec.start;
    this.show();
  }

  get text() {
    return prettyMinus(this.spec.texts[this.index]);
  }
}

class SliderControl extends Control {
  build() {
    const { label, numbers } = this.spec;
    this.value = html("span", { class: "nnx-value", "aria-hidden": "true" });
    this.range = html("input", { type: "range", id: this.id, min: 0, max: this.last, step: 1 });
    this.box = html("input", {
      type: "text",
      inputmode: "decimal",
      autocomplete: "off",
      spellcheck: "false",
      class: "nnx-box",
    });
    this.box.setAttribute(
      "aria-label",
      `${label}: type a number from ${numbers[0]} to ${numbers[this.last]}`,
    );
    const name = html("label", { for: this.id }, label);
    this.element = html(
      "div",
      { class: "nnx-control nnx-slider" },
      name,
      this.value,
      this.range,
      this.box,
    );
    this.range.addEventListener("input", () => this.move(Number(this.range.value)));
    this.box.addEventListener("change", () => this.type(this.box.value));
    this.box.addEventListener("keydown", (event) => this.step(event));
  }

  show() {
    this.range.value = this.index;
    this.range.style.setProperty("--nnx-share", `${(100 * this.index) / this.last}%`);
    this.range.setAttribute("aria-valuetext", this.text);
    this.value.textContent = this.text;
    this.box.value = this.spec.texts[this.index];
  }

  /** Arrow keys in the box step through the grid, like those on the slider. */
  step(event) {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.move(this.index + by);
  }

  /** Take the grid's nearest value to a typed number, and say so if it is another one. */
  type(text) {
    const number = Number(text.trim().replace(",", ".").replace("\u2212", "-"));
    if (!text.trim() || !Number.isFinite(number)) {
      this.show();
      this.onChange(
        `\u201c${text.trim()}\u201d is not a number; ${this.spec.label} stays at ${this.text}.`,
      );
      return;
    }
    this.move(this.nearest(number), "");
    const note = this.remark(number);
    if (note) this.onChange(note);
  }

  nearest(number) {
    const gaps = this.spec.numbers.map((value) => Math.abs(value - number));
    return gaps.indexOf(Math.min(...gaps));
  }

  remark(number) {
    const { numbers, texts, label } = this.spec;
    const tolerance = 5e-4 * Math.abs(number) + 1e-9; // the shown text has four digits
    if (Math.abs(numbers[this.index] - number) <= tolerance) return "";
    const outside = number < numbers[0] || number > numbers[this.last];
    const shown = prettyMinus(String(number));
    if (!outside) return `${label}: ${shown} lies between two steps; the nearest is ${this.text}.`;
    return `${label}: ${shown} is out of range (${prettyMinus(`${texts[0]} to ${texts[this.last]}`)}); it is now ${this.text}.`;
  }
}

class ChoiceControl extends Control {
  build() {
    this.select = html(
      "select",
      { id: this.id },
      ...this.spec.texts.map((text) => html("option", {}, text)),
    );
    this.element = html(
      "div",
      { class: "nnx-control nnx-choice" },
      html("label", { for: this.id }, this.spec.label),
      this.select,
    );
    this.select.addEventListener("input", () => this.move(this.select.selectedIndex));
  }

  show() {
    this.select.selectedIndex = this.index;
  }
}

class ToggleControl extends Control {
  build() {
    this.check = html("input", { type: "checkbox", id: this.id });
    this.element = html(
      "div",
      { class: "nnx-control nnx-toggle" },
      this.check,
      html("label", { for: this.id }, this.spec.label),
    );
    this.check.addEventListener("input", () => this.move(this.check.checked ? 1 : 0));
  }

  show() {
    this.check.checked = this.index === 1;
  }
}

const CONTROLS = { slider: SliderControl, choice: ChoiceControl, toggle: ToggleControl };

// --- Play: walk one slider to its end ------------------------------------------------------------

class Player {
  constructor(sliders) {
    this.sliders = sliders;
    this.target = sliders[0];
    this.button = html("button", { type: "button", class: "nnx-play" });
    this.button.addEventListener("click", () => (this.timer ? this.stop() : this.start()));
    for (const slider of sliders)
      slider.element.addEventListener("focusin", () => this.aim(slider));
    this.show();
  }

  /** Play moves the slider that the reader used last. */
  aim(slider) {
    if (this.timer) return;
    this.target = slider;
    this.show();
  }

  show() {
    this.button.textContent = this.timer ? "Pause" : `Play ${this.target.spec.label}`;
  }

  start() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const pace = calm ? 700 : clamp(4000 / this.target.last, 80, 400); // ms for each step
    if (this.target.index === this.target.last) this.target.move(0);
    this.timer = setInterval(() => this.step(), pace);
    this.show();
  }

  step() {
    this.target.move(this.target.index + 1);
    if (this.target.index === this.target.last) this.stop();
  }

  stop() {
    clearInterval(this.timer);
    this.timer = null;
    this.show();
  }
}

// --- The explorer --------------------------------------------------------------------------------

class ExplorerView {
  constructor(spec, data, root) {
    [this.spec, this.root] = [spec, root];
    this.frames = new Frames(spec.frames, data);
    this.theme = new Theme(spec, root);
    this.picture = new Picture(spec, this.frames);
    this.controls = spec.controls.map(
      (control) => new CONTROLS[control.kind](control, (note) => this.moved(note)),
    );
    this.player = this.makePlayer();
    this.build();
    this.draw();
  }

  makePlayer() {
    const sliders = this.controls.filter((control) => control.spec.kind === "slider");
    return sliders.length ? new Player(sliders) : null;
  }

  build() {
    const reset = html("button", { type: "button", class: "nnx-reset" }, "Reset");
    reset.addEventListener("click", () => this.reset());
    this.status = html("p", { class: "nnx-status", "aria-hidden": "true" });
    this.note = html("p", { class: "nnx-note", "aria-hidden": "true", hidden: "" });
    this.live = html("div", { class: "nnx-hidden", role: "status", "aria-live": "polite" });
    const buttons = html(
      "div",
      { class: "nnx-buttons" },
      ...(this.player ? [this.player.button] : []),
      reset,
    );
    const controls = html(
      "div",
      { class: "nnx-controls" },
      ...this.controls.map((c) => c.element),
      buttons,
    );
    const title = html("p", { class: "nnx-title" }, this.spec.title);
    this.root.dataset.name = this.spec.name;
    this.root.append(title, controls, this.note, this.picture.element, this.status, this.live);
  }

  /** Place of the present position among all; the last control runs fastest. */
  get position() {
    return this.controls.reduce((place, control) => place * (control.last + 1) + control.index, 0);
  }

  moved(note) {
    this.note.textContent = note;
    this.note.hidden = !note;
    this.schedule();
  }

  reset() {
    this.player?.stop();
    for (const control of this.controls) control.reset();
    this.moved("");
  }

  /** Draw before the next paint, however many events come until then. */
  schedule() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      guard(this.root, () => this.draw());
    });
    clearTimeout(this.announcing);
    this.announcing = setTimeout(() => this.announce(), ANNOUNCE_AFTER);
  }

  draw() {
    const scene = this.frames.scene(this.position);
    this.picture.draw(scene, this.theme);
    this.message = prettyMinus((scene.diverged ? "Diverged. " : "") + scene.status);
    this.status.textContent = this.message;
    this.root.dataset.position = this.position;
  }

  announce() {
    this.live.textContent = [this.note.textContent, this.message].filter(Boolean).join(" ");
  }

  /** Follow the width and the theme of the page; returns a function that ends all activity. */
  watch() {
    const sizes = new ResizeObserver(() => guard(this.root, () => this.resize()));
    sizes.observe(this.picture.element);
    const stopTheme = watchTheme(() => guard(this.root, () => this.theme.update() && this.draw()));
    return () => {
      this.player?.stop();
      sizes.disconnect();
      stopTheme();
      clearTimeout(this.announcing);
      if (this.pending) cancelAnimationFrame(this.pending);
    };
  }

  /** The explorer has got another width, or has just been attached to its page. */
  resize() {
    this.theme.update();
    this.picture.measure();
    this.draw();
  }
}

/** Run `action`; show in the explorer what it throws, where a console would hide it. */
function guard(root, action) {
  try {
    return action();
  } catch (error) {
    console.error(error);
    root.querySelector(".nnx-error")?.remove();
    root.append(
      html(
        "p",
        { class: "nnx-error", role: "alert" },
        `This explorer has failed: ${error.message}`,
      ),
    );
    return undefined;
  }
}

/**
 * The notebook must not take the keys meant for a control; its shortcuts with Ctrl or Cmd stay.
 *
 * JupyterLab looks at a key after the control, and Notebook 7 before it; both pass over an element
 * that carries the mark.
 */
function keepKeys(root) {
  const mark = (event) => {
    const shortcut = event.ctrlKey || event.metaKey;
    event.target.toggleAttribute("data-lm-suppress-shortcuts", !shortcut);
    if (event.type === "keydown" && !shortcut) event.stopPropagation();
  };
  for (const type of ["focusin", "keydown", "keyup"]) root.addEventListener(type, mark);
}

function render({ model, el }) {
  const spec = model.get("spec");
  const root = html("div", { class: "nnx", role: "group", "aria-label": spec.title });
  keepKeys(root);
  el.append(root);
  const stop = guard(root, () => new ExplorerView(spec, model.get("data"), root).watch());
  return () => {
    stop?.();
    root.remove();
  };
}

export default { render };
