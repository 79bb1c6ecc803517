// What became certain when: each question once, newest first, and what a correction opened again.
import { el, render } from "./dom.js";
import { longName } from "./model.js";
import { lineText, named, number, text, time } from "./texts.js";

const SHOWN = 12;

export function drawDecided(section, record, calls, views) {
  const lines = views.flatMap((view) => (record?.[view.contest.id] ?? []).flatMap((entry) => said(entry, view)));
  lines.sort((a, b) => Date.parse(b.at) - Date.parse(a.at));
  section.hidden = !lines.length && !calls.length;
  if (section.hidden) return;
  const { language } = views[0];
  const rows = lines.map(({ key, at, undone, label, counted }) => el("li", { key, class: undone ? "undone" : null },
    el("time", { datetime: at }, time(at, language, views[0].zone, { named: false })), el("span", {}, label, counted ? el("span", { class: "quiet" }, ` ${counted}`) : null)));
  render(section, el("h2", {}, text(language, "decidedTitle")),
    lines.length ? el("p", { key: "note", class: "quiet" }, text(language, "decidedNote")) : null,
    el("ol", { key: "newest", class: "acts" }, rows.slice(0, SHOWN)),
    rows.length > SHOWN ? el("details", {}, el("summary", {}, text(language, "more", { n: number(rows.length - SHOWN, language) })), el("ol", { class: "acts" }, rows.slice(SHOWN))) : null,
    calls.length ? el("h3", { key: "called" }, text(language, "calledTitle")) : null,
    calls.length ? el("ol", { key: "calls", class: "acts" }, calls.map((call) => callLine(call, views))) : null);
}

/** The newsroom's own word, with what the count says of it. */
function callLine(call, views) {
  const { contest, language, zone } = views.find((view) => view.contest.id === call.contest) ?? views[0];
  const name = longName(contest.byId.get(call.selection) ?? { id: call.selection }, language);
  const words = [named(contest.names, language, call.contest), ": ", name, ". ", text(language, `stands|${call.stands}`), " ", named(call.text, language)].join("");
  return el("li", { key: `${call.contest} ${call.area} ${call.selection}`, class: call.stands === "contradicted" ? "undone" : null },
    el("time", { datetime: call.called_at }, time(call.called_at, language, zone, { named: false })), el("span", {}, words.trim()));
}

/** Lines of one question: its answer now, and answers that corrections took back. Seats of single parties are too many for it. */
function said(entry, view) {
  if (entry.question === "seats") return [];
  const key = `${view.contest.id} ${entry.question} ${entry.selection}`;
  const { language } = view;
  const taken = (entry.undone ?? []).map((old) => ({
    key: `${key} ${old.revision}`, at: old.until ?? old.since, undone: true,
    label: text(language, "undone", { what: words(entry, old.answer, view), time: time(old.since, language, view.zone, { named: false }) }),
  }));
  if (entry.answer === null) return taken;
  const counted = entry.units_expected ? text(language, "atUnits", { n: number(entry.units_reported, language), m: number(entry.units_expected, language) }) : "";
  return [{ key, at: entry.since, label: words(entry, entry.answer, view), counted }, ...taken];
}

function words(entry, answer, { contest, found, language }) {
  const name = (id) => longName(contest.byId.get(id) ?? { id }, language);
  const line = lineText(found.apportionment?.threshold?.share ?? contest.rule?.thresholds?.[0]?.share ?? "0", language);
  switch (entry.question) {
    case "threshold": return text(language, answer === "above" ? "questionAbove" : "questionBelow", { name: name(entry.selection), line });
    case "entering": return text(language, "enteringOne", { n: number(answer, language) });
    case "winner": return `${named(contest.names, language, contest.id)}: ${name(answer)}`;
    default: return `${named(contest.names, language, contest.id)}: ${text(language, answer ? "accepted" : "rejected")}`;
  }
}

/** Since when a selection's place at the threshold is decided. */
export function since(record, contest, selection) {
  const found = (record?.[contest] ?? []).find((entry) => entry.question === "threshold" && entry.selection === selection);
  return found?.answer ? found.since : null;
}
