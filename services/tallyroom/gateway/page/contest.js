// The first contest: how much is in, the bars with their threshold, and in words what is decided.
import { since } from "./decided.js";
import { el, pill, progress, render, safeColour } from "./dom.js";
import { castName, linesOf, longName, outOf } from "./model.js";
import { fraction, lineText, named, number, percent, text, time } from "./texts.js";

export function drawContest(section, view) {
  const { contest, found, root, language } = view;
  const heading = el("div", { class: "heading" },
    el("h2", { id: "contest-title" }, named(contest.names, language, contest.id)),
    el("span", { class: "status" }, text(language, `status|${found.status}`)));
  render(section, heading, frozenNotice(found.frozen ?? root?.frozen, view), root ? counted(view) : embargo(view));
}

/** The operators hold the figures as they were: since when, and the public text. */
export function frozenNotice(frozen, { language, zone }) {
  if (!frozen) return null;
  const why = named(frozen.text, language);
  return el("p", { key: "frozen", class: "notice", role: "status" },
    el("strong", {}, text(language, "frozenSince", { time: time(frozen.since, language, zone) })), why ? ` ${why}` : "");
}

/** Nothing may be shown yet: when it will be. */
function embargo({ found, language, zone }) {
  if (!found.embargoed_until) return el("p", { key: "embargo" }, text(language, "noShares"));
  const at = time(found.embargoed_until, language, zone);
  return el("div", { key: "embargo", class: "embargo" },
    el("p", { class: "big" }, text(language, "embargoed", { time: at })),
    el("p", { class: "quiet" }, text(language, "embargoNote", { time: at })));
}

function counted(view) {
  const { root, language } = view;
  const threshold = view.found.apportionment?.threshold;
  return [
    facts(view),
    progress(root.units_reported, root.units_expected, text(language, "reported")),
    bars(view, threshold),
    el("p", { key: "base", class: "quiet base" }, denominator(root, language)),
    claims(view, threshold),
  ];
}

function facts(view) {
  const { root, found, language } = view;
  const apart = [["held", root.units_held], ["partial", root.units_partial], ["annulled", root.units_annulled]].filter(([, n]) => n);
  const aside = apart.map(([key, n]) => text(language, key, { n: number(n, language) })).join(", ");
  const entry = (name, value, more) => el("div", {}, el("dt", {}, name), el("dd", {}, value), el("dd", { class: "quiet" }, more || "\u00a0"));
  const cast = root.ballots_cast === null ? null : entry(castName(view), number(root.ballots_cast, language));
  return el("dl", { key: "facts", class: "facts" },
    entry(text(language, "reported"), outOf(root.units_reported, root.units_expected, language), aside),
    cast,
    outstanding(found.outstanding, language, entry),
    entry(text(language, "turnoutReported"), percent(root.turnout_reported, language),
      `${text(language, "registered")}: ${number(root.voters_registered, language)}`));
}

/** The smaller of the hard bounds on what may still come, with what it rests on. */
function outstanding(given, language, entry) {
  if (!given) return null;
  const levels = [["outIssued", given.issued], ["outRegister", given.register]].filter(([, n]) => n !== null && n !== undefined);
  levels.sort((a, b) => a[1] - b[1]);
  const [level, most] = levels[0] ?? ["outNone", null];
  return entry(text(language, "out"), number(most, language), text(language, level));
}

function widest({ contest, root }) {
  return Math.max(0.000001, ...contest.selections.map((item) => Number(root.shares?.[item.id] ?? 0)));
}

/** Above the bars: where the threshold is, and how many votes it stands for now. */
function scale(view, threshold) {
  if (!threshold) return null;
  const { language } = view;
  const label = text(language, "thresholdLine", { line: lineText(threshold.share, language), n: number(threshold.votes_needed, language) });
  const left = Math.min(100, (fraction(threshold.share) / widest(view)) * 100);
  return el("li", { key: " scale", class: "scale", "aria-hidden": "true" },
    el("span", { class: "at" }, el("span", { style: { left: `${left}%` } }, label)));
}

function bars(view, threshold) {
  const { contest, root } = view;
  const ordered = contest.selections.filter((item) => !item.parent).sort((a, b) => (root.counts[b.id] ?? 0) - (root.counts[a.id] ?? 0));
  const rows = ordered.map((selection) => bar(view, selection, threshold, widest(view)));
  return el("ul", { key: "bars", class: threshold ? "bars lined" : "bars", "aria-labelledby": "contest-title" }, scale(view, threshold), rows);
}

function bar(view, selection, threshold, most) {
  const { contest, root, language } = view;
  const share = root.shares?.[selection.id];
  const state = threshold?.selections[selection.id];
  const line = threshold ? el("i", { class: "line", style: { left: `${Math.min(100, (fraction(threshold.share) / most) * 100)}%` } }) : null;
  return el("li", { key: selection.id },
    el("span", { class: "name" }, longName(selection, language)),
    el("span", { class: "track", "aria-hidden": "true" },
      el("span", { class: "bar", style: { width: `${(Number(share ?? 0) / most) * 100}%`, "background-color": safeColour(selection.colour) } }), line),
    el("span", { class: "share" }, percent(share, language, linesOf(contest))),
    el("span", { class: "votes" }, number(root.counts[selection.id], language)),
    state ? statePill(view, selection, state) : el("span", { class: "pill none" }),
    state?.state === "open" ? el("span", { class: "note" }, openNote(view, selection, threshold, state)) : null);
}

/** How it stands; once decided, since when. */
function statePill({ contest, decided, language, zone }, selection, state) {
  const kinds = { "decided-above": "in", "decided-below": "out", open: "open" };
  const at = state.state.startsWith("decided") ? since(decided, contest.id, selection.id) : null;
  const label = text(language, `states|${state.state}`);
  return pill(kinds[state.state] ?? "plain", at ? `${label} ${time(at, language, zone, { date: false, named: false })}` : label);
}

/** Whether the votes so far are enough, by whole numbers. */
function over(view, selection, threshold) {
  const votes = view.root.counts[selection.id] ?? 0;
  return threshold.base_votes > 0 && votes >= threshold.votes_needed;
}

function openNote(view, selection, threshold, state) {
  const { language } = view;
  const above = over(view, selection, threshold);
  const needed = above ? state.flip_corrected_votes : state.flip_new_votes;
  return text(language, above ? "openAbove" : "openBelow", { line: lineText(threshold.share, language), n: number(needed, language) });
}

function denominator(area, language) {
  const base = area.share_denominator;
  if (!base?.value) return text(language, "noShares");
  const words = base.of.split("+").map((part) => text(language, `base.${part}`)).join(" + ");
  return text(language, "shares", { n: number(base.value, language), base: words });
}

/** How many enter, and lots, in words. */
function claims(view, threshold) {
  const { found, contest, language } = view;
  const said = [];
  const entering = threshold?.entering;
  if (entering && view.root.share_denominator?.value) {
    const one = entering.minimum === entering.maximum;
    said.push(text(language, one ? "enteringOne" : "entering", { n: number(entering.minimum, language), m: number(entering.maximum, language) }));
  }
  const lots = found.apportionment?.lots_required;
  if (lots) said.push(text(language, "lots", { names: lots.selections.map((id) => named(contest.byId.get(id)?.names, language, id)).join(", ") }));
  return said.length ? el("p", { key: "claims", class: "claim" }, said.join(" ")) : null;
}

/** Sentences that a screen reader is told when they change: what became certain. */
export function decisions(view) {
  const { contest, found, language } = view;
  const threshold = found.apportionment?.threshold;
  if (!threshold || !view.root) return [];
  const line = lineText(threshold.share, language);
  const settled = contest.selections.filter((item) => /^decided/.test(threshold.selections[item.id]?.state ?? ""));
  const said = settled.map((item) => {
    const state = threshold.selections[item.id];
    const key = state.state === "decided-above" ? "decidedAbove" : "decidedBelow";
    return `${longName(item, language)}: ${text(language, key, { line, n: number(state.flip_corrected_votes, language) })}`;
  });
  return said;
}
