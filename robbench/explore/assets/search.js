// A combobox: what is typed is looked for among architectures, published indices and keys.

const MOST_FOUND = 30;

const Search = {
  found: [],
  at: -1,

  begin() {
    const field = $("search");
    field.addEventListener("input", () => this.look());
    field.addEventListener("keydown", (event) => this.key(event));
    field.addEventListener("blur", () => setTimeout(() => this.close(), 200));
  },

  matches(text) {
    const wanted = text.trim().toLowerCase();
    if (!wanted) return [];
    const exact = [];
    if (Data.index && /^\d+$/.test(wanted)) {
      Data.index.forEach((index, one) => {
        if (index === Number(wanted)) exact.push([one, `index ${index}`]);
      });
    }
    if (wanted.length > 2)
      Data.keys.forEach((key, row) => {
        if (key.startsWith(wanted)) exact.push([Data.representatives[row], `key ${key}`]);
      });
    if (!/^[0-9a-f]{1,2}$/.test(wanted)) {
      Data.exact.forEach((arch, one) => {
        if (arch.toLowerCase().includes(wanted)) exact.push([one, ""]);
      });
    }
    return exact;
  },

  look() {
    const all = this.matches($("search").value);
    this.found = all.slice(0, MOST_FOUND);
    this.at = -1;
    const list = $("found");
    const items = this.found.map(([exact, why], number) => {
      const row = Data.classOf[exact];
      const drawn = Data.representatives[row];
      const note = [why, exact === drawn ? "" : `the same as ${Data.exact[drawn]}`].filter(Boolean).join("; ");
      return make(
        "li",
        {
          role: "option",
          id: `found-${number}`,
          "aria-selected": "false",
          onpointerdown: (event) => {
            event.preventDefault();
            this.choose(number, event.shiftKey);
          },
        },
        make("code", {}, Data.exact[exact]),
        note ? make("small", {}, note) : null,
      );
    });
    if (all.length > items.length) items.push(make("li", { class: "more" }, `and ${all.length - items.length} more; type on`));
    if (!all.length && $("search").value.trim()) items.push(make("li", { class: "more" }, "nothing in this store"));
    list.replaceChildren(...items);
    list.hidden = !items.length;
    $("search").setAttribute("aria-expanded", String(!list.hidden));
    $("search").removeAttribute("aria-activedescendant");
    if ($("search").value.trim()) say(`${all.length} found`);
  },

  key(event) {
    if (event.key === "Escape") return this.close();
    if (event.key === "Enter" && this.found.length && !$("found").hidden) {
      event.preventDefault();
      return this.choose(Math.max(0, this.at), event.shiftKey);
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !this.found.length) return;
    event.preventDefault();
    this.at = (this.at + step + this.found.length) % this.found.length;
    [...$("found").children].forEach((item, number) => item.setAttribute("aria-selected", String(number === this.at)));
    $("search").setAttribute("aria-activedescendant", `found-${this.at}`);
    $(`found-${this.at}`).scrollIntoView({ block: "nearest" });
  },

  choose(number, compare) {
    const [exact] = this.found[number];
    this.close();
    open(Data.classOf[exact], compare);
  },

  close() {
    $("found").hidden = true;
    $("search").setAttribute("aria-expanded", "false");
  },
};
