// The table over runs: sorting, searching, filters by verdict and by rule, and runs that open in full.

const rows = [...document.querySelectorAll("#runs > tbody > tr")];
const searchBox = document.querySelector("#search");
const chosen = { verdict: "", rule: "" };
const toggles = [...document.querySelectorAll(".total, .by-rule")];

function filter() {
  const words = searchBox.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const row of rows) {
    const text = (row.search ??= row.textContent.toLowerCase());
    const fits = words.every((word) => text.includes(word)) && (!chosen.verdict || row.dataset.verdict === chosen.verdict) &&
      (!chosen.rule || row.dataset.rules.split(" ").includes(chosen.rule));
    row.hidden = !fits;
    if (row.full) row.full.hidden = !fits || !row.open;
    shown += fits;
  }
  const of = shown === rows.length ? "" : ` of ${rows.length}`;
  const by = [chosen.verdict, chosen.rule].filter(Boolean).join(", ");
  document.querySelector("#shown").textContent = `${shown}${of} run${rows.length === 1 ? "" : "s"}${by ? ` (${by})` : ""}`;
  for (const toggle of toggles) {
    const on = toggle.dataset.verdict ? toggle.dataset.verdict === chosen.verdict : toggle.dataset.rule === chosen.rule;
    toggle.setAttribute("aria-pressed", String(on));
  }
}

function key(row, column) {
  const cell = row.children[column];
  const text = cell.dataset.sort ?? cell.textContent;
  return text !== "" && Number.isFinite(Number(text)) ? Number(text) : text;
}

function sort(button) {
  const head = button.parentElement, column = [...head.parentElement.children].indexOf(head);
  const down = head.getAttribute("aria-sort") === "ascending";
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", down ? "descending" : "ascending");
  const keyed = rows.map((row) => [key(row, column), row]);
  keyed.sort(([a], [b]) => (typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true })) * (down ? -1 : 1));
  const body = document.querySelector("#runs > tbody");
  for (const [, row] of keyed) body.append(row, ...(row.full ? [row.full] : []));
}

const chunks = [...document.querySelectorAll("script.packed")];
const perChunk = Number(document.querySelector("#runs")?.dataset.chunk);
const unpacked = new Map();

// The runs of one chunk as HTML, which the report escaped when it was made.
async function unpack(index) {
  if (!unpacked.has(index)) {
    const bytes = Uint8Array.from(atob(JSON.parse(chunks[index].textContent)), (c) => c.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    unpacked.set(index, new Response(stream).json());
  }
  return unpacked.get(index);
}

async function open(row, on) {
  const button = row.querySelector(".open"), place = Number(row.id.slice("run-".length));
  row.open = on;
  button.setAttribute("aria-expanded", String(on));
  if (on && !row.full) {
    row.full = element("tr", "full");
    const cell = element("td");
    cell.colSpan = row.children.length;
    row.full.append(cell);
    row.after(row.full);
    if (typeof DecompressionStream === "undefined") {
      cell.textContent = "This browser is too old to unpack the run; diagnose its log alone.";
    } else {
      const articles = await unpack(Math.floor(place / perChunk));
      cell.innerHTML = articles[place % perChunk];
      enliven(row.full);
    }
  }
  if (row.full) row.full.hidden = !on || row.hidden;
}

function follow() {
  const row = rows.find((row) => `#${row.id}` === location.hash);
  if (!row) return;
  if (row.hidden) { clear(); }
  open(row, true);
  row.querySelector(".open").focus();
}

function clear() {
  searchBox.value = chosen.verdict = chosen.rule = "";
  filter();
}

if (searchBox) {
  searchBox.addEventListener("input", filter);
  document.querySelector("#clear").addEventListener("click", clear);
  for (const button of document.querySelectorAll("#runs .sort")) button.addEventListener("click", () => sort(button));
  for (const row of rows) row.querySelector(".open").addEventListener("click", () => open(row, !row.open));
  for (const toggle of toggles) toggle.addEventListener("click", () => {
    const kind = toggle.dataset.verdict ? "verdict" : "rule", value = toggle.dataset[kind];
    chosen[kind] = chosen[kind] === value ? "" : value;
    filter();
    if (chosen[kind]) document.querySelector("#runs").scrollIntoView({ block: "start" });
  });
  window.addEventListener("hashchange", follow);
  follow();
}
