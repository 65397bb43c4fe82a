// What is shown, and the address that restores it: #x=…&y=…&c=…&pick=key,key&sort=-…

const $ = (id) => document.getElementById(id);

// An element: text is written as text, never as HTML.
function make(tag, attributes = {}, ...children) {
  const svg = ["svg", "path", "circle", "text", "line", "g", "polygon", "rect", "polyline", "title"].includes(tag);
  const element = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const State = {
  picked: [],
  extra: [],
  brush: null,
  onlyFront: false,
  front: true,
  sort: null,
  page: 0,
  theme: "system",
  axes: { x: null, y: null, c: null },
  log: { x: false, y: false, c: false },
  better: { x: 1, y: 1 },
};

const MOST_PICKED = 6;
const LETTERS = "ABCDEF";
const INKS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#b37700", "#3d8fc0"];
const THEMES = ["system", "light", "dark"];

// To seven digits a float32 says all that it has; fewer where fewer say the same.
function shortest(value, column) {
  if (column.denominator) return String(Number(value.toPrecision(12)));
  for (let digits = 1; digits < 9; digits++) {
    const text = value.toPrecision(digits);
    if (Math.fround(Number(text)) === value) return String(Number(text));
  }
  return String(Number(value.toPrecision(9)));
}

function shown(value, digits = 4) {
  if (value === null || value !== value) return "–";
  if (value !== 0 && Math.abs(value) < 1e-4) return value.toExponential(2).replace("-", "−");
  if (Math.abs(value) >= 1e6) return value.toExponential(2);
  return String(Number(value.toPrecision(digits))).replace("-", "−");
}

function signed(value) {
  if (value !== value) return "–";
  return (value > 0 ? "+" : "") + shown(value, 3);
}

const unitOf = (column) => (column.unit === "1" || column.unit === "fraction" ? "" : column.unit.replace("10^6", "millions"));

function where(column) {
  return column.dataset ? `${column.dataset} · ${column.training}` : Data.space;
}

function titleOf(column) {
  const unit = unitOf(column);
  const what = column.accuracy && ["clean", "attack", "corruption"].includes(column.kind) ? `${column.metric} accuracy` : column.metric;
  return what + (unit ? ` (${unit})` : "");
}

const fullTitle = (column) => (column.dataset ? `${titleOf(column)}, ${where(column)}` : titleOf(column));

// Whether a logarithmic axis tells more: all numbers above 0, over four orders of magnitude.
function wantsLog(place) {
  let low = Infinity,
    high = -Infinity;
  for (const value of Data.values(place)) {
    if (value === value) {
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  }
  return low > 0 && high / low > 1e4;
}

function setAxis(axis, place) {
  State.axes[axis] = place;
  State.log[axis] = wantsLog(place);
  if (axis !== "c") {
    State.better[axis] = Data.columns[place].better || -1;
    State.brush = null;
  }
}

const numberOf = (text) => (text === null || text.trim() === "" || !Number.isFinite(Number(text)) ? null : Number(text));

const Address = {
  written() {
    const fields = new URLSearchParams();
    for (const axis of ["x", "y", "c"]) fields.set(axis, Data.columns[State.axes[axis]].id);
    const logs = ["x", "y", "c"].filter((axis) => State.log[axis] !== wantsLog(State.axes[axis])).join("");
    if (logs) fields.set("log", logs);
    const turned = ["x", "y"].filter((axis) => State.better[axis] !== (Data.columns[State.axes[axis]].better || -1)).join("");
    if (turned) fields.set("turned", turned);
    if (State.picked.length) fields.set("pick", State.picked.map((row) => Data.keys[row]).join(","));
    if (State.brush) fields.set("brush", State.brush.map((end) => (Number.isFinite(end) ? end : "")).join(","));
    if (State.onlyFront) fields.set("only", "front");
    if (!State.front) fields.set("front", "off");
    for (const place of State.extra) fields.append("column", Data.columns[place].id);
    if (State.sort) fields.set("sort", (State.sort.down ? "-" : "") + State.sort.by);
    if (State.page) fields.set("page", State.page);
    if (State.theme !== "system") fields.set("theme", State.theme);
    return "#" + fields;
  },

  // Whatever of an address does not fit this store is left out, and the page says so.
  read(hash) {
    const fields = new URLSearchParams(hash.replace(/^#/, ""));
    const unknown = [];
    const place = (id) => {
      if (!Data.placeOf.has(id)) unknown.push(id);
      return Data.placeOf.get(id);
    };
    ["x", "y", "c"].forEach((axis, number) => {
      setAxis(axis, (fields.has(axis) ? place(fields.get(axis)) : undefined) ?? Data.start[number]);
      if ((fields.get("log") || "").includes(axis)) State.log[axis] = !State.log[axis];
      if (axis !== "c" && (fields.get("turned") || "").includes(axis)) State.better[axis] *= -1;
    });
    const picked = (fields.get("pick") || "").split(",").filter(Boolean);
    unknown.push(...picked.filter((key) => !Data.rowOfKey.has(key)));
    State.picked = [...new Set(picked.filter((key) => Data.rowOfKey.has(key)).map((key) => Data.rowOfKey.get(key)))].slice(0, MOST_PICKED);
    const ends = (fields.get("brush") || "").split(",").map(numberOf);
    State.brush =
      ends.length === 4 && ends.some((end) => end !== null) ? ends.map((end, number) => end ?? (number % 2 ? Infinity : -Infinity)) : null;
    State.onlyFront = fields.get("only") === "front";
    State.front = fields.get("front") !== "off";
    State.extra = fields
      .getAll("column")
      .map(place)
      .filter((found) => found !== undefined);
    const sort = fields.get("sort") || "";
    State.sort = sort ? { by: sort.replace(/^-/, ""), down: sort.startsWith("-") } : null;
    State.page = Math.max(0, Math.floor(numberOf(fields.get("page")) ?? 0));
    State.theme = THEMES.includes(fields.get("theme")) ? fields.get("theme") : "system";
    return unknown;
  },
};

function say(text) {
  $("live").textContent = text;
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

// Open one architecture, or add it to those that are compared; take it away where it is among them.
function open(row, compare = false) {
  if (!compare) State.picked = [row];
  else if (State.picked.includes(row)) State.picked = State.picked.filter((other) => other !== row);
  else if (State.picked.length < MOST_PICKED) State.picked = [...State.picked, row];
  else return say(`${MOST_PICKED} architectures are compared; take one away first.`);
  say(State.picked.includes(row) ? `${compare ? "Compared" : "Opened"}: ${Data.arch(row)}` : `No longer compared: ${Data.arch(row)}`);
  Main.refresh();
}
