// A projection of what is still out: labelled, with its interval, in a section of its own and never beside a count.
import { chip, el, render, safeColour, table } from "./dom.js";
import { linesOf, shortName } from "./model.js";
import { number, percent, text } from "./texts.js";

const LEAST = 0.01; // of the votes: below, an interval says nothing

export function drawProjection(section, { contest, found, root, language }) {
  const given = root && found.projection;
  section.hidden = !given;
  if (!given) return;
  const shown = contest.selections.filter((item) => Number(given.selections[item.id]?.upper ?? 0) >= LEAST);
  shown.sort((a, b) => Number(given.selections[b.id].share) - Number(given.selections[a.id].share));
  const most = Math.max(0.01, ...shown.map((item) => Number(given.selections[item.id].upper)));
  const lines = linesOf(contest);
  const head = [[text(language, "party")], ["", "strip wide"], [text(language, "projected"), "number"], [text(language, "interval"), "number"]];
  const rows = shown.map((item) => {
    const { share, lower, upper } = given.selections[item.id];
    const ends = { n: percent(lower, language, lines), m: percent(upper, language, lines) };
    return el("tr", { key: item.id },
      el("th", { scope: "row" }, chip(item.colour), shortName(item, language)),
      el("td", { class: "strip wide", "aria-hidden": "true" }, band(given.selections[item.id], item, most, lines)),
      el("td", { class: "number" }, percent(share, language, lines)),
      el("td", { class: "number" }, text(language, "between", ends)));
  });
  render(section, el("h2", {}, text(language, "projection")),
    el("p", { class: "quiet" }, text(language, "projectionNote", {
      n: percent(given.interval, language), m: percent(given.counted, language), k: number(given.areas, language),
    })),
    table(text(language, "projection"), head, rows));
}

/** The interval as a band, the middle as a mark, thresholds as dashes; nothing of it looks like a bar of votes. */
function band({ share, lower, upper }, selection, most, lines) {
  const at = (value) => `${(Number(value) / most) * 100}%`;
  const colour = safeColour(selection.colour);
  return el("span", { class: "dots" },
    el("i", { class: "interval", style: { left: at(lower), width: at(Number(upper) - Number(lower)), "border-color": colour } }),
    lines.map((line) => el("i", { class: "line", style: { left: at(line) } })),
    el("i", { class: "middle", style: { left: at(share), "background-color": colour } }));
}
