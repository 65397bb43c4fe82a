// What packing.py packed: texts at once, columns of numbers when they are first asked for.

const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;,=>?@^_`{|}~";

// The bytes that were written in base 85: four in five characters, at the end so many as are left.
function bytesOf(text) {
  const digits = new Uint8Array(128);
  for (let i = 0; i < DIGITS.length; i++) digits[DIGITS.charCodeAt(i)] = i;
  const words = Math.ceil(text.length / 5);
  const view = new DataView(new ArrayBuffer(4 * words));
  for (let i = 0; i < words; i++) {
    let word = 0;
    for (let at = 5 * i; at < 5 * i + 5; at++) word = 85 * word + (at < text.length ? digits[text.charCodeAt(at)] : 84);
    view.setUint32(4 * i, word);
  }
  return new Uint8Array(view.buffer, 0, 4 * words - (5 * words - text.length));
}

const Data = {
  async read(text) {
    const stream = new Blob([bytesOf(text)]).stream().pipeThrough(new DecompressionStream("deflate"));
    this.bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const length = new DataView(this.bytes.buffer).getUint32(0, true);
    Object.assign(this, JSON.parse(new TextDecoder().decode(this.bytes.subarray(4, 4 + length))));
    this.begin = 4 + length;
    this.classOf = this.block(this.classOf);
    this.representatives = this.block(this.representatives);
    this.twins = this.block(this.twins);
    this.codes = this.codes.map((place) => this.block(place));
    this.index = this.index && this.block(this.index);
    this.count = this.keys.length;
    this.rowOfKey = new Map(this.keys.map((key, row) => [key, row]));
    this.whole = [];
    this.known = [];
    this.columns.forEach((column, place) => {
      column.place = place;
      column.id = [column.dataset, column.training, column.metric].join("/");
    });
    this.placeOf = new Map(this.columns.map((column) => [column.id, column.place]));
  },

  // The numbers of a block: lowest bytes first.
  block([type, offset, length]) {
    const size = Number(type[1]);
    const straight = new Uint8Array(length * size);
    for (let byte = 0, from = this.begin + offset; byte < size; byte++) {
      for (let i = 0; i < length; i++) straight[i * size + byte] = this.bytes[from++];
    }
    const view = new DataView(straight.buffer);
    const get = type === "f4" ? "getFloat32" : size === 4 ? "getUint32" : size === 2 ? "getUint16" : "getUint8";
    const numbers = type === "f4" ? new Float64Array(length) : new Uint32Array(length);
    for (let i = 0; i < length; i++) numbers[i] = view[get](i * size, true);
    return numbers;
  },

  // The whole numbers of a column that has a denominator; NaN where one is missing.
  wholes(place) {
    if (this.whole[place]) return this.whole[place];
    const column = this.columns[place];
    const coded = this.block(column.block);
    const found = new Float64Array(coded.length).fill(column.weights[0]);
    column.after.forEach((other, number) => {
      const before = this.wholes(other);
      const weight = column.weights[number + 1];
      for (let i = 0; i < found.length; i++) found[i] += weight * (before[i] === before[i] ? before[i] : 0);
    });
    for (let i = 0; i < found.length; i++) {
      const code = coded[i];
      const apart = code % 2 ? (code - 1) / 2 : -code / 2;
      found[i] = code === 0 ? NaN : Math.floor(found[i] + 0.5) + apart;
    }
    return (this.whole[place] = found);
  },

  // A value for each class; NaN where not measured.
  values(place) {
    if (!this.known[place]) {
      const column = this.columns[place];
      this.known[place] = column.denominator ? this.wholes(place).map((whole) => whole / column.denominator) : this.block(column.block);
    }
    return this.known[place];
  },

  arch(row) {
    return this.exact[this.representatives[row]];
  },

  published(exact) {
    return this.index ? this.index[exact] : null;
  },

  // Training noise of a column at a value, or null where it is not known.
  noise(column, value) {
    const knots = column.noise;
    if (!knots.length || value !== value) return null;
    const after = knots.findIndex(([mean]) => mean >= value);
    if (after <= 0) return knots[after < 0 ? knots.length - 1 : 0][1];
    const [[low, before], [high, behind]] = [knots[after - 1], knots[after]];
    return before + ((behind - before) * (value - low)) / (high - low);
  },

  // The exact architectures that differ from one in a single variable; where none does, the nearest ones: [exact row, [variables]].
  neighbours(exact, most) {
    const apart = new Uint8Array(this.exact.length);
    for (const codes of this.codes) {
      for (let i = 0; i < apart.length; i++) if (codes[i] !== codes[exact]) apart[i]++;
    }
    const others = [...apart.keys()].filter((i) => i !== exact);
    const single = others.filter((i) => apart[i] === 1);
    const near = single.length ? single : others.sort((one, other) => apart[one] - apart[other] || one - other).slice(0, most);
    const changed = (i) => this.codes.map((_, place) => place).filter((place) => this.codes[place][i] !== this.codes[place][exact]);
    const found = near.map((i) => [i, changed(i)]);
    // As the library lists them: variable by variable, in the order of its choices.
    const order = ([i, [place]]) => place * 1e5 + this.codes[place][i];
    return { single: single.length > 0, found: single.length ? found.sort((one, other) => order(one) - order(other)) : found };
  },

  twinsOf(row) {
    const found = [];
    for (let i = 0; i < this.count; i++) if (i !== row && this.twins[i] === this.twins[row]) found.push(i);
    return found;
  },
};
