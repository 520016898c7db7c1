"use strict";
// Makes the pictures of a page move: zoom, hover, log scale, and curves on and off. Every text goes in as text.

const SVG = "http://www.w3.org/2000/svg";
const HEIGHTS = { "loss": 200, "learning rate": 90, "gradient norm": 90 };
const HEIGHT = 140, TOP = 18, BELOW = 36, GAP = 26, RIGHT = 12, LEFT = 58, STYLES = 8;

function make(parent, name, attributes, text) {
  const node = document.createElementNS(SVG, name);
  for (const key in attributes) node.setAttribute(key, attributes[key]);
  if (text !== undefined) node.textContent = text;
  if (parent) parent.append(node);
  return node;
}

function element(name, class_, text) {
  const node = document.createElement(name);
  if (class_) node.className = class_;
  if (text !== undefined) node.textContent = text;
  return node;
}

function say(value, digits = 4) {
  if (!Number.isFinite(value)) return String(value);
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return String(value);
  return String(Number(value.toPrecision(digits))).replace("e+", "e");
}

// The classes of a curve; from the ninth style on, colours come back with other dashes.
function stroke(style) {
  return `curve s${style % STYLES} d${(style + Math.floor(style / STYLES)) % STYLES}`;
}

// A number beside an axis, short enough for its margin.
function label(value) {
  const size = Math.abs(value);
  return size >= 1e6 || (size > 0 && size < 1e-3) ? Number(value.toPrecision(4)).toExponential().replace("e+", "e") : say(value, 6);
}

// The curves of one run: steps ascending, values with NaN and infinities as they were logged.
function decode(island) {
  return JSON.parse(island.textContent).map((curve) => {
    let at = 0;
    const steps = curve.d ? curve.d.map((step) => (at += step)) : curve.s;
    return { steps, values: curve.v.map((v) => (typeof v === "string" ? (v === "nan" ? NaN : v[0] === "-" ? -Infinity : Infinity) : v)) };
  });
}

// Index of the first step that is not below x.
function search(steps, x) {
  let low = 0, high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle] < x) low = middle + 1; else high = middle;
  }
  return low;
}

function nearest(steps, x) {
  const right = Math.min(search(steps, x), steps.length - 1), left = Math.max(right - 1, 0);
  return x - steps[left] <= steps[right] - x ? left : right;
}

function ticks(low, high, most) {
  const span = high / 2 - low / 2;
  if (!(span > 0) || !Number.isFinite(span)) return [low];
  const rough = 2 * span / most, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9));
  const found = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9 * step && found.length < 20; i++) found.push(i * step);
  return found;
}

function logTicks(low, high, most) {
  const first = Math.ceil(Math.log10(low) - 1e-9), last = Math.floor(Math.log10(high) + 1e-9);
  if (last - first < 1) return ticks(low, high, most).filter((value) => value > 0);
  const by = Math.max(1, Math.ceil((last - first + 1) / most)), found = [];
  for (let power = first; power <= last; power += by) found.push(10 ** power);
  return found;
}

class Chart {
  constructor(figure, series) {
    this.figure = figure;
    const data = JSON.parse(figure.querySelector(".chart-data").textContent);
    this.axis = data.axis;
    this.title = data.title;
    this.panels = data.panels;
    for (const panel of this.panels) for (const curve of panel.curves) Object.assign(curve, series[curve.at], { shown: true });
    const all = this.panels.flatMap((panel) => panel.curves.map((curve) => curve.steps));
    this.extent = [Math.min(...all.map((steps) => steps[0])), Math.max(...all.map((steps) => steps[steps.length - 1]))];
    if (this.extent[0] === this.extent[1]) this.extent[1] += 1;
    this.view = [...this.extent];
    this.cursor = null;
    this.build();
    new ResizeObserver(() => this.draw()).observe(this.screen);
    this.draw();
  }

  build() {
    const plot = this.figure.querySelector(".plot");
    plot.replaceChildren();
    const legend = element("div", "legend");
    legend.setAttribute("role", "group");
    legend.setAttribute("aria-label", "Curves shown");
    const named = new Map(); // in a comparison a name is that of a run, with a curve in each panel
    for (const panel of this.panels) for (const curve of panel.curves) named.set(curve.name, [...(named.get(curve.name) ?? []), curve]);
    this.repeated = [...named.values()].some((curves) => curves.length > 1);
    for (const [name, curves] of named) {
      const button = element("button", "key"), curve = curves[0];
      const line = make(button, "svg", { class: "sign", viewBox: "0 0 28 8", "aria-hidden": "true" });
      make(line, "path", { d: "M0 4h28", class: stroke(curve.style) });
      button.append(name);
      this.press(button, () => curve.shown, (on) => { for (const each of curves) each.shown = on; });
      legend.append(button);
    }
    const tools = element("div", "tools");
    const log = element("button", "log", "Log scale");
    this.press(log, () => this.panels.every((p) => p.log || !this.positive(p)) && this.panels.some((p) => p.log), (on) => {
      for (const panel of this.panels) panel.log = on && this.positive(panel);
    });
    if (!this.panels.some((panel) => this.positive(panel))) log.disabled = true;
    this.reset = element("button", "reset", "Whole run");
    this.reset.type = "button";
    this.reset.addEventListener("click", () => this.zoom(this.extent));
    const hint = element("span", "hint", "Drag to zoom.");
    hint.append(element("span", "keys", " After a click: wheel, arrows, +, -, 0."));
    tools.append(log, this.reset, hint);
    this.screen = element("div", "screen");
    this.screen.tabIndex = 0;
    this.screen.setAttribute("role", "application");
    this.screen.setAttribute("aria-label", `${this.title}. Left and right read the values, plus and minus zoom, 0 shows all.`);
    this.tip = element("div", "tip");
    this.tip.hidden = true;
    this.spoken = element("p", "unseen");
    this.spoken.setAttribute("aria-live", "polite");
    plot.append(legend, tools, this.screen, this.tip, this.spoken);
    this.listen();
  }

  press(button, state, act) {
    button.type = "button";
    const show = () => button.setAttribute("aria-pressed", String(state()));
    button.addEventListener("click", () => { act(!state()); show(); this.draw(); });
    show();
  }

  positive(panel) {
    return panel.curves.every((curve) => curve.values.every((v) => !Number.isFinite(v) || v > 0));
  }

  listen() {
    const screen = this.screen;
    let start = null;
    screen.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      start = this.stepAt(event);
      if (event.pointerType === "mouse") screen.setPointerCapture(event.pointerId);
    });
    screen.addEventListener("pointermove", (event) => {
      this.cursor = this.stepAt(event);
      this.brush = start === null ? null : [start, this.cursor];
      this.drawCursor(event);
    });
    screen.addEventListener("pointerup", (event) => {
      const end = this.stepAt(event), from = start;
      start = this.brush = null;
      if (from !== null && Math.abs(this.x(end) - this.x(from)) > 6) this.zoom([Math.min(from, end), Math.max(from, end)]);
      else this.drawCursor(event);
    });
    screen.addEventListener("pointercancel", () => { start = this.brush = null; this.hide(); });
    screen.addEventListener("pointerleave", () => { if (start === null) this.hide(); });
    screen.addEventListener("blur", () => this.hide());
    screen.addEventListener("dblclick", () => this.zoom(this.extent));
    screen.addEventListener("wheel", (event) => {
      if (document.activeElement !== screen && !event.ctrlKey) return; // the page scrolls
      event.preventDefault();
      this.scale(event.deltaY < 0 ? 0.8 : 1.25, this.stepAt(event));
    }, { passive: false });
    screen.addEventListener("keydown", (event) => {
      const middle = this.cursor ?? (this.view[0] + this.view[1]) / 2;
      if (event.key === "+" || event.key === "=") this.scale(0.7, middle);
      else if (event.key === "-") this.scale(1 / 0.7, middle);
      else if (event.key === "0" || event.key === "Escape") this.zoom(this.extent);
      else if (event.key === "ArrowLeft" || event.key === "ArrowRight") this.walk(event.key === "ArrowLeft" ? -1 : 1, event.shiftKey ? 10 : 1);
      else if (event.key === "Home" || event.key === "End") { this.cursor = this.view[event.key === "Home" ? 0 : 1]; this.drawCursor(); }
      else return;
      event.preventDefault();
    });
  }

  // The longest shown curve, by whose points the keys walk.
  main() {
    return this.panels.flatMap((p) => p.curves).filter((c) => c.shown).sort((a, b) => b.steps.length - a.steps.length)[0];
  }

  walk(by, times) {
    const curve = this.main();
    if (!curve) return;
    const now = this.cursor === null ? search(curve.steps, this.view[0]) - by * times : nearest(curve.steps, this.cursor);
    this.cursor = curve.steps[Math.max(0, Math.min(curve.steps.length - 1, now + by * times))];
    if (this.cursor < this.view[0] || this.cursor > this.view[1]) {
      const shift = this.cursor < this.view[0] ? this.cursor - this.view[0] : this.cursor - this.view[1];
      this.zoom([this.view[0] + shift, this.view[1] + shift]);
    }
    this.drawCursor();
  }

  scale(factor, at) {
    this.zoom([at - (at - this.view[0]) * factor, at + (this.view[1] - at) * factor]);
  }

  zoom(view) {
    const least = (this.extent[1] - this.extent[0]) * 1e-5;
    let [low, high] = [Math.max(view[0], this.extent[0]), Math.min(view[1], this.extent[1])];
    if (high - low < least) [low, high] = [low - least / 2, low + least / 2];
    this.view = [low, high];
    this.draw();
  }

  x(step) {
    return LEFT + (step - this.view[0]) / (this.view[1] - this.view[0]) * (this.width - LEFT - RIGHT);
  }

  stepAt(event) {
    const x = event.clientX - this.screen.getBoundingClientRect().left;
    const share = Math.max(0, Math.min(1, (x - LEFT) / (this.width - LEFT - RIGHT)));
    return this.view[0] + share * (this.view[1] - this.view[0]);
  }

  draw() {
    this.width = Math.max(this.screen.clientWidth, 200);
    let top = TOP;
    this.svg = make(null, "svg", { class: "curves", "aria-hidden": "true" });
    for (const panel of this.panels) {
      panel.top = top;
      panel.height = HEIGHTS[panel.title] ?? HEIGHT;
      this.drawPanel(panel);
      top += panel.height + GAP;
    }
    const bottom = top - GAP, middle = (LEFT + this.width - RIGHT) / 2;
    make(this.svg, "line", { x1: LEFT, x2: this.width - RIGHT, y1: bottom, y2: bottom, class: "frame" });
    for (const value of ticks(...this.view, this.width < 480 ? 4 : 8))
      make(this.svg, "text", { x: this.x(value), y: bottom + 15, "text-anchor": "middle" }, say(value, 6));
    make(this.svg, "text", { x: middle, y: bottom + 31, "text-anchor": "middle" }, this.axis);
    this.over = make(this.svg, "g", {});
    this.height = bottom + BELOW;
    this.svg.setAttribute("viewBox", `0 0 ${this.width} ${this.height}`);
    this.screen.replaceChildren(this.svg);
    this.reset.disabled = this.view[0] === this.extent[0] && this.view[1] === this.extent[1];
  }

  drawPanel(panel) {
    const parts = panel.curves.filter((curve) => curve.shown).map((curve) => this.thin(curve));
    let low = Infinity, high = -Infinity;
    for (const part of parts) for (const [, v] of part) if (Number.isFinite(v) && (v > 0 || !panel.log)) { low = Math.min(low, v); high = Math.max(high, v); }
    if (!(high >= low)) [low, high] = panel.log ? [0.1, 1] : [0, 1];
    if (high === low) [low, high] = panel.log ? [low / 2, high * 2] : [low - (Math.abs(low) * 0.1 || 1), high + (Math.abs(high) * 0.1 || 1)];
    const bend = panel.log ? Math.log10 : (v) => v / 2;
    const [from, to] = [bend(low), bend(high)];
    panel.y = (v) => panel.top + 5 + (1 - (bend(v) - from) / (to - from)) * (panel.height - 10);
    const group = make(this.svg, "g", {});
    this.clip(group, panel);
    for (const value of (panel.log ? logTicks : ticks)(low, high, panel.height > 120 ? 8 : 4)) {
      make(group, "line", { x1: LEFT, x2: this.width - RIGHT, y1: panel.y(value), y2: panel.y(value), class: "grid" });
      make(group, "text", { x: LEFT - 6, y: panel.y(value), dy: "0.32em", "text-anchor": "end" }, label(value));
    }
    const inside = make(group, "g", { "clip-path": `url(#${panel.id})` });
    const bands = new Set();
    for (const mark of panel.marks) if (mark.band && !bands.has(String(mark.span))) {
      bands.add(String(mark.span));
      this.stretch(inside, panel, ...mark.span, "band", mark.label);
    }
    panel.curves.forEach((curve, index) => { if (curve.shown) this.drawCurve(inside, panel, curve); });
    const seen = new Set();
    for (const mark of panel.marks) {
      const key = `${mark.on} ${mark.at}`;
      if (mark.on < 0 || !panel.curves[mark.on].shown || seen.has(key)) continue;
      seen.add(key);
      this.drawMark(inside, panel, mark);
    }
    make(group, "text", { x: LEFT, y: panel.top - 5, class: "name" }, panel.title + (panel.log ? " (log)" : ""));
  }

  clip(group, panel) {
    panel.id = panel.id ?? `clip-${Chart.count = (Chart.count ?? 0) + 1}`;
    const path = make(group, "clipPath", { id: panel.id });
    make(path, "rect", { x: LEFT, y: panel.top - 1, width: this.width - LEFT - RIGHT, height: panel.height + 2 });
  }

  stretch(parent, panel, first, last, class_, label) {
    const x = this.x(first);
    const rect = make(parent, "rect", { x, y: panel.top, width: Math.max(this.x(last) - x, 1.5), height: panel.height, class: class_ });
    if (label) make(rect, "title", {}, label);
  }

  // Points [step, value] in view: per pixel the first, lowest, highest and last one, and what is not finite.
  thin(curve) {
    const { steps, values } = curve;
    const start = Math.max(search(steps, this.view[0]) - 1, 0), stop = Math.min(search(steps, this.view[1]) + 2, steps.length);
    const room = (this.width - LEFT - RIGHT) * 2, points = [];
    if (stop - start <= room) {
      for (let i = start; i < stop; i++) points.push([steps[i], values[i]]);
      return points;
    }
    const block = (stop - start) / (room / 3);
    for (let b = 0; b < room / 3; b++) {
      const first = start + Math.floor(b * block), end = Math.min(start + Math.floor((b + 1) * block), stop);
      let low = -1, high = -1, lost = -1;
      for (let i = first; i < end; i++) {
        if (!Number.isFinite(values[i])) { if (lost < 0) lost = i; continue; }
        if (low < 0 || values[i] < values[low]) low = i;
        if (high < 0 || values[i] > values[high]) high = i;
      }
      for (const i of [...new Set([low, high, lost])].filter((i) => i >= 0).sort((a, b) => a - b)) points.push([steps[i], values[i]]);
    }
    return points;
  }

  drawCurve(parent, panel, curve) {
    let path = "", pen = false, gone = null;
    const points = this.thin(curve), few = points.length <= 25, lost = [];
    for (const [step, value] of points) {
      if (!Number.isFinite(value)) { (gone ??= [step, step])[1] = step; pen = false; continue; }
      if (gone) { lost.push(gone); gone = null; }
      if (panel.log && value <= 0) { pen = false; continue; }
      path += `${pen ? "L" : "M"}${this.x(step).toFixed(1)} ${panel.y(value).toFixed(1)}${pen ? "" : "h0"}`;
      pen = true;
    }
    if (gone) lost.push(gone);
    for (const [first, last] of lost) {
      this.stretch(parent, panel, first, last, "lost", "not finite");
      for (const step of new Set([first, last])) {
        const x = this.x(step), y = panel.top + panel.height - 8;
        make(parent, "path", { d: `M${x - 4} ${y - 4}l8 8m0 -8l-8 8`, class: "cross" });
      }
    }
    make(parent, "path", { d: path, class: stroke(curve.style) });
    if (few) for (const [step, value] of points) if (Number.isFinite(value)) this.dot(parent, panel, curve, step, value, 2.5);
  }

  dot(parent, panel, curve, step, value, r) {
    if (panel.log && value <= 0) return;
    make(parent, "circle", { cx: this.x(step), cy: panel.y(value), r, class: "point", fill: `var(--c${curve.style % STYLES})` });
  }

  drawMark(parent, panel, mark) {
    const curve = panel.curves[mark.on];
    const value = (step) => curve.values[nearest(curve.steps, step)];
    for (const step of mark.at) {
      make(parent, "line", { x1: this.x(step), x2: this.x(step), y1: panel.top, y2: panel.top + panel.height, class: "mark" });
      if (Number.isFinite(value(step))) {
        const ring = make(parent, "circle", { cx: this.x(step), cy: panel.y(value(step)), r: 5, class: "ring" });
        make(ring, "title", {}, mark.label);
      }
    }
    if (!mark.level || !Number.isFinite(value(mark.at[0]))) return;
    const y = panel.y(value(mark.at[0])), end = Math.min(this.x(mark.span[1]), this.width - RIGHT) - 6, last = panel.y(value(mark.span[1]));
    make(parent, "line", { x1: this.x(mark.at[0]), x2: end, y1: y, y2: y, class: "level" });
    if (!Number.isFinite(last) || Math.abs(last - y) < 8 || mark.span[1] > this.view[1]) return;
    const tip = last < y ? 5 : -5;
    make(parent, "path", { d: `M${end} ${y}V${last}m-4 ${tip}l4 ${-tip}l4 ${tip}`, class: "rise" });
  }

  drawCursor(event) {
    this.over.replaceChildren();
    if (this.cursor === null) return this.hide();
    const bottom = this.height - BELOW;
    if (this.brush) {
      const [a, b] = this.brush.map((step) => this.x(step));
      make(this.over, "rect", { x: Math.min(a, b), y: TOP, width: Math.abs(b - a), height: bottom - TOP, class: "brush" });
    }
    const main = this.main();
    const at = main ? main.steps[nearest(main.steps, this.cursor)] : this.cursor;
    const x = this.x(at), lines = [];
    make(this.over, "line", { x1: x, x2: x, y1: TOP, y2: bottom, class: "cursor" });
    for (const panel of this.panels) for (const curve of panel.curves) {
      if (!curve.shown) continue;
      const i = nearest(curve.steps, at), value = curve.values[i];
      const off = curve.steps[i] === at ? "" : ` (at ${say(curve.steps[i], 6)})`;
      const name = this.repeated ? `${panel.title} ${curve.name}` : curve.name;
      lines.push(`${name} ${say(value, 5)}${off}`);
      if (Number.isFinite(value) && curve.steps[i] >= this.view[0] && curve.steps[i] <= this.view[1]) this.dot(this.over, panel, curve, curve.steps[i], value, 4);
    }
    this.tip.replaceChildren(element("b", "", `${this.axis} ${say(at, 9)}`), ...lines.map((line) => element("div", "", line)));
    this.tip.hidden = false;
    const room = this.screen.offsetLeft + this.width;
    this.tip.style.left = `${x + 14 + this.tip.offsetWidth > room ? Math.max(x - 14 - this.tip.offsetWidth, 0) : x + 14}px`;
    const box = this.screen.getBoundingClientRect();
    const y = event ? event.clientY - box.top : TOP + 10;
    this.tip.style.top = `${this.screen.offsetTop + Math.max(0, Math.min(y + 12, this.height - this.tip.offsetHeight))}px`;
    if (!event) this.spoken.textContent = `${this.axis} ${say(at, 9)}: ${lines.join(", ")}`;
  }

  hide() {
    this.cursor = null;
    this.tip.hidden = true;
    this.over.replaceChildren();
  }
}

function enliven(root) {
  for (const run of root.querySelectorAll(".run")) {
    const island = run.querySelector(":scope > .series");
    if (!island) continue;
    const series = decode(island);
    for (const figure of run.querySelectorAll("figure.chart")) new Chart(figure, series);
  }
}

// Paper shows what is folded away.
let folded = [];
window.addEventListener("beforeprint", () => {
  folded = [...document.querySelectorAll("details:not([open])")];
  for (const fold of folded) fold.open = true;
});
window.addEventListener("afterprint", () => { for (const fold of folded) fold.open = false; });

enliven(document);
