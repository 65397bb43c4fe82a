// One architecture, or several side by side: drawn, with all numbers, curves, neighbours and twins.

const NEAREST = 12;
const MOST_LINES = 200;

const Details = {
  threat: null,
  of: 0,
  opened: new Set(),

  show() {
    const rows = State.picked;
    const body = $("details-body");
    $("details-title").textContent = rows.length > 1 ? `${rows.length} architectures compared` : "Architecture";
    if (!rows.length) {
      body.replaceChildren(make("p", { class: "says" }, "Open one in the plot, in the table or by a search."));
      return;
    }
    this.of = Math.min(this.of, rows.length - 1);
    body.replaceChildren(
      make("div", { class: "cards" }, ...rows.map((row, number) => this.card(row, number))),
      this.curve(rows),
      this.neighbours(rows),
      this.twins(rows),
      this.numbers(rows),
    );
  },

  card(row, number) {
    const several = State.picked.length > 1;
    const exact = Data.representatives[row];
    const members = this.members(row);
    const facts = [["key", Data.keys[row]]];
    if (Data.index) facts.push(["index", String(Data.published(exact))]);
    for (const axis of new Set(["x", "y", "c"].map((axis) => State.axes[axis]))) {
      facts.push([Data.columns[axis].metric, this.withNoise(Data.columns[axis], row)]);
    }
    const list = make("dl", {});
    for (const [name, text] of facts) list.append(make("dt", {}, name), make("dd", {}, text));
    const others = members.filter((one) => one !== exact);
    return make(
      "article",
      { class: "card", "aria-label": `Architecture ${LETTERS[number]}` },
      make("h3", {}, several ? make("span", { class: "letter" }, LETTERS[number]) : null, make("code", {}, Data.arch(row))),
      drawing(row),
      list,
      others.length
        ? make(
            "details",
            { class: "members" },
            make("summary", {}, `${others.length} more count as the same`),
            make("ul", {}, ...others.slice(0, MOST_LINES).map((one) => make("li", {}, make("code", {}, Data.exact[one])))),
          )
        : null,
      make(
        "div",
        { class: "buttons" },
        several ? make("button", { type: "button", onclick: () => open(row) }, "Only this") : null,
        make("button", { type: "button", onclick: () => open(row, true), "aria-label": `Close ${LETTERS[number]}` }, "Close"),
      ),
    );
  },

  members(row) {
    const found = [];
    Data.classOf.forEach((one, exact) => {
      if (one === row) found.push(exact);
    });
    return found;
  },

  withNoise(column, row) {
    const value = Data.values(column.place)[row];
    const noise = Data.noise(column, value);
    const unit = unitOf(column);
    return shown(value) + (noise === null ? "" : ` ± ${shown(noise, 2)}`) + (unit && value === value ? ` ${unit}` : "");
  },

  curve(rows) {
    const all = threats();
    if (!all.size) return null;
    if (!all.has(this.threat)) {
      const column = Data.columns[State.axes.y];
      const own = [column.dataset, column.training, column.name].join("/");
      this.threat = all.has(own) ? own : [...all.keys()][0];
    }
    const choose = make("select", {
      id: "threat",
      onchange: (event) => {
        this.threat = event.target.value;
        Main.keep("threat", () => this.show());
      },
    });
    for (const [id, columns] of all)
      choose.append(make("option", { value: id, selected: id === this.threat }, `${columns[0].name} · ${where(columns[0])}`));
    return make(
      "section",
      { class: "part" },
      make("h3", {}, "Accuracy over levels"),
      make("label", {}, "of ", choose),
      curves(rows, all.get(this.threat)),
    );
  },

  // Which of the compared architectures a part is about.
  chooser(id, rows) {
    if (rows.length < 2) return null;
    const choose = make("select", {
      id,
      onchange: (event) => {
        this.of = Number(event.target.value);
        Main.keep(id, () => this.show());
      },
    });
    rows.forEach((row, number) =>
      choose.append(make("option", { value: number, selected: number === this.of }, `${LETTERS[number]}  ${Data.arch(row)}`)),
    );
    return make("label", {}, "of ", choose);
  },

  neighbours(rows) {
    const row = rows[this.of];
    const exact = Data.representatives[row];
    const { found, single } = Data.neighbours(exact, NEAREST);
    const columns = [...new Set([State.axes.y, State.axes.x])].map((place) => Data.columns[place]);
    const choice = (place, one) => Data.variables[place][1 + Data.codes[place][one]];
    const change = (place, other) => [Data.variables[place][0], choice(place, exact), choice(place, other)];
    const heads = single ? [Data.kind, "from", "to"] : ["differs in", "architecture"];
    const lines = found.slice(0, MOST_LINES).map(([other, places]) => {
      const to = Data.classOf[other];
      const what = single
        ? change(places[0], other).map((text) => make("td", {}, text))
        : [
            make(
              "td",
              { title: places.map((place) => "{0}: {1} → {2}".replace(/{(\d)}/g, (_, i) => change(place, other)[i])).join("\n") },
              `${places.length} of ${Data.variables.length}`,
            ),
            make("td", { class: "arch" }, make("code", {}, Data.exact[other])),
          ];
      return make(
        "tr",
        {},
        ...what,
        ...columns.map((column) => this.change(column, row, other)),
        make(
          "td",
          {},
          to === row
            ? "same"
            : make(
                "button",
                { type: "button", title: Data.exact[other], "aria-label": `Open ${Data.exact[other]}`, onclick: () => open(to) },
                "Open",
              ),
        ),
      );
    });
    const says = single
      ? `What a single change does: ${found.length} neighbours are in the store.`
      : "No single change leads to an architecture of the store. These are the nearest; what they change is told when one is pointed at.";
    return make(
      "section",
      { class: "part" },
      make("h3", {}, "Neighbours"),
      this.chooser("neighbours-of", rows),
      make(
        "p",
        { class: "says" },
        found.length ? `${says} Grey: within twice the noise of a difference.` : "There is no other architecture in the store.",
      ),
      found.length
        ? make(
            "div",
            { class: "scroll low", tabindex: 0, role: "region", "aria-label": "Neighbours" },
            make(
              "table",
              { id: "neighbours" },
              make(
                "thead",
                {},
                make(
                  "tr",
                  {},
                  ...[...heads, ...columns.map((column) => column.metric), ""].map((text) => make("th", { scope: "col" }, text)),
                ),
              ),
              make("tbody", {}, ...lines),
            ),
          )
        : null,
    );
  },

  // What a neighbour's number is, and how far from this one's; of what belongs to exact architectures only that of representatives is known.
  change(column, row, other) {
    const to = Data.classOf[other];
    const values = Data.values(column.place);
    if (column.rows === "exact" && Data.representatives[to] !== other) return make("td", { class: "number quiet" }, "–");
    const difference = values[to] - values[row];
    const noise = Data.noise(column, values[row]);
    const small = to === row || (noise !== null && Math.abs(difference) < 2 * Math.SQRT2 * noise);
    const way = difference > 0 ? "▲" : difference < 0 ? "▼" : "";
    return make(
      "td",
      { class: small ? "number quiet" : "number" },
      `${shown(values[to])} `,
      make("span", { class: "change" }, `${way} ${to === row ? "0" : signed(difference)}`),
    );
  },

  twins(rows) {
    const row = rows[this.of];
    const found = Data.twinsOf(row);
    const columns = [...new Set([State.axes.x, State.axes.y])].map((place) => Data.columns[place]);
    const lines = found
      .slice(0, MOST_LINES)
      .map((other) =>
        make(
          "tr",
          {},
          make("td", { class: "arch" }, make("code", {}, Data.arch(other))),
          ...columns.map((column) => make("td", { class: "number" }, shown(Data.values(column.place)[other]))),
          make(
            "td",
            {},
            make("button", { type: "button", onclick: () => open(other), "aria-label": `Open ${Data.arch(other)}` }, "Open"),
            " ",
            make("button", { type: "button", onclick: () => open(other, true), "aria-label": `Compare ${Data.arch(other)}` }, "Compare"),
          ),
        ),
      );
    return make(
      "section",
      { class: "part" },
      make("h3", {}, "Twins"),
      this.chooser("twins-of", rows),
      make(
        "p",
        { class: "says" },
        found.length
          ? `${found.length} other ${found.length === 1 ? "architecture computes" : "architectures compute"} the same function, trained and measured apart: what their accuracies differ by is noise.${found.length > MOST_LINES ? ` These are the first ${MOST_LINES}.` : ""}`
          : "No other architecture of the store is known to compute the same function.",
      ),
      found.length
        ? make(
            "div",
            { class: "scroll low", tabindex: 0, role: "region", "aria-label": "Twins" },
            make(
              "table",
              { id: "twins" },
              make(
                "thead",
                {},
                make(
                  "tr",
                  {},
                  ...["architecture", ...columns.map((column) => column.metric), ""].map((text) => make("th", { scope: "col" }, text)),
                ),
              ),
              make("tbody", {}, ...lines),
            ),
          )
        : null,
    );
  },

  // All numbers, by dataset and training; those of an open part are made when it is opened.
  numbers(rows) {
    const groups = new Map();
    for (const column of Data.columns) {
      if (!groups.has(where(column))) groups.set(where(column), []);
      groups.get(where(column)).push(column);
    }
    if (!this.opened.size) this.opened.add(where(Data.columns[State.axes.x]));
    const parts = [...groups].map(([name, columns]) => {
      const part = make("details", { class: "group", open: this.opened.has(name) }, make("summary", {}, `${name} (${columns.length})`));
      const fill = () => {
        if (part.children.length < 2) part.append(this.table(rows, columns));
      };
      if (part.open) fill();
      part.addEventListener("toggle", () => {
        this.opened[part.open ? "add" : "delete"](name);
        if (part.open) fill();
      });
      return part;
    });
    return make(
      "section",
      { class: "part" },
      make("h3", {}, "All numbers"),
      make(
        "p",
        { class: "says" },
        "After ±: training noise, one standard deviation between functional twins of about that accuracy. " +
          "What belongs to exact architectures is that of the one that is drawn.",
      ),
      ...parts,
    );
  },

  table(rows, columns) {
    const used = [...new Set(columns.map((column) => column.source))];
    const head = ["metric", ...rows.map((_, number) => (rows.length > 1 ? LETTERS[number] : "value")), "source"];
    const lines = columns.map((column) =>
      make(
        "tr",
        {},
        make("th", { scope: "row", title: column.about }, column.metric),
        ...rows.map((row) => make("td", { class: "number" }, this.withNoise(column, row))),
        make(
          "td",
          { title: Data.sources[column.source] },
          `${column.by ? `${column.by}, ` : ""}${column.how}${column.seeds > 1 ? `, mean of ${column.seeds} seeds` : ""} [${used.indexOf(column.source) + 1}]`,
        ),
      ),
    );
    return make(
      "div",
      {},
      make(
        "div",
        { class: "scroll", tabindex: 0, role: "region", "aria-label": `Numbers of ${where(columns[0])}` },
        make(
          "table",
          { class: "numbers" },
          make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))),
          make("tbody", {}, ...lines),
        ),
      ),
      make(
        "details",
        { class: "sources" },
        make("summary", {}, "Sources in full"),
        make("ol", {}, ...used.map((source) => make("li", {}, Data.sources[source]))),
      ),
    );
  },
};
