// Small drawings: an architecture, and accuracy over the levels of threats.

const DASHES = { "-": "", "--": "5 3", "-.": "6 2 1.5 2", ":": "1.5 2.5" };

// An architecture as the library's figures draw it; they say where everything is.
function drawing(row) {
  const known = Data.drawings;
  if (!known) return assignment(Data.representatives[row]);
  const [layout, ...arrows] = known.drawn[row];
  const [left, right, bottom, top] = known.limits;
  const isWide = known.layouts[layout].nodes.some(([, , label]) => label.length > 2); // labels stand beside their nodes
  const letters = (right - left) / (isWide ? 33 : 26),
    unit = (right - left) / 340;
  const beside = isWide ? 1.6 * letters : 0;
  const wide = right - left + 2 * beside,
    tall = top - bottom;
  const picture = make("svg", {
    viewBox: `${left - beside} ${-top} ${wide} ${tall}`,
    role: "img",
    class: "cell",
    "font-size": letters,
    "aria-label": `Drawing of ${Data.arch(row)}`,
  });
  for (const number of arrows) picture.append(...arrow(known.arrows[number], known, letters, unit));
  for (const [x, y, label, end] of known.layouts[layout].nodes) {
    const long = label.length > 2;
    picture.append(make("circle", { cx: x, cy: -y, r: known.radius, class: "node", "stroke-width": unit }));
    const side = end === "input" ? -1 : 1;
    picture.append(
      make(
        "text",
        {
          x: long ? x + side * (known.radius + 0.08) : x,
          y: -y,
          "text-anchor": !long ? "middle" : side > 0 ? "start" : "end",
          "dominant-baseline": "central",
        },
        label,
      ),
    );
    if (end && !long)
      picture.append(
        make(
          "text",
          { x: x + (end === "output" ? letters : 0), y: -y + known.radius + letters * 0.9, "text-anchor": "middle", class: "quiet" },
          end,
        ),
      );
  }
  for (const [x, y, text] of known.layouts[layout].titles)
    picture.append(make("text", { x, y: -y, "text-anchor": "middle", "font-weight": "bold" }, text));
  return picture;
}

function arrow([fromX, fromY, toX, toY, midX, midY, operation, label], known, letters, unit) {
  const style = known.styles[operation];
  // A quadratic curve passes halfway between the middle of its ends and its control point.
  const control = [2 * midX - (fromX + toX) / 2, 2 * midY - (fromY + toY) / 2];
  const toward = ([x, y], [a, b], by) => {
    const length = Math.hypot(a - x, b - y) || 1;
    return [x + ((a - x) / length) * by, y + ((b - y) / length) * by];
  };
  const nothing = operation === "none";
  const head = nothing ? 0 : 9 * unit;
  const begin = toward([fromX, fromY], control, known.radius);
  const tip = toward([toX, toY], control, known.radius);
  const neck = toward([toX, toY], control, known.radius + head);
  const width = style.linewidth * 1.5 * unit;
  const dash = DASHES[style.linestyle]
    .split(" ")
    .filter(Boolean)
    .map((part) => part * 1.4 * unit)
    .join(" ");
  const parts = [
    make("path", {
      d: `M${begin[0]} ${-begin[1]} Q${control[0]} ${-control[1]} ${neck[0]} ${-neck[1]}`,
      fill: "none",
      "stroke-width": width,
      "stroke-dasharray": dash || null,
      class: "stroke",
    }),
  ];
  if (!nothing) {
    const across = [(tip[1] - neck[1]) * 0.5, (neck[0] - tip[0]) * 0.5];
    const corners = [tip, [neck[0] + across[0], neck[1] + across[1]], [neck[0] - across[0], neck[1] - across[1]]];
    parts.push(make("polygon", { points: corners.map(([x, y]) => `${x},${-y}`).join(" "), class: "fill" }));
  }
  const bent = Math.hypot(midX - (fromX + toX) / 2, midY - (fromY + toY) / 2) > 1e-6;
  if (label)
    parts.push(
      make(
        "text",
        {
          x: midX,
          y: -midY - (bent ? 0 : letters * 0.75),
          "text-anchor": "middle",
          "dominant-baseline": "central",
          class: "label fill",
          "stroke-width": letters * 0.35,
        },
        label,
      ),
    );
  for (const part of parts) part.style.setProperty("--own", style.color === "#000000" ? "var(--ink)" : style.color);
  return parts;
}

// Of a space without drawings: what each variable is.
function assignment(exact) {
  const list = make("dl", { class: "assignment" });
  Data.variables.forEach(([name, ...choices], place) =>
    list.append(make("dt", {}, name), make("dd", {}, choices[Data.codes[place][exact]])),
  );
  return list;
}

// The threats that have levels: those of one attack or corruption, on one dataset and training.
function threats() {
  const found = new Map();
  for (const column of Data.columns) {
    if (column.level === null || column.kind === "derived" || !column.accuracy) continue;
    const id = [column.dataset, column.training, column.name].join("/");
    if (!found.has(id)) found.set(id, []);
    found.get(id).push(column);
  }
  return found;
}

// Accuracy over levels, evenly spaced, since 0.1/255 and 255/255 are both to be read; a line, a letter and a dash for each architecture.
function curves(rows, columns) {
  const [width, height, left, bottom, top, right] = [420, 210, 40, 34, 10, 22];
  const clean = Data.placeOf.get([columns[0].dataset, columns[0].training, "clean"].join("/"));
  const points = [...(clean === undefined ? [] : [Data.columns[clean]]), ...columns];
  const x = (i) => left + 8 + (i * (width - left - right - 8)) / Math.max(1, points.length - 1);
  const y = (value) => height - bottom - value * (height - bottom - top);
  const picture = make("svg", {
    viewBox: `0 0 ${width} ${height}`,
    role: "img",
    class: "curves",
    "aria-label": `Accuracy under ${columns[0].name} over ${columns[0].axis}; the numbers are in the table of numbers.`,
  });
  for (const value of [0, 0.25, 0.5, 0.75, 1]) {
    picture.append(make("line", { x1: left, x2: width - right, y1: y(value), y2: y(value), class: "grid" }));
    picture.append(make("text", { x: left - 6, y: y(value), "text-anchor": "end", "dominant-baseline": "central" }, String(value)));
  }
  points.forEach((column, i) =>
    picture.append(
      make(
        "text",
        { x: x(i), y: height - bottom + 14, "text-anchor": "middle" },
        column.level === null ? "clean" : column.level.replace("/255", ""),
      ),
    ),
  );
  picture.append(
    make(
      "text",
      { x: (left + width - right) / 2, y: height - 3, "text-anchor": "middle" },
      columns[0].axis === "eps" ? `eps of ${columns[0].name}, in 1/255` : `severity of ${columns[0].name}`,
    ),
  );
  const ends = []; // where letters stand, none on another
  rows.forEach((row, number) => {
    const own = points.map((column, i) => [x(i), Data.values(column.place)[row], column]).filter(([, value]) => value === value);
    const line = make("polyline", {
      points: own.map(([px, value]) => `${px},${y(value)}`).join(" "),
      class: "stroke",
      fill: "none",
      "stroke-width": 2,
      "stroke-dasharray": ["", "6 3", "2 2", "8 3 2 3"][number % 4] || null,
    });
    const parts = [line];
    own.forEach(([px, value, column]) => {
      const spot = make("circle", { cx: px, cy: y(value), r: 3, class: "fill" });
      spot.append(make("title", {}, `${LETTERS[number]}: ${column.metric} ${shown(value)}`));
      parts.push(spot);
    });
    if (own.length && rows.length > 1) {
      const [px, value] = own[own.length - 1];
      let at = y(value);
      while (ends.some((other) => Math.abs(other - at) < 11)) at -= 1;
      ends.push(at);
      parts.push(make("text", { x: px + 7, y: at, "dominant-baseline": "central", class: "fill", "font-weight": "bold" }, LETTERS[number]));
    }
    for (const part of parts) part.style.setProperty("--own", INKS[number]);
    picture.append(...parts);
  });
  return picture;
}
