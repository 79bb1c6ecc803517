// Units that are in no total, and doubts about figures that are: by name, with the reason and the voters behind them.
import { el, pill, render, table } from "./dom.js";
import { hasText, named, number, text, time } from "./texts.js";

const SHOWN = 25;

export function drawApart(section, groups, flags, shared) {
  const units = (groups ?? []).flatMap((group) => group.units.map((unit) => ({ ...unit, contest: group.contest })));
  const doubts = flags?.listed ?? [];
  section.hidden = !units.length && !doubts.length;
  if (section.hidden) return;
  const { language } = shared;
  const all = (groups ?? []).reduce((sum, group) => sum + group.count, 0);
  render(section, el("h2", {}, text(language, "apart")),
    units.length ? el("p", { key: "about", class: "quiet" }, text(language, "apartNote", { n: number(all, language) })) : null,
    units.length ? unitTable(units.slice(0, SHOWN), shared) : null,
    doubts.length ? el("h3", { key: "doubts" }, text(language, "flagged", { n: number(sum(flags.open), language) })) : null,
    doubts.length ? el("ul", { key: "flags", class: "doubts" }, doubts.slice(0, SHOWN).map((flag) => doubt(flag, shared))) : null);
}

function sum(counts) {
  return Object.values(counts ?? {}).reduce((total, n) => total + n, 0);
}

function unitTable(units, { language, zone, areaNames }) {
  const head = [[text(language, "station")], [""], [text(language, "reason")], [text(language, "registered"), "number"], [text(language, "time"), "number wide"]];
  const kinds = { held: "open", waiting: "open", annulled: "out", cancelled: "out", not_opened: "plain" };
  const rows = units.map((unit) => el("tr", { key: `${unit.contest} ${unit.unit} ${unit.group ?? ""} ${unit.state}` },
    el("th", { scope: "row" }, unit.unit, el("span", { class: "quiet block" }, named(areaNames.get(unit.area), language, unit.area ?? ""))),
    el("td", {}, pill(kinds[unit.state] ?? "plain", text(language, `apartStates|${unit.state}`))),
    el("td", {}, unit.reason ?? codeText(unit.code, language)),
    el("td", { class: "number" }, number(unit.voters_registered, language)),
    el("td", { class: "number wide" }, unit.at ? time(unit.at, language, zone, { named: false }) : "–")));
  return table(text(language, "apart"), head, rows);
}

function codeText(code, language) {
  if (!code) return text(language, "noReason");
  return hasText(`codes|${code}`) ? text(language, `codes|${code}`) : code.replaceAll("_", " ");
}

function doubt(flag, { language, areaNames }) {
  const where = flag.unit ?? named(areaNames.get(flag.area), language, flag.area);
  return el("li", { key: `${flag.contest} ${flag.area} ${flag.unit} ${flag.code}` },
    el("strong", {}, where), ` ${codeText(flag.code, language)}`, el("span", { class: "quiet block", lang: "en" }, flag.text));
}
