// What the scatter looks like: axes, points by colour, the front, the brush, and what is picked.

const VIRIDIS = [
  [68, 1, 84],
  [72, 40, 120],
  [62, 74, 137],
  [49, 104, 142],
  [38, 130, 142],
  [31, 158, 137],
  [53, 183, 121],
  [109, 205, 89],
  [180, 222, 44],
  [253, 231, 37],
];
const MARGIN = { left: 58, right: 78, top: 12, bottom: 44 };

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

const Painting = {
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
    return (
      this.height -
      MARGIN.bottom -
      (((State.log.y ? Math.log10(value) : value) - low) / (high - low)) * (this.height - MARGIN.top - MARGIN.bottom)
    );
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
    const right = width - MARGIN.right,
      bottom = height - MARGIN.bottom;
    pen.lineWidth = 1;
    pen.fillStyle = color("--ink");
    pen.textBaseline = "middle";
    for (const axis of ["x", "y"]) {
      const [low, high] = this.ends[axis];
      const log = State.log[axis];
      const count =
        axis === "x" ? Math.max(2, Math.floor((width - MARGIN.left - MARGIN.right) / 75)) : Math.max(2, Math.floor(height / 70));
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
      this.levels.forEach((one, row) => {
        this.order[starts[one + 1]++] = row;
      });
    }
    const filtered = State.brush || State.onlyFront;
    const spot = (row) => {
      const px = this.across(this.x[row]),
        py = this.up(this.y[row]);
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
    const points = this.frontRows
      .map((row) => [this.across(this.x[row]), this.up(this.y[row])])
      .filter(([px, py]) => px === px && py === py);
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
      const px = this.across(this.x[row]),
        py = this.up(this.y[row]);
      if (px !== px || py !== py) return null;
      pen.beginPath();
      pen.arc(px, py, radius, 0, 2 * Math.PI);
      for (const [style, width] of [
        [color("--page"), 5],
        [ink, 2.4],
      ]) {
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
    const left = width - MARGIN.right + 14,
      top = MARGIN.top + 8,
      tall = height - MARGIN.top - MARGIN.bottom - 16;
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
};
