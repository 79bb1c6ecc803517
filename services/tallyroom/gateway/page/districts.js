// Contests of one seat as cards: who leads or won, by how much, whether it is decided, and what the authority declared.
import { chip, el, pill, progress, render, safeColour } from "./dom.js";
import { frozenNotice } from "./contest.js";
import { linesOf, longName, outOf, partyName, shortName } from "./model.js";
import { named, number, percent, text } from "./texts.js";

const FEW = 6; // cards that a narrow screen shows until the reader asks for more: 29 make a page of 15,000 pixels

let wanted = "all"; // which cards the reader asked for
let whole = false; // whether all of them are wanted on a narrow screen

export function drawDistricts(section, views, redraw) {
  section.hidden = !views.some((view) => view.root);
  if (section.hidden) return;
  const { language } = views[0];
  const states = new Map(views.map((view) => [view, stateOf(view)]));
  const decided = views.filter((view) => states.get(view) !== "open").length;
  const kept = views.filter((view) => wanted === "all" || (wanted === "open") === (states.get(view) === "open"));
  const choices = [["all", "all", views.length], ["open", "filterOpen", views.length - decided], ["decided", "filterDecided", decided]];
  const buttons = choices.map(([key, label, n]) => el("button", {
    type: "button", "aria-pressed": String(wanted === key), on: { click: () => { wanted = key; redraw(); } },
  }, `${text(language, label)} ${number(n, language)}`));
  render(section,
    el("div", { class: "heading" }, el("h2", {}, text(language, "districts")), el("div", { class: "choices" }, buttons)),
    el("div", { class: whole ? "grid" : "grid few" }, kept.map((view) => card(view, states.get(view)))),
    whole || kept.length <= FEW ? null : el("button", { type: "button", class: "more", on: { click: () => { whole = true; redraw(); } } },
      text(language, "showAll", { n: number(kept.length, language) })));
}

/** declared, decided, tie or open. */
function stateOf({ contest, found, declared }) {
  if (declaredWinner(declared, contest.id)) return "declared";
  const winner = found.winner;
  if (winner?.tied?.length) return "open";
  return winner?.state === "decided" ? "decided" : "open";
}

/** The last act that names the contest's winner. */
export function declaredWinner(declared, contest) {
  return declared.filter((item) => item.contest === contest && item.winner && ["winner", "certification", "result", "uncontested"].includes(item.act)).at(-1);
}

function card(view, state) {
  const { contest, found, root, language } = view;
  const title = el("h3", {}, named(contest.names, language, contest.id));
  if (!root) return el("article", { key: contest.id, class: "card" }, title, el("p", { class: "quiet" }, text(language, `status|${found.status}`)));
  const ordered = contest.selections.filter((item) => !["against_all", "other", "blank"].includes(item.role)).sort((a, b) => (root.counts[b.id] ?? 0) - (root.counts[a.id] ?? 0));
  const counted = (root.share_denominator?.value ?? 0) > 0;
  const done = outOf(root.units_reported, root.units_expected, language);
  return el("article", { key: contest.id, class: `card ${state}` }, title, frozenNotice(found.frozen ?? root.frozen, view),
    counted ? ordered.slice(0, 2).map((item) => candidate(view, item)) : el("p", { class: "quiet" }, text(language, "noShares")),
    el("p", { class: "foot" }, outcome(view, state), called(view), el("span", { class: "quiet" }, margin(view))),
    progress(root.units_reported, root.units_expected, `${text(language, "reported")}: ${done}`),
    el("p", { class: "quiet" }, done));
}

function candidate({ contest, root, language }, selection) {
  const share = root.shares?.[selection.id];
  return el("div", { key: selection.id, class: "candidate" },
    el("span", { class: "who" }, chip(selection.colour), longName(selection, language), party(selection, language)),
    el("span", { class: "share" }, percent(share, language, linesOf(contest))),
    el("span", { class: "track", "aria-hidden": "true" },
      el("span", { class: "bar", style: { width: `${Number(share ?? 0) * 100}%`, "background-color": safeColour(selection.colour) } })));
}

/** The party beside the name, where the name does not say it: a colour alone is no information. */
function party(selection, language) {
  const label = partyName(selection, language);
  return label && !longName(selection, language).includes(label) ? el("span", { class: "quiet" }, ` ${label}`) : null;
}

function outcome({ contest, found, declared, language }, state) {
  if (found.winner?.tied?.length) return pill("open", text(language, "winnerTie"));
  if (state === "declared") {
    const said = declaredWinner(declared, contest.id);
    const other = said.winner === found.winner?.selection ? "" : `: ${shortName(contest.byId.get(said.winner) ?? { id: said.winner }, language)}`;
    return pill(other ? "out" : "in", text(language, "winnerDeclared") + other);
  }
  if (!found.winner?.selection) return el("span");
  return state === "decided" ? pill("in", text(language, "winnerDecided")) : pill("open", text(language, "winnerOpen"));
}

/** Called by the newsroom: its own word, beside what the count says. */
function called({ contest, calls, language }) {
  return calls.filter((item) => item.contest === contest.id).map((item) =>
    pill(item.stands === "contradicted" ? "out" : "plain", `${text(language, "called")}: ${shortName(contest.byId.get(item.selection) ?? { id: item.selection }, language)}`));
}

function margin({ found, language }) {
  const ahead = found.leading?.margin ?? 0;
  return ahead ? text(language, "ahead", { n: number(ahead, language) }) : "";
}
