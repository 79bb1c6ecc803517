// Turnout bulletins as a curve through the day, the whole in front of its areas, and as a table.
import { el, render, svg, table } from "./dom.js";
import { named, number, percent, text, time } from "./texts.js";

const [WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM] = [640, 330, 58, 104, 14, 34];

export function drawTurnout(section, bulletins, checked, view) {
  const { language, zone, contest, areaNames } = view;
  const whole = Object.keys(contest.areas).find((area) => contest.areas[area] === null);
  const shown = (bulletins ?? []).filter((item) => !item.unit && item.turnout);
  const curve = shown.filter((item) => !item.area || item.area === whole);
  section.hidden = curve.length === 0;
  if (section.hidden) return;
  const latest = curve.at(-1);
  const said = text(language, "bulletinLine", {
    area: named(areaNames.get(whole), language, whole), turnout: percent(latest.turnout, language), time: time(latest.as_of, language, zone),
  });
  render(section, el("h2", {}, text(language, "bulletins")),
    el("p", { class: "claim" }, said),
    chart(curve, byArea(shown, whole), said, view),
    el("p", { class: "quiet" }, `${text(language, "bulletinsNote")}${shown.length > curve.length ? ` (${text(language, "regions")})` : ""}`),
    el("ul", { key: "checks", class: "claims" }, checks(checked ?? [], view).map((line) => el("li", {}, line))),
    el("details", {}, el("summary", {}, text(language, "table")), figures(curve, view)));
}

/** The last bulletins against what was counted there. */
function checks(areas, { contest, language, areaNames }) {
  const found = areas.flatMap((area) => area.checks.filter((check) => check.contest === contest.id).map((check) => ({ ...check, area: area.area })));
  const wrong = found.filter((check) => check.code);
  const done = found.filter((check) => check.complete && !check.code);
  const said = wrong.map((check) => text(language, `codes|${check.code}`, {
    area: named(areaNames.get(check.area), language, check.area), n: number(Math.abs(check.difference), language),
  }));
  return done.length ? [...said, text(language, "bulletinAgrees", { n: number(done.length, language), m: number(found.length, language) })] : said;
}

function byArea(shown, whole) {
  const found = new Map();
  for (const item of shown) {
    if (item.area && item.area !== whole) found.set(item.area, [...(found.get(item.area) ?? []), item]);
  }
  return found;
}

function chart(curve, others, label, { language, zone }) {
  const all = [...curve, ...[...others.values()].flat()];
  const at = all.map((item) => Date.parse(item.as_of));
  const [first, last] = [Math.min(...at) - 3.6e6, Math.max(...at, Math.min(...at) + 3.6e6)];
  const top = Math.min(1, Math.ceil(Math.max(...all.map((item) => Number(item.turnout))) * 10) / 10) || 0.1;
  const x = (item) => LEFT + ((Date.parse(item.as_of) - first) / (last - first)) * (WIDTH - LEFT - RIGHT);
  const y = (share) => HEIGHT - BOTTOM - (share / top) * (HEIGHT - TOP - BOTTOM);
  const line = (items) => items.map((item) => `${x(item).toFixed(1)},${y(Number(item.turnout)).toFixed(1)}`).join(" ");
  const step = top > 0.5 ? 0.2 : 0.1;
  const steps = Array.from({ length: Math.floor(top / step + 1e-9) + 1 }, (_, index) => index * step);
  const end = curve.at(-1);
  return svg("svg", { key: "chart", class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label },
    steps.map((share) => [
      svg("line", { class: "rule", x1: LEFT, x2: WIDTH - RIGHT, y1: y(share).toFixed(1), y2: y(share).toFixed(1) }),
      svg("text", { class: "scale end", x: LEFT - 8, y: (y(share) + 4).toFixed(1) }, `${Math.round(share * 100)}\u00a0%`),
    ]),
    curve.map((item) => svg("text", { class: "scale middle", x: x(item).toFixed(1), y: HEIGHT - 8 }, time(item.as_of, language, zone, { date: false, named: false }))),
    [...others.values()].map((items) => svg("polyline", { class: "faint", points: line(items) })),
    svg("polyline", { class: "curve", points: line(curve) }),
    curve.map((item) => svg("circle", { class: "point", cx: x(item).toFixed(1), cy: y(Number(item.turnout)).toFixed(1), r: 4 })),
    svg("text", { class: "value", x: (x(end) + 8).toFixed(1), y: (y(Number(end.turnout)) + 4).toFixed(1) }, percent(end.turnout, language)));
}

function figures(curve, { language, zone }) {
  const measure = text(language, curve[0].measure === "cast" ? "cast" : "issued");
  const head = [[text(language, "time")], [measure, "number"], [text(language, "turnout"), "number"]];
  const rows = curve.map((item) => el("tr", { key: item.id },
    el("th", { scope: "row" }, time(item.as_of, language, zone)),
    el("td", { class: "number" }, number(item.ballots, language)),
    el("td", { class: "number" }, percent(item.turnout, language))));
  return table(text(language, "bulletins"), head, rows);
}
