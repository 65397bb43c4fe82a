// The table of what the filter keeps: sorted, in pages, to be downloaded.

const PAGE = 25;

const Table = {
  columns() {
    return [...new Set([State.axes.x, State.axes.y, State.axes.c, ...State.extra])].map((place) => Data.columns[place]);
  },

  // The rows that the filter keeps, as they are sorted; what was not measured is last, either way.
  rows() {
    const rows = [];
    for (let row = 0; row < Data.count; row++) if (Scatter.kept(row)) rows.push(row);
    if (!State.sort) return rows;
    const { by, down } = State.sort;
    const sign = down ? -1 : 1;
    const texts = { arch: (row) => Data.arch(row), key: (row) => Data.keys[row] }[by];
    if (texts) return rows.sort((one, other) => sign * (texts(one) < texts(other) ? -1 : texts(one) > texts(other) ? 1 : 0));
    const value = by === "index" ? (row) => Data.published(Data.representatives[row]) : this.valueBy(by);
    return rows.sort((one, other) => {
      const [a, b] = [value(one), value(other)];
      return a !== a || b !== b ? (a !== a) - (b !== b) : sign * (a - b) || one - other;
    });
  },

  valueBy(id) {
    const values = Data.values(Data.placeOf.get(id));
    return (row) => values[row];
  },

  checkSort() {
    if (!State.sort) return;
    const known = ["arch", "key", ...(Data.index ? ["index"] : []), ...this.columns().map((column) => column.id)];
    if (!known.includes(State.sort.by)) State.sort = null;
  },

  show() {
    this.checkSort();
    const rows = this.rows();
    const pages = Math.max(1, Math.ceil(rows.length / PAGE));
    State.page = Math.min(State.page, pages - 1);
    const head = make(
      "tr",
      {},
      make("th", { scope: "col" }, "compare"),
      this.head("arch", "architecture"),
      ...this.columns().map((column) => this.head(column.id, column.metric, column)),
      this.head("key", "key"),
      Data.index ? this.head("index", "index") : null,
    );
    const lines = rows.slice(State.page * PAGE, (State.page + 1) * PAGE).map((row) => this.line(row));
    $("table").replaceChildren(
      make("caption", {}, make("span", {}, `${rows.length} of ${Data.count} architectures`)),
      make("thead", {}, head),
      make("tbody", {}, ...lines),
    );
    $("page").textContent = `Page ${State.page + 1} of ${pages}`;
    $("previous").disabled = State.page === 0;
    $("next").disabled = State.page >= pages - 1;
  },

  head(by, text, column) {
    const sorted = State.sort && State.sort.by === by;
    const way = sorted ? (State.sort.down ? "descending" : "ascending") : "none";
    const press = () => {
      // Numbers from the greatest first, texts from A.
      State.sort = sorted ? { by, down: !State.sort.down } : { by, down: Boolean(column) };
      State.page = 0;
      Main.keep(`sort-${by}`, () => Main.refresh());
      say(`Sorted by ${text}, ${State.sort.down ? "descending" : "ascending"}`);
    };
    const label = sorted ? `${text} ${State.sort.down ? "▼" : "▲"}` : text;
    const extra = column && State.extra.includes(column.place) && !Object.values(State.axes).includes(column.place);
    return make(
      "th",
      { scope: "col", "aria-sort": way, title: column ? `${titleOf(column)} · ${where(column)}` : null },
      make("button", { type: "button", id: `sort-${by}`, class: "sort", onclick: press }, label),
      column ? make("small", {}, where(column)) : null,
      extra
        ? make(
            "button",
            {
              type: "button",
              class: "away",
              "aria-label": `Take ${text} away`,
              onclick: () => {
                State.extra = State.extra.filter((place) => place !== column.place);
                Main.refresh();
              },
            },
            "×",
          )
        : null,
    );
  },

  line(row) {
    const picked = State.picked.includes(row);
    return make(
      "tr",
      { class: picked ? "picked" : null },
      make(
        "td",
        {},
        make("input", {
          type: "checkbox",
          id: `compare-${row}`,
          checked: picked,
          "aria-label": `Compare ${Data.arch(row)}`,
          onchange: () => Main.keep(`compare-${row}`, () => open(row, true)),
        }),
      ),
      make(
        "td",
        { class: "arch" },
        make(
          "button",
          { type: "button", class: "open", id: `open-${row}`, onclick: () => Main.keep(`open-${row}`, () => open(row)) },
          Data.arch(row),
        ),
      ),
      ...this.columns().map((column) => make("td", { class: "number" }, shown(Data.values(column.place)[row]))),
      make("td", { class: "key" }, make("code", {}, Data.keys[row])),
      Data.index ? make("td", { class: "number" }, String(Data.published(Data.representatives[row]))) : null,
    );
  },

  csv(columns) {
    // A spreadsheet would compute what begins with one of these.
    const quoted = (text) => (/[",\n\r]|^[=+@\t-]/.test(text) ? `"${text.replace(/^[=+@\t-]/, "'$&").replace(/"/g, '""')}"` : text);
    const whole = columns.map((column) => [column, Data.values(column.place)]);
    const names = columns.map((column) => (column.dataset ? `${column.metric} ${column.dataset} ${column.training}` : column.metric));
    const lines = [["arch", "class_key", ...(Data.index ? ["index"] : []), ...names].map(quoted).join(",")];
    for (const row of this.rows()) {
      const numbers = whole.map(([column, values]) => (values[row] === values[row] ? shortest(values[row], column) : ""));
      const first = [Data.arch(row), Data.keys[row], ...(Data.index ? [String(Data.published(Data.representatives[row]))] : [])];
      lines.push([...first.map(quoted), ...numbers].join(","));
    }
    return lines.join("\n") + "\n";
  },

  download(columns) {
    const address = URL.createObjectURL(new Blob([this.csv(columns)], { type: "text/csv" }));
    const link = make("a", { href: address, download: "robbench-selection.csv" });
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 10000);
    say(`${this.rows().length} architectures downloaded`);
  },
};
