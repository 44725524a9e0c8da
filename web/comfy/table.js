// Text that a node wrote as a table, as a table of the page. It is recognized by its shape: a first line of three or
// more columns, two spaces or more apart, and lines under it that keep to them.
const HIDDEN = new Set(["request", "provider"]); // the model says who; the request is asked for when something is wrong

/** The table as an element, or null where the text is none. */
export function table(text) {
  const [head, ...rest] = text.split("\n");
  const columns = columnsOf(head);
  if (columns.length < 3 || !rest.length) return null;
  const made = document.createElement("table");
  made.className = "mintmark-table";
  const shown = columns.map(({ name }) => !HIDDEN.has(name));
  made.append(row("th", columns.map(({ name }) => name), shown));
  for (const line of rest.filter((each) => each.trim())) {
    const found = cells(line, columns);
    made.append(found ? row("td", found, shown) : words(line, shown));
  }
  return made;
}

function columnsOf(head) {
  return [...head.matchAll(/\S+(?: \S+)*/g)].map((found) => ({ name: found[0], at: found.index }));
}

/** The line's cells, or null where it keeps to no columns. One without a gap in it may stand left or right in them. */
function cells(line, columns) {
  const found = line.trim().split(/ {2,}/);
  if (found.length === columns.length) return found;
  const keeps = columns.slice(1).every(({ at }) => at >= line.length || line[at - 1] === " ");
  if (!keeps || line.length <= columns[2].at) return null;
  return columns.map(({ at }, number) => line.slice(at, columns[number + 1]?.at).trim());
}

function row(tag, texts, shown) {
  const made = document.createElement("tr");
  texts.forEach((text, number) => {
    if (shown[number]) made.append(Object.assign(document.createElement(tag), { textContent: text }));
    else if (tag === "td" && text) made.title = text;
  });
  return made;
}

/** A line of another shape, such as the total, over the whole width. */
function words(line, shown) {
  const cell = document.createElement("td");
  Object.assign(cell, { colSpan: shown.filter(Boolean).length, textContent: line });
  const made = Object.assign(document.createElement("tr"), { className: "is-sum" });
  made.append(cell);
  return made;
}
