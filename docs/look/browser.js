// docs/in-the-browser.md: asks a table of words, by what docs/making/browser.py has put beside this file.
(() => {
  const place = document.getElementById("words-here");
  const from = new URL("browser/", document.currentScript.src);
  const K = 10;

  const element = (name, text = "") => Object.assign(document.createElement(name), { textContent: text });

  // The C functions on one table, with its words as strings.
  function asked(slimvec, path) {
    const text = (at, length) => new TextDecoder().decode(slimvec.HEAPU8.slice(at, at + length));
    const out = slimvec._malloc(12 * K); // K rows of 64 bits, then K similarities; or the place and length of a word
    const within = (word, use) => {
      const bytes = new TextEncoder().encode(`${word}\0`);
      const at = slimvec._malloc(bytes.length);
      slimvec.HEAPU8.set(bytes, at);
      try {
        return use(at, bytes.length - 1);
      } finally {
        slimvec._free(at);
      }
    };
    const table = within(path, (at) => slimvec._slimvec_open(at));
    if (!table) throw new Error(`${path} cannot be opened`);
    const word = (row) => {
      slimvec._slimvec_word(table, row, out, out + 4);
      const view = new DataView(slimvec.HEAPU8.buffer, out);
      return text(view.getUint32(0, true), view.getUint32(4, true));
    };
    return {
      rows: Number(slimvec._slimvec_rows(table)),
      find: (name) => within(name, (at, length) => slimvec._slimvec_find(table, at, length)),
      nearest(row) {
        if (slimvec._slimvec_nearest(table, row, K, 1, out, out + 8 * K)) throw new Error("the search failed");
        const view = new DataView(slimvec.HEAPU8.buffer, out);
        const rows = Array.from({ length: K }, (_, i) => view.getBigInt64(8 * i, true));
        const similarities = rows.map((_, i) => view.getFloat32(8 * K + 4 * i, true));
        return rows.map((other, i) => [word(other), similarities[i]]); // words are told in the same memory
      },
    };
  }

  function show(table, bytes) {
    const input = Object.assign(element("input"), { value: "month", ariaLabel: "a word", spellcheck: false });
    const told = element("p");
    const list = element("table");
    const ask = () => {
      const row = table.find(input.value.trim().toLowerCase());
      list.replaceChildren();
      if (row < 0n) {
        told.textContent = "No such word in it; try error, thread, red, server, width.";
        return;
      }
      const start = performance.now();
      for (let i = 0; i < 100; ++i) table.nearest(row); // browsers tell time coarsely
      const microseconds = (10 * (performance.now() - start)).toFixed(0);
      for (const [word, similarity] of table.nearest(row)) {
        const line = element("tr");
        line.append(element("td", word), element("td", similarity.toFixed(3)));
        list.append(line);
      }
      const size = `${table.rows.toLocaleString("en")} words, a file of ${Math.round(bytes / 1000)} kB`;
      told.textContent = `Nearest of ${size}, in ${microseconds} µs:`;
    };
    input.addEventListener("input", ask);
    place.replaceChildren(input, told, list);
    ask();
  }

  async function begin() {
    const { default: load } = await import(new URL("slimvec.mjs", from));
    const [slimvec, answer] = await Promise.all([load(), fetch(new URL("words.slim", from))]);
    const file = new Uint8Array(await answer.arrayBuffer());
    slimvec.FS.writeFile("words.slim", file);
    show(asked(slimvec, "words.slim"), file.length);
  }
  begin().catch((error) => console.log(`slimvec: ${error}`)); // the page says that it has been built without
})();
