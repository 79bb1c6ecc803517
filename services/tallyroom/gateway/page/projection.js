// A projection of what is still out: its own section, said to be no count, with the interval of every share.
import { chip, el, render, table } from "./dom.js";
import { shortName } from "./model.js";
import { percent, text } from "./texts.js";

const LEAST = 0.01; // of the votes: below, an interval says nothing

export function drawProjection(section, view) {
  const { contest, found, language } = view;
  const given = found.projection;
  section.hidden = !given;
  if (section.hidden) return;
  const of = (id) => given.selections[id];
  const ordered = contest.selections.filter((item) => Number(of(item.id)?.upper ?? 0) >= LEAST);
  ordered.sort((a, b) => Number(of(b.id).share) - Number(of(a.id).share));
  const head = [[text(language, "party")], [text(language, "projected"), "number"], [text(language, "interval"), "number"]];
  const rows = ordered.map((selection) => el("tr", { key: selection.id },
    el("th", { scope: "row" }, chip(selection.colour), shortName(selection, language)),
    el("td", { class: "number" }, percent(of(selection.id).share, language)),
    el("td", { class: "number" }, `${percent(of(selection.id).lower, language)} – ${percent(of(selection.id).upper, language)}`)));
  render(section, el("h2", {}, text(language, "projection")),
    el("p", { class: "quiet" }, text(language, "projectionNote", { part: percent(given.counted, language) })),
    table(text(language, "projection"), head, rows));
}
