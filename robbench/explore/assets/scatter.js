// The scatter: a canvas, with a brush, a cursor for the keyboard, and the front.

const VIRIDIS = [[68, 1, 84], [72, 40, 120], [62, 74, 137], [49, 104, 142], [38, 130, 142], [31, 158, 137], [53, 183, 121], [109, 205, 89], [180, 222, 44], [253, 231, 37]];
const MARGIN = { left: 58, right: 78, top: 12, bottom: 44 };
const NEAR = 14;

// What of an axis is drawn: all of its values, or, where a few lie far away, all but a thousandth on either side, and the front.
function extent(values, log, whole = [], margin = 0.03) {
  const sorted = Float64Array.from(values.filter((value) => value === value && (!log || value > 0))).sort();
  if (!sorted.length) return [0, 1];
  const map = log ? Math.log10 : (value) => value;
  const at = (share) => map(sorted[Math.min(sorted.length - 1, Math.round(share * (sorted.length - 1)))]);
  let [low, high] = [at(0), at(1)];
  const [near, far] = [at(0.001), at(0.999)];
  if (high - low > 3 * (far - near) && far > near) {
    const reached = whole.filter((value) => !log || value > 0).map(map); // the front is drawn whole, as in the library's figures
    [low, high] = [Math.min(near, ...reached), Math.max(far, ...reached)];
  }
  const room = high > low ? margin * (high - low) : Math.abs(low) * 0.05 || 0.05;
  return [low - room, high + room];
}

function ticks(low, high, count) {
  const rough = (high - low) / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((one) => one >= 0.7 * rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high; i++) found.push(Number((i * step).toPrecision(10)));
  return found;
}

function logTicks(low, high, count) {
  const step = Math.max(1, Math.ceil((Math.floor(high) - Math.ceil(low)) / count));
  const found = [];
  for (let power = Math.ceil(low); power <= high; power += step) found.push(power);
  return found.length > 1 ? found : ticks(low, high, count);
}

const tickText = (value, log) => shown(log ? 10 ** value : value, 3);

const Scatter = {
  cursor: -1,
  drag: null,

  begin() {
    this.canvas = $("scatter");
    this.pen = this.canvas.getContext("2d");
    const canvas = this.canvas;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      canvas.setPointerCapture(event.pointerId);
      this.drag = { from: this.place(event), to: null };
    });
    canvas.addEventListener("pointermove", (event) => {
      const here = this.place(event);
      if (this.drag && (this.drag.to || Math.hypot(here[0] - this.drag.from[0], here[1] - this.drag.from[1]) > 5)) {
        this.drag.to = here;
        this.draw();
      }
      this.hover(this.drag ? -1 : this.nearest(here), here);
    });
    canvas.addEventListener("pointerup", (event) => {
      const drag = this.drag;
      this.drag = null;
      if (!drag) return;
      if (drag.to) return this.brushed(drag.from, drag.to);
      const row = this.nearest(this.place(event));
      if (row >= 0) {
        this.cursor = row;
        open(row, event.shiftKey || event.ctrlKey || event.metaKey);
      }
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.draw(); });
    canvas.addEventListener("pointerleave", () => this.hover(-1));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => { this.hover(-1); this.draw(); });
    new ResizeObserver(() => this.draw()).observe(canvas.parentElement);
  },

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  },

  // Where everything is, in numbers: once for each choice of metrics.
  compute() {
    const { axes, log } = State;
    this.x = Data.values(axes.x);
    this.y = Data.values(axes.y);
    this.c = Data.values(axes.c);
    this.frontRows = this.front();
    this.isFront = new Set(this.frontRows);
    const reached = (values) => this.frontRows.map((row) => values[row]);
    this.ends = { x: extent(this.x, log.x, reached(this.x)), y: extent(this.y, log.y, reached(this.y)), c: extent(this.c, log.c, [], 0) };
    this.order = null;
  },

  // The architectures that none exceeds in one of the two metrics without falling behind in the other; equal ones are all among them.
  front() {
    const better = [State.better.x, State.better.y];
    const at = (row) => [better[0] * this.x[row], better[1] * this.y[row]];
    const rows = [];
    for (let i = 0; i < Data.count; i++) if (this.x[i] === this.x[i] && this.y[i] === this.y[i]) rows.push(i);
    rows.sort((one, other) => at(other)[0] - at(one)[0] || at(other)[1] - at(one)[1]);
    const found = [];
    let best = -Infinity;
    for (let i = 0; i < rows.length; ) {
      const [first, top] = at(rows[i]);
      let end = i;
      while (end < rows.length && at(rows[end])[0] === first) {
        if (top > best && at(rows[end])[1] === top) found.push(rows[end]);
        end++;
      }
      best = Math.max(best, top);
      i = end;
    }
    return found;
  },

  kept(row) {
    if (State.onlyFront && !this.isFront.has(row)) return false;
    if (!State.brush) return true;
    const [x0, x1, y0, y1] = State.brush;
    return this.x[row] >= x0 && this.x[row] <= x1 && this.y[row] >= y0 && this.y[row] <= y1;
  },

  size() {
    const width = this.canvas.parentElement.clientWidth;
    const height = Math.round(Math.max(280, Math.min(560, width * 0.72, window.innerHeight * 0.72)));
    return [width, height];
  },

  // Pixels of a value, and the value of a pixel.
  across(value) {
    const [low, high] = this.ends.x;
    return MARGIN.left + (((State.log.x ? Math.log10(value) : value) - low) / (high - low)) * (this.width - MARGIN.left - MARGIN.right);
  },
  up(value) {
    const [low, high] = this.ends.y;
    return this.height - MARGIN.bottom - (((State.log.y ? Math.log10(value) : value) - low) / (high - low)) * (this.height - MARGIN.top - MARGIN.bottom);
  },
  valueAt([px, py]) {
    const share = (px - MARGIN.left) / (this.width - MARGIN.left - MARGIN.right);
    const rise = (this.height - MARGIN.bottom - py) / (this.height - MARGIN.top - MARGIN.bottom);
    const of = (axis, part) => {
      const value = this.ends[axis][0] + part * (this.ends[axis][1] - this.ends[axis][0]);
      return State.log[axis] ? 10 ** value : value;
    };
    return [of("x", share), of("y", rise)];
  },

  shade(value) {
    const [low, high] = this.ends.c;
    const part = ((State.log.c ? Math.log10(value) : value) - low) / (high - low || 1);
    return Math.max(0, Math.min(1, part));
  },

  ink(part) {
    const [from, to] = this.dark ? [0.25, 1] : [0, 0.92]; // what is nearly the background's colour is left out
    const place = (from + part * (to - from)) * (VIRIDIS.length - 1);
    const number = Math.min(VIRIDIS.length - 2, Math.floor(place));
    const mixed = VIRIDIS[number].map((one, i) => Math.round(one + (VIRIDIS[number + 1][i] - one) * (place - number)));
    return `rgb(${mixed.join(",")})`;
  },

  draw() {
    if (!this.x) return;
    const [width, height] = this.size();
    const scale = window.devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== Math.round(height * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
      this.canvas.style.height = `${height}px`;
    }
    [this.width, this.height] = [width, height];
    const style = getComputedStyle(document.documentElement);
    const color = (name) => style.getPropertyValue(name).trim();
    this.dark = color("--dark") === "1";
    const pen = this.pen;
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    this.drawAxes(color);
    pen.save();
    pen.beginPath();
    pen.rect(MARGIN.left, MARGIN.top, width - MARGIN.left - MARGIN.right, height - MARGIN.top - MARGIN.bottom);
    pen.clip();
    this.drawPoints(color);
    if (State.front) this.drawFront(color);
    this.drawBrush(color);
    pen.restore();
    this.drawPicked(color);
    this.drawShades(color);
  },

  drawAxes(color) {
    const { pen, width, height } = this;
    const right = width - MARGIN.right, bottom = height - MARGIN.bottom;
    pen.lineWidth = 1;
    pen.fillStyle = color("--ink");
    pen.textBaseline = "middle";
    for (const axis of ["x", "y"]) {
      const [low, high] = this.ends[axis];
      const log = State.log[axis];
      const count = axis === "x" ? Math.max(2, Math.floor((width - MARGIN.left - MARGIN.right) / 75)) : Math.max(2, Math.floor(height / 70));
      for (const tick of (log ? logTicks : ticks)(low, high, count)) {
        const value = log ? 10 ** tick : tick;
        pen.strokeStyle = color("--line");
        pen.beginPath();
        if (axis === "x") {
          const px = Math.round(this.across(value)) + 0.5;
          pen.moveTo(px, MARGIN.top);
          pen.lineTo(px, bottom);
          pen.textAlign = "center";
          pen.fillText(tickText(tick, log), px, bottom + 12);
        } else {
          const py = Math.round(this.up(value)) + 0.5;
          pen.moveTo(MARGIN.left, py);
          pen.lineTo(right, py);
          pen.textAlign = "right";
          pen.fillText(tickText(tick, log), MARGIN.left - 6, py);
        }
        pen.stroke();
      }
    }
    pen.strokeStyle = color("--faint");
    pen.strokeRect(MARGIN.left + 0.5, MARGIN.top + 0.5, right - MARGIN.left, bottom - MARGIN.top);
    pen.textAlign = "center";
    pen.fillText(fullTitle(Data.columns[State.axes.x]), (MARGIN.left + right) / 2, height - 12, right - MARGIN.left);
    pen.save();
    pen.translate(12, (MARGIN.top + bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(fullTitle(Data.columns[State.axes.y]), 0, 0, bottom - MARGIN.top);
    pen.restore();
  },

  drawPoints(color) {
    const pen = this.pen;
    const side = Data.count > 20000 ? 2 : Data.count > 2000 ? 3.4 : 6;
    const shades = 64;
    // By colour, so that few colours are set; where points overlap, the highest values are on top.
    if (!this.order) {
      const level = (row) => (this.c[row] === this.c[row] ? Math.round(this.shade(this.c[row]) * (shades - 1)) : -1);
      this.levels = Int16Array.from({ length: Data.count }, (_, row) => level(row));
      const starts = new Uint32Array(shades + 2);
      for (const one of this.levels) starts[one + 2]++;
      for (let i = 1; i < starts.length; i++) starts[i] += starts[i - 1];
      this.order = new Uint32Array(Data.count);
      this.levels.forEach((one, row) => { this.order[starts[one + 1]++] = row; });
    }
    const filtered = State.brush || State.onlyFront;
    const spot = (row) => {
      const px = this.across(this.x[row]), py = this.up(this.y[row]);
      if (px === px && py === py) pen.fillRect(px - side / 2, py - side / 2, side, side);
    };
    if (filtered) {
      pen.fillStyle = color("--line");
      for (const row of this.order) if (!this.kept(row)) spot(row);
    }
    let level = null;
    pen.globalAlpha = Data.count > 2000 ? 0.8 : 1;
    for (const row of this.order) {
      if (filtered && !this.kept(row)) continue;
      if (this.levels[row] !== level) {
        level = this.levels[row];
        pen.fillStyle = level < 0 ? color("--faint") : this.ink(level / (shades - 1));
      }
      spot(row);
    }
    pen.globalAlpha = 1;
  },

  // A staircase: between two points of the front nothing is as good as both.
  drawFront(color) {
    const pen = this.pen;
    const points = this.frontRows.map((row) => [this.across(this.x[row]), this.up(this.y[row])]).filter(([px, py]) => px === px && py === py);
    pen.strokeStyle = color("--front");
    pen.lineWidth = 1.8;
    pen.beginPath();
    points.forEach(([px, py], i) => {
      if (i) pen.lineTo(px, points[i - 1][1]);
      pen[i ? "lineTo" : "moveTo"](px, py);
    });
    pen.stroke();
    pen.fillStyle = color("--page");
    for (const [px, py] of points) {
      pen.beginPath();
      pen.arc(px, py, 3.4, 0, 2 * Math.PI);
      pen.fill();
      pen.stroke();
    }
  },

  drawBrush(color) {
    const pen = this.pen;
    let box = null;
    if (this.drag && this.drag.to) box = [...this.drag.from, ...this.drag.to];
    else if (State.brush) {
      const clip = (value, low, high) => Math.max(low, Math.min(high, value));
      const px = (value) => clip(value === -Infinity ? 0 : value === Infinity ? this.width : this.across(value), 0, this.width);
      const py = (value) => clip(value === -Infinity ? this.height : value === Infinity ? 0 : this.up(value), 0, this.height);
      const [x0, x1, y0, y1] = State.brush;
      box = [px(x0), py(y0), px(x1), py(y1)];
    }
    if (!box || box.some((end) => end !== end)) return;
    pen.strokeStyle = color("--ink");
    pen.lineWidth = 1;
    pen.setLineDash([4, 3]);
    pen.strokeRect(Math.min(box[0], box[2]), Math.min(box[1], box[3]), Math.abs(box[2] - box[0]), Math.abs(box[3] - box[1]));
    pen.setLineDash([]);
  },

  drawPicked(color) {
    const pen = this.pen;
    const ring = (row, ink, radius) => {
      const px = this.across(this.x[row]), py = this.up(this.y[row]);
      if (px !== px || py !== py) return null;
      pen.beginPath();
      pen.arc(px, py, radius, 0, 2 * Math.PI);
      for (const [style, width] of [[color("--page"), 5], [ink, 2.4]]) {
        pen.strokeStyle = style;
        pen.lineWidth = width;
        pen.stroke();
      }
      return [px, py];
    };
    pen.font = "bold 13px system-ui, sans-serif";
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    State.picked.forEach((row, number) => {
      const at = ring(row, color("--ink"), 7);
      if (!at) return;
      pen.lineWidth = 4;
      pen.strokeStyle = color("--page");
      pen.strokeText(LETTERS[number], at[0] + 11, at[1]);
      pen.fillStyle = color("--ink");
      pen.fillText(LETTERS[number], at[0] + 11, at[1]);
    });
    if (this.cursor >= 0 && document.activeElement === this.canvas) ring(this.cursor, color("--accent"), 10);
    pen.font = "12px system-ui, sans-serif";
  },

  drawShades(color) {
    const { pen, width, height } = this;
    const left = width - MARGIN.right + 14, top = MARGIN.top + 8, tall = height - MARGIN.top - MARGIN.bottom - 16;
    for (let i = 0; i < tall; i++) {
      pen.fillStyle = this.ink(1 - i / tall);
      pen.fillRect(left, top + i, 10, 1.5);
    }
    pen.fillStyle = color("--ink");
    pen.textAlign = "left";
    pen.textBaseline = "middle";
    const [low, high] = this.ends.c;
    const log = State.log.c;
    if (high > low) {
      for (const tick of (log ? logTicks : ticks)(low, high, 5)) {
        pen.fillText(tickText(tick, log), left + 14, top + tall * (1 - (tick - low) / (high - low)), MARGIN.right - 30);
      }
    }
    pen.save();
    pen.translate(width - 7, top + tall / 2);
    pen.rotate(-Math.PI / 2);
    pen.textAlign = "center";
    pen.fillText(fullTitle(Data.columns[State.axes.c]), 0, 0, tall);
    pen.restore();
  },

  nearest([px, py], within = NEAR) {
    let found = -1, least = within * within;
    for (let row = 0; row < Data.count; row++) {
      const dx = this.across(this.x[row]) - px, dy = this.up(this.y[row]) - py;
      const apart = dx * dx + dy * dy;
      if (apart < least && this.kept(row)) {
        found = row;
        least = apart;
      }
    }
    return found;
  },

  says(row) {
    const part = (axis) => {
      const column = Data.columns[State.axes[axis]];
      return `${column.metric} ${shown(Data.values(column.place)[row])}`;
    };
    return `${part("x")}, ${part("y")}, ${part("c")}`;
  },

  hover(row, at) {
    const tip = $("tip");
    tip.hidden = row < 0;
    this.canvas.style.cursor = row < 0 ? "crosshair" : "pointer";
    if (row < 0) return;
    const [px, py] = at || [this.across(this.x[row]), this.up(this.y[row])];
    tip.replaceChildren(make("strong", {}, Data.arch(row)), make("br"), this.says(row));
    tip.style.left = `${Math.max(4, Math.min(px + 14, this.width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${py + 18 + tip.offsetHeight > this.height ? py - tip.offsetHeight - 10 : py + 18}px`;
  },

  brushed(from, to) {
    const [one, other] = [this.valueAt(from), this.valueAt(to)];
    const ends = [Math.min(one[0], other[0]), Math.max(one[0], other[0]), Math.min(one[1], other[1]), Math.max(one[1], other[1])];
    State.brush = ends.map((end) => Number(end.toPrecision(4)));
    State.page = 0;
    Main.refresh();
    say($("scatter-says").textContent);
  },

  key(event) {
    const steps = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    if (event.key === "Escape") return Main.clearFilter();
    if (event.key === "Enter" && this.cursor >= 0) {
      event.preventDefault();
      return open(this.cursor, event.shiftKey);
    }
    if (!steps[event.key]) return;
    event.preventDefault();
    const isDrawn = (row) => this.across(this.x[row]) === this.across(this.x[row]) && this.up(this.y[row]) === this.up(this.y[row]);
    const start = State.picked.find(isDrawn) ?? this.nearest([this.width / 2, this.height / 2], 1e5);
    const next = this.cursor < 0 || !isDrawn(this.cursor) ? start : this.towards(steps[event.key]);
    if (next < 0) return say("There is no point further that way.");
    this.cursor = next;
    this.draw();
    this.hover(next);
    say(`${Data.arch(next)}: ${this.says(next)}`);
  },

  // The nearest point within 45° of a direction.
  towards([dx, dy]) {
    const px = this.across(this.x[this.cursor]), py = this.up(this.y[this.cursor]);
    let found = -1, least = Infinity;
    for (let row = 0; row < Data.count; row++) {
      const right = this.across(this.x[row]) - px, down = this.up(this.y[row]) - py;
      const along = right * dx + down * dy, aside = Math.abs(right * dy + down * dx);
      if (along > 0.5 && aside <= along && along * along + aside * aside < least && this.kept(row)) {
        found = row;
        least = along * along + aside * aside;
      }
    }
    return found;
  },
};
