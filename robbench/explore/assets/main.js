// The form, and what happens when something is chosen.

const KINDS = ["clean", "attack", "corruption", "derived", "proxy", "cost", "attribute"];
const KIND_TITLES = {
  clean: "clean accuracy",
  attack: "attacks",
  corruption: "corruptions",
  derived: "derived",
  proxy: "proxies",
  cost: "costs",
  attribute: "structure",
};

const Main = {
  begin() {
    const unknown = Address.read(location.hash);
    this.written = location.hash;
    document.title = `${Data.store} · RobBench explorer`;
    $("store").textContent = `${Data.store} · ${Data.space} · ${Data.count} architectures, ${Data.columns.length} metrics`;
    this.options($("x"));
    for (const id of ["y", "c", "add"]) $(id).replaceChildren(...$("x").cloneNode(true).children);
    $("add").prepend(make("option", { value: "", selected: true }, "choose a metric"));
    this.listen();
    Scatter.begin();
    this.refresh();
    performance.mark("drawn");
    if (unknown.length) notice(`The link names what this store does not hold, and which is left out: ${unknown.join(", ")}`);
  },

  options(select) {
    const groups = new Map();
    for (const column of Data.columns) {
      const name = column.dataset ? `${where(column)} · ${KIND_TITLES[column.kind]}` : KIND_TITLES[column.kind];
      if (!groups.has(name)) groups.set(name, []);
      groups.get(name).push(column);
    }
    for (const [name, columns] of groups) {
      select.append(
        make(
          "optgroup",
          { label: name },
          ...columns.map((column) =>
            make(
              "option",
              { value: column.place, title: column.about },
              column.dataset ? `${column.metric} — ${where(column)}` : column.metric,
            ),
          ),
        ),
      );
    }
  },

  listen() {
    for (const axis of ["x", "y", "c"]) {
      $(axis).addEventListener("change", () => {
        setAxis(axis, Number($(axis).value));
        State.page = 0;
        this.refresh();
      });
      $(`log${axis}`).addEventListener("change", () => {
        State.log[axis] = $(`log${axis}`).checked;
        this.refresh();
      });
    }
    for (const axis of ["x", "y"]) {
      $(`better${axis}`).addEventListener("change", () => {
        State.better[axis] = Number($(`better${axis}`).value);
        this.refresh();
      });
    }
    for (const id of ["x0", "x1", "y0", "y1"]) {
      $(id).addEventListener("change", () => {
        const ends = ["x0", "x1", "y0", "y1"].map((one, i) => numberOf($(one).value) ?? (i % 2 ? Infinity : -Infinity));
        State.brush = ends.some(Number.isFinite) ? ends : null;
        State.page = 0;
        this.refresh();
      });
    }
    $("front").addEventListener("change", () => {
      State.front = $("front").checked;
      this.refresh();
    });
    $("onlyfront").addEventListener("change", () => {
      State.onlyFront = $("onlyfront").checked;
      State.page = 0;
      this.refresh();
    });
    $("clear").addEventListener("click", () => this.clearFilter());
    $("add").addEventListener("change", () => {
      if ($("add").value !== "") State.extra = [...new Set([...State.extra, Number($("add").value)])];
      $("add").value = "";
      this.refresh();
    });
    $("csv").addEventListener("click", () => Table.download(Table.columns()));
    $("csvall").addEventListener("click", () => Table.download(Data.columns));
    $("previous").addEventListener("click", () => {
      State.page--;
      this.refresh();
    });
    $("next").addEventListener("click", () => {
      State.page++;
      this.refresh();
    });
    $("theme").addEventListener("click", () => {
      State.theme = THEMES[(THEMES.indexOf(State.theme) + 1) % THEMES.length];
      this.refresh();
    });
    $("skip").addEventListener("click", (event) => {
      event.preventDefault();
      $("table-title").focus();
    }); // the address is the view's
    $("link").addEventListener("click", () => this.link());
    window.addEventListener("hashchange", () => {
      if (location.hash === this.written) return;
      const unknown = Address.read(location.hash);
      this.refresh();
      notice(unknown.length ? `The link names what this store does not hold, and which is left out: ${unknown.join(", ")}` : "");
    });
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => Scatter.draw());
    Search.begin();
  },

  refresh() {
    notice("");
    document.documentElement.dataset.theme = State.theme;
    $("theme").textContent = `Theme: ${State.theme}`;
    for (const axis of ["x", "y", "c"]) {
      $(axis).value = State.axes[axis];
      $(axis).title = Data.columns[State.axes[axis]].about;
      $(`log${axis}`).checked = State.log[axis];
    }
    for (const axis of ["x", "y"]) $(`better${axis}`).value = State.better[axis];
    ["x0", "x1", "y0", "y1"].forEach((id, i) => {
      $(id).value = State.brush && Number.isFinite(State.brush[i]) ? State.brush[i] : "";
    });
    $("front").checked = State.front;
    $("onlyfront").checked = State.onlyFront;
    Scatter.compute();
    Scatter.draw();
    this.says();
    Details.show();
    Table.show();
    this.written = Address.written();
    if (this.written !== location.hash) history.replaceState(null, "", this.written);
  },

  says() {
    const { x, y, c } = Scatter;
    let both = 0,
      kept = 0,
      outside = 0,
      grey = 0;
    const inside = (value, ends, log) => {
      const at = log ? Math.log10(value) : value;
      return at >= ends[0] && at <= ends[1];
    };
    for (let row = 0; row < Data.count; row++) {
      if (x[row] !== x[row] || y[row] !== y[row]) continue;
      both++;
      if (c[row] !== c[row]) grey++;
      if (Scatter.kept(row)) kept++;
      if (!inside(x[row], Scatter.ends.x, State.log.x) || !inside(y[row], Scatter.ends.y, State.log.y)) outside++;
    }
    const [across, up] = ["x", "y"].map((axis) => Data.columns[State.axes[axis]]);
    const parts = [`${both} of ${Data.count} architectures have both metrics`, `${Scatter.frontRows.length} are in the front`];
    if (grey) parts.push(`${grey} have no ${Data.columns[State.axes.c].metric} and are grey`);
    if (State.brush || State.onlyFront) parts.push(`${kept} are within the filter`);
    if (outside) parts.push(`${outside} lie outside of what is drawn`);
    $("scatter-says").textContent = `${parts.join("; ")}.`;
    $("scatter").setAttribute(
      "aria-label",
      `${titleOf(up)} over ${titleOf(across)}, coloured by ${Data.columns[State.axes.c].metric}. ${parts.join("; ")}.`,
    );
  },

  clearFilter() {
    State.brush = null;
    State.onlyFront = false;
    State.page = 0;
    this.refresh();
    say("Filter cleared");
  },

  // Something that makes the element of this id anew, after which it has the focus again.
  keep(id, change) {
    change();
    const again = $(id);
    if (again) again.focus({ preventScroll: true });
  },

  async link() {
    try {
      await navigator.clipboard.writeText(location.href);
      say("Link copied");
      $("link").textContent = "Link copied";
      setTimeout(() => {
        $("link").textContent = "Copy link";
      }, 2000);
    } catch {
      notice(`The browser does not let a page copy. This is the link: ${location.href}`);
    }
  },
};

if (typeof DecompressionStream === "undefined") {
  notice("This page needs a browser of 2023 or newer: yours cannot unpack the data that is in it.");
} else {
  Data.read($("data").textContent)
    .then(() => Main.begin())
    .catch((error) => {
      notice(`The data in this file cannot be read: ${error.message}`);
      throw error;
    });
}
