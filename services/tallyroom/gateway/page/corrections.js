// Corrections as corrections: old and new figures, the reason, one by one; never as a trend.
import { el, render, table } from "./dom.js";
import { shortName } from "./model.js";
import { named, number, text, time } from "./texts.js";

export function drawCorrections(section, view) {
  const { found, language } = view;
  const latest = found.corrections?.latest ?? [];
  section.hidden = latest.length === 0;
  if (section.hidden) return;
  const head = [[text(language, "time")], [text(language, "station")], [text(language, "correctionReason")], [`${text(language, "before")} → ${text(language, "after")}`]];
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
    el("td", {}, figures.join(", ")));
}
