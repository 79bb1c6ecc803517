// A house of several contests: one dot a seat in a half circle, lines of the majorities, and the same as a table.
import { chip, el, render, safeColour, svg, table } from "./dom.js";
import { partiesOf } from "./model.js";
import { named, number, signed, text, time } from "./texts.js";

const ROWS = [0.4, 0.52, 0.64, 0.76, 0.88, 1];
const WIDTH = 400;
const RADIUS = 180;

export function drawHouse(section, body, defined, view) {
  const { language, definition, declared } = view;
  section.hidden = !body;
  if (!body) return;
  const title = el("h2", { id: "house-title" }, text(language, "house", { name: named(defined.names, language, body.body), n: number(body.seats, language) }));
  if (!body.parties) {
    render(section, title, el("p", { class: "quiet" }, text(language, "houseHidden")));
    return;
  }
  const party = partiesOf(definition, language);
  const acts = declared.filter((item) => item.act === "seats" && item.body === body.body);
  render(section, title,
    halfCircle(body, defined, party, language),
    el("p", { class: "quiet key" }, text(language, "houseNote")),
    seatTable(body, party, acts, view),
    el("ul", { class: "claims" }, [
      ...(body.open ? [text(language, "seatsOpen", { n: number(body.open, language) })] : []),
      ...majorities(body, defined, party, language),
    ].map((line) => el("li", {}, line))));
}

/** Seats of a half circle from left to right: as many in each row as its length gives. */
export function places(seats) {
  const all = ROWS.reduce((sum, radius) => sum + radius, 0);
  const counts = ROWS.map((radius) => Math.floor((seats * radius) / all));
  for (let at = ROWS.length - 1; counts.reduce((sum, n) => sum + n, 0) < seats; at = (at + ROWS.length - 1) % ROWS.length) counts[at] += 1;
  const found = ROWS.flatMap((radius, row) => Array.from({ length: counts[row] }, (_, index) => {
    const angle = Math.PI * (1 - (counts[row] === 1 ? 0.5 : index / (counts[row] - 1)));
    return { angle, x: WIDTH / 2 + Math.cos(angle) * radius * RADIUS, y: RADIUS + 12 - Math.sin(angle) * radius * RADIUS };
  }));
  return found.sort((a, b) => b.angle - a.angle || a.y - b.y);
}

function ordered(body) {
  return Object.entries(body.parties).sort(([, a], [, b]) => b.now - a.now);
}

/** Each seat's colour and whether it is certain, in the order of the places. */
function holders(body, party) {
  const held = ordered(body).flatMap(([id, seats]) =>
    Array.from({ length: seats.now }, (_, index) => ({ colour: safeColour(party(id).colour), sure: index < seats.certain_min })));
  return [...held, ...Array.from({ length: Math.max(0, body.seats - held.length) }, () => null)];
}

function halfCircle(body, defined, party, language) {
  const at = places(body.seats);
  const dots = holders(body, party).map((holder, index) => svg("circle", {
    cx: at[index].x.toFixed(1), cy: at[index].y.toFixed(1), r: body.seats > 200 ? 4 : 7.2,
    class: holder ? (holder.sure ? "seat sure" : "seat held") : "seat empty",
    style: holder ? { fill: holder.colour, stroke: holder.colour } : {},
  }));
  const label = ordered(body).filter(([, seats]) => seats.now).map(([id, seats]) => `${party(id).label} ${number(seats.now, language)}`).join(", ");
  const most = ordered(body)[0]?.[1];
  return svg("svg", { key: "half", class: "half", viewBox: `-8 -22 ${WIDTH + 16} ${RADIUS + 46}`, role: "img", "aria-label": label },
    dots, (defined.majorities ?? []).map((line) => majorityLine(line.seats, at)),
    svg("text", { x: WIDTH / 2, y: RADIUS + 18, class: "total" }, number(most?.now ?? 0, language)));
}

/** A line between the last seat that is not enough and the first that is. */
function majorityLine(seats, at) {
  if (seats < 1 || seats >= at.length) return null;
  const angle = (at[seats - 1].angle + at[seats].angle) / 2;
  const end = (radius) => ({ x: WIDTH / 2 + Math.cos(angle) * radius * RADIUS, y: RADIUS + 12 - Math.sin(angle) * radius * RADIUS });
  const [from, to, out] = [end(0.33), end(1.06), end(1.13)];
  return svg("g", { class: "majority" },
    svg("line", { x1: from.x.toFixed(1), y1: from.y.toFixed(1), x2: to.x.toFixed(1), y2: to.y.toFixed(1) }),
    svg("text", { x: out.x.toFixed(1), y: (out.y + 3).toFixed(1) }, String(seats)));
}

function seatTable(body, party, acts, view) {
  const { language, zone } = view;
  const latest = acts.at(-1);
  const most = Math.max(1, ...Object.values(body.parties).map((seats) => seats.certain_max));
  const head = [[text(language, "party")], [text(language, "seats"), "number"], [text(language, "certain"), "number"], ["", "range wide"]];
  if (latest) head.push([text(language, "declaredAt", { time: time(latest.reported_at, language, zone, { named: false }) }), "number"]);
  const rows = ordered(body).filter(([, seats]) => seats.certain_max > 0).map(([id, seats]) => el("tr", { key: id },
    el("th", { scope: "row" }, chip(party(id).colour), party(id).label),
    el("td", { class: "number strong", title: methods(seats, language) }, number(seats.now, language)),
    el("td", { class: "number" }, seats.certain_min === seats.certain_max ? number(seats.certain_min, language)
      : text(language, "seatRange", { n: number(seats.certain_min, language), m: number(seats.certain_max, language) })),
    el("td", { class: "range wide", "aria-hidden": "true" }, range(seats, most, party(id).colour)),
    latest ? declaredCell(latest.seats?.[id], latest.difference?.seats?.[id], language) : null));
  return table(text(language, "seats"), head, rows);
}

function declaredCell(said, difference, language) {
  if (said === undefined) return el("td", { class: "number quiet" }, "–");
  const away = difference ? ` (${signed(difference, language)})` : "";
  return el("td", { class: "number" }, `${number(said, language)}${away}`);
}

function methods(seats, language) {
  return Object.entries(seats.by_method ?? {}).map(([method, n]) => text(language, ["plurality", "majority"].includes(method) ? "byDistrict" : "byList", { n: number(n, language) })).join(", ");
}

/** From certain to possible, with a mark at now. */
function range(seats, most, colour) {
  const at = (n) => `${(n / most) * 100}%`;
  return el("span", { class: "span" },
    el("i", { class: "from", style: { width: at(seats.certain_min), "background-color": safeColour(colour) } }),
    el("i", { class: "to", style: { left: at(seats.certain_min), width: at(seats.certain_max - seats.certain_min), "background-color": safeColour(colour) } }),
    el("i", { class: "mark", style: { left: at(seats.now) } }));
}

/** What each majority's line means tonight, in a sentence. */
export function majorities(body, defined, party, language) {
  return (body.majorities ?? []).map((line) => {
    const name = named((defined.majorities ?? []).find((item) => item.seats === line.seats)?.names, language, text(language, "majority"));
    const say = (key, who = []) => text(language, key, { name, n: number(line.seats, language), party: who.map((id) => party(id).label).join(", ") });
    if (line.certain.length) return say("majorityCertain", line.certain);
    if (line.now.length) return say("majorityNow", line.now);
    return line.possible.length ? say("majorityPossible", line.possible) : say("majorityNone");
  });
}
