// What sections share: names, colours, lines, and which contest is which.
import { fraction, hasText, named, number, text } from "./texts.js";

/** One contest as sections read it: its definition, its figures, and what is the same for all. */
export function viewOf(contest, found, shared) {
  return { ...shared, contest, found, root: wholeOf(contest, found) };
}

/** The contest's whole, which may be withheld while one of its areas is public. */
function wholeOf(contest, found) {
  return found.areas.find((area) => contest.areas[area.area] === null) ?? null;
}

export function longName(selection, language) {
  return named(selection.names, language, selection.id);
}

/** As short as it can be said: the abbreviation, else the name. */
export function shortName(selection, language) {
  return named(selection.abbreviations, language) || longName(selection, language);
}

/** Shares that decide something in the contest: a rounded figure must not seem to reach one. */
export function linesOf(contest) {
  const thresholds = contest.rule?.thresholds ?? [];
  return thresholds.flatMap((item) => [item, ...(item.alternatives ?? [])]).map((item) => fraction(item.share));
}

/** Whether the contest is one seat's: shown as a card, with candidates. */
export function isDistrict(contest) {
  return contest.rule?.seats === 1 && ["plurality", "majority"].includes(contest.rule.method);
}

/** The party that a candidate stands for: as the page or the definition names it. */
export function partyName(selection, language) {
  const key = `parties|${selection.party}`;
  return hasText(key) ? text(language, key) : named(selection.abbreviations, language);
}

/** Names and colours of a body's parties: of the list's selections, else of the candidates that bear the party. */
export function partiesOf(definition, language) {
  const found = new Map();
  for (const contest of definition.contests) {
    for (const selection of contest.selections) {
      const own = selection.party && selection.party !== selection.id;
      const party = own ? selection.party : selection.id;
      if (found.has(party)) continue;
      const label = (own ? partyName(selection, language) : shortName(selection, language)) || party;
      found.set(party, { id: party, label, colour: selection.colour });
    }
  }
  return (party) => found.get(party) ?? { id: party, label: party, colour: null };
}

/** Who leads an area: label, colour and share; several at the same votes are a tie. */
export function leadingOf(area, contest, language) {
  const selections = (area?.leading?.selections ?? []).map((id) => contest.byId.get(id)).filter(Boolean);
  if (!selections.length) return { label: text(language, "none"), colour: null, share: null };
  const label = selections.map((item) => shortName(item, language)).join(" = ");
  const tied = selections.length > 1;
  return {
    label: tied ? `${text(language, "tie")}: ${label}` : label,
    colour: tied ? null : selections[0].colour,
    share: area.shares?.[selections[0].id],
  };
}

/** What the contest calls its ballots cast, which may be ballots issued. */
export function castName({ contest, language }, otherwise = "cast") {
  return named(contest.accounting?.labels?.[contest.accounting?.cast], language, text(language, otherwise));
}

export function outOf(done, all, language) {
  return text(language, "of", { n: number(done, language), m: number(all, language) });
}
