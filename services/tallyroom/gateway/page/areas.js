// The areas below the whole of a contest, and contests that are neither the first nor a district.
import { chip, el, pill, progress, render, table } from "./dom.js";
import { leadingOf, linesOf, outOf } from "./model.js";
import { named, number, percent, text } from "./texts.js";

export function drawAreas(section, view) {
  const { contest, found, language, areaNames } = view;
  const whole = Object.keys(contest.areas).find((area) => contest.areas[area] === null);
  const rows = found.areas.filter((area) => contest.areas[area.area] === whole);
  section.hidden = rows.length === 0;
  if (section.hidden) return;
  const head = [["area"], ["leader"], ["share", "number"], ["turnout", "number wide"], ["progress", "progress"]].map(([key, kind]) => [text(language, key), kind]);
  const body = rows.map((area) => {
    const lead = leadingOf(area, contest, language);
    const done = `${number(area.units_reported, language)}\u00a0/\u00a0${number(area.units_expected, language)}`;
    return el("tr", { key: area.area },
      el("th", { scope: "row" }, named(areaNames.get(area.area), language, area.area), area.frozen ? pill("open", text(language, "frozen")) : null),
      el("td", {}, lead.colour ? chip(lead.colour) : null, lead.label),
      el("td", { class: "number" }, percent(lead.share, language, linesOf(contest))),
      el("td", { class: "number wide" }, percent(area.turnout_reported, language)),
      el("td", { class: "progress" }, progress(area.units_reported, area.units_expected, done), el("span", { class: "quiet" }, done)));
  });
  render(section, el("h2", {}, text(language, "areas")), table(text(language, "areas"), head, body));
}

export function drawOthers(section, views) {
  section.hidden = views.length === 0;
  if (section.hidden) return;
  const { language } = views[0];
  const cards = views.map(({ contest, root }) => {
    const lead = leadingOf(root, contest, language);
    const done = root ? outOf(root.units_reported, root.units_expected, language) : text(language, "noShares");
    return el("article", { key: contest.id, class: "card" },
      el("h3", {}, named(contest.names, language, contest.id)),
      el("p", {}, lead.colour ? chip(lead.colour) : null, lead.share ? `${lead.label}, ${percent(lead.share, language, linesOf(contest))}` : lead.label),
      progress(root?.units_reported ?? 0, root?.units_expected ?? 1, done),
      el("p", { class: "quiet" }, done));
  });
  render(section, el("h2", {}, text(language, "others")), el("div", { class: "grid" }, cards));
}
