// The scatter: what is where, a brush, and a cursor for the keyboard.

const NEAR = 14;

const Scatter = {
  ...Painting,

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
    canvas.addEventListener("pointercancel", () => {
      this.drag = null;
      this.draw();
    });
    canvas.addEventListener("pointerleave", () => this.hover(-1));
    canvas.addEventListener("keydown", (event) => this.key(event));
    canvas.addEventListener("focus", () => this.draw());
    canvas.addEventListener("blur", () => {
      this.hover(-1);
      this.draw();
    });
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
    for (let i = 0; i < rows.length;) {
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

  nearest([px, py], within = NEAR) {
    let found = -1,
      least = within * within;
    for (let row = 0; row < Data.count; row++) {
      const dx = this.across(this.x[row]) - px,
        dy = this.up(this.y[row]) - py;
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
    const px = this.across(this.x[this.cursor]),
      py = this.up(this.y[this.cursor]);
    let found = -1,
      least = Infinity;
    for (let row = 0; row < Data.count; row++) {
      const right = this.across(this.x[row]) - px,
        down = this.up(this.y[row]) - py;
      const along = right * dx + down * dy,
        aside = Math.abs(right * dy + down * dx);
      if (along > 0.5 && aside <= along && along * along + aside * aside < least && this.kept(row)) {
        found = row;
        least = along * along + aside * aside;
      }
    }
    return found;
  },
};
