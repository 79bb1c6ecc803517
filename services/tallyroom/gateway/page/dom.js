// Elements, and how they get into the page: what is there already is changed in place, so focus, open details and motion stay.

const SVG = "http://www.w3.org/2000/svg";

/** An element with attributes ("aria-…", "class"), `key` (kept apart from its siblings), `on` (handlers), `style`, and children. */
export function el(tag, given = {}, ...children) {
  return fill(document.createElement(tag), given, children);
}

/** The same for SVG. */
export function svg(tag, given = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), given, children);
}

function fill(made, { key, on = {}, style = {}, ...attributes }, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  if (key !== undefined) made.dataset.key = key;
  for (const [name, value] of Object.entries(style)) made.style.setProperty(name, value);
  for (const [name, handler] of Object.entries(on)) made[`on${name}`] = handler;
  made.append(...children.flat(2).filter(shown));
  return made;
}

function shown(child) {
  return child !== null && child !== undefined && child !== false && child !== "";
}

/** Make the element's children these. Everything is set as text or attribute, never as markup. */
export function render(parent, ...children) {
  const wanted = children.flat(2).filter(shown).map((item) => (item instanceof Node ? item : document.createTextNode(item)));
  const keyed = new Map([...parent.childNodes].filter((node) => node.dataset?.key).map((node) => [node.dataset.key, node]));
  let at = parent.firstChild;
  for (const node of wanted) {
    const candidate = node.dataset?.key ? keyed.get(node.dataset.key) : at;
    if (!candidate || !alike(candidate, node)) {
      parent.insertBefore(node, at);
      continue;
    }
    update(candidate, node);
    if (candidate === at) at = at.nextSibling;
    else parent.insertBefore(candidate, at);
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

function alike(one, other) {
  return one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

const KEPT = new Set(["open"]); // what the reader did

function update(old, made) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== made.data) old.data = made.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!made.hasAttribute(name) && name !== "style" && !KEPT.has(name)) old.removeAttribute(name);
  }
  for (const { name, value } of made.attributes) {
    if (name !== "style" && old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  // By the object model: a style attribute is what the content security policy forbids.
  if (old.style.cssText !== made.style.cssText) old.style.cssText = made.style.cssText;
  if (made.onclick) old.onclick = made.onclick;
  render(old, ...made.childNodes);
}

/** A colour of the definition, if it is one. */
export function safeColour(value) {
  return /^#[0-9a-fA-F]{6}$/.test(value ?? "") ? value : "#7a8794";
}

/** A square of a colour before a name. */
export function chip(colour) {
  return el("span", { class: "chip", "aria-hidden": "true", style: { "background-color": safeColour(colour) } });
}

/** How much of something is done. */
export function progress(done, all, label) {
  return el("progress", { max: Math.max(1, all), value: done, "aria-label": label });
}

/** A table that scrolls by itself where it is too wide. `head`: [text, class]; `rows`: arrays of cells, the first a heading. */
export function table(caption, head, rows) {
  const headings = head.map(([label, kind]) => el("th", { scope: "col", class: kind }, label));
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    el("table", {}, el("thead", {}, el("tr", {}, headings)), el("tbody", {}, rows)));
}

/** What says in a word how things stand: `kind` is in, out, open or plain. */
export function pill(kind, label) {
  const marks = { in: "✓", out: "✕", open: "○", plain: "" };
  return el("span", { class: `pill ${kind}` }, marks[kind] ? el("span", { "aria-hidden": "true" }, `${marks[kind]} `) : null, label);
}
