// Exit polls beside the count: apart from it, in a section of their own.
import { chip, el, render, safeColour, table } from "./dom.js";
import { linesOf, shortName } from "./model.js";
import { named, number, percent, text, time } from "./texts.js";

export function drawEstimates(section, estimates, view) {
  const { contest, root, language, zone } = view;
  const polls = (estimates ?? []).filter((item) => item.contest === contest.id);
  section.hidden = polls.length === 0;
  if (section.hidden) return;
  const counted = (root?.share_denominator?.value ?? 0) > 0;
  const shares = (id) => [...polls.map((poll) => poll.shares?.[id]), counted ? root.shares?.[id] : null];
  const ordered = contest.selections.filter((item) => shares(item.id).some(Boolean)).sort((a, b) => Number(polls[0].shares?.[b.id] ?? 0) - Number(polls[0].shares?.[a.id] ?? 0));
  const most = Math.max(...ordered.flatMap((item) => shares(item.id).map((share) => Number(share ?? 0))), 0.01);
  const head = [[text(language, "party")], ["", "strip wide"],
    ...(counted ? [[text(language, "countedNow"), "number pollster counted"]] : []),
    ...polls.map((poll) => [named(poll.names, language, poll.pollster), "number pollster"])];
  const rows = ordered.map((selection) => el("tr", { key: selection.id },
    el("th", { scope: "row" }, chip(selection.colour), shortName(selection, language)),
    el("td", { class: "strip wide", "aria-hidden": "true" }, strip(selection, polls, counted ? root : null, most, contest)),
    counted ? el("td", { class: "number counted" }, percent(root.shares?.[selection.id], language, linesOf(contest))) : null,
    polls.map((poll) => el("td", { class: "number" }, percent(poll.shares?.[selection.id], language, linesOf(contest))))));
  const about = polls.map((poll) => {
    const more = [text(language, `method|${poll.method}`), poll.sample ? text(language, "sample", { n: number(poll.sample, language) }) : null,
      poll.margin ? `±${percent(poll.margin, language)}` : null, time(poll.release_at, language, zone)].filter(Boolean).join(", ");
    return el("li", { key: poll.id }, `${named(poll.names, language, poll.pollster)}: ${more}`);
  });
  render(section, el("h2", {}, text(language, counted ? "estimates" : "estimatesOnly")),
    el("p", { class: "quiet" }, text(language, "estimatesNote")),
    table(text(language, "estimates"), head, rows),
    el("ul", { class: "quiet plain" }, about));
}

/** Rings for the polls, a bar for the count, dashes for the thresholds, on one scale. */
function strip(selection, polls, root, most, contest) {
  const at = (share) => `${Math.min(100, (Number(share) / most) * 100)}%`;
  const colour = safeColour(selection.colour);
  const lines = linesOf(contest).map((line) => el("i", { class: "line", style: { left: at(line) } }));
  const count = root ? el("i", { class: "count", style: { width: at(root.shares?.[selection.id] ?? 0), "background-color": colour } }) : null;
  const rings = polls.filter((poll) => poll.shares?.[selection.id]).map((poll) => el("i", { class: "ring", style: { left: at(poll.shares[selection.id]), "border-color": colour } }));
  return el("span", { class: "dots" }, count, lines, rings);
}
