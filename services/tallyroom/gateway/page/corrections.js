// Corrections as corrections: old and new figures, the reason, one by one; never as a trend.
import { el, render, table } from "./dom.js";
import { shortName } from "./model.js";
import { named, number, text, time } from "./texts.js";

export function drawCorrections(section, view) {
  const { found, language } = view;
  const latest = found.corrections?.latest ?? [];
  section.hidden = latest.length === 0;
  if (section.hidden) return;
  const head = [[text(language, "time")], [text(language, "station")], [text(language, "correctionReason")], [`${text(language, "before")} → ${text(language, "after")}`], [text(language, "effect")]];
  const rows = [...latest].reverse().map((item) => row(item, view));
  render(section, el("h2", {}, text(language, "corrections")),
    el("p", { class: "quiet" }, text(language, "correctionsNote", { n: number(found.corrections.count, language) })),
    table(text(language, "corrections"), head, rows));
}

function row(item, { contest, language, zone, areaNames }) {
  const label = (id) => {
    const selection = contest.byId.get(id);
    return selection ? shortName(selection, language) : named(contest.accounting?.labels?.[id], language, id);
  };
  const figures = Object.entries(item.changed ?? item.fell ?? {}).map(([id, [before, now]]) => `${label(id)} ${number(before, language)}\u00a0→\u00a0${number(now, language)}`);
  return el("tr", { key: `${item.partition}:${item.offset}` },
    el("td", {}, time(item.at, language, zone, { named: false })),
    el("th", { scope: "row" }, item.unit, el("span", { class: "quiet block" }, named(areaNames.get(item.area), language, item.area))),
    el("td", {}, item.reason ?? text(language, "noReason")),
    el("td", {}, figures.join(", ")),
    el("td", {}, effect(item.effect, contest, language)));
}

/** What would be otherwise without it: seats, the threshold, who leads. Shares always move a little and say nothing. */
function effect(given, contest, language) {
  if (!given) return "–";
  const name = (id) => shortName(contest.byId.get(id) ?? { id }, language);
  const names = (value) => (value ?? []).map(name).join(", ") || "–";
  const said = Object.entries(given.seats ?? {}).map(([id, seats]) => `${text(language, "seats")}: ${name(id)} ${number(seats.without, language)}\u00a0→\u00a0${number(seats.with, language)}`);
  if (given.passed) said.push(`${text(language, "passing")}: ${names(given.passed.without)} → ${names(given.passed.with)}`);
  if (given.leading) said.push(`${text(language, "leader")}: ${names(given.leading.without?.selections)} → ${names(given.leading.with?.selections)}`);
  return said.join("; ") || text(language, "noEffect");
}
