// The authority's own words beside what is computed: votes, seats and winners, and how the declaration changed.
import { el, render } from "./dom.js";
import { declaredWinner } from "./districts.js";
import { longName, partiesOf, shortName } from "./model.js";
import { named, number, signed, text, time } from "./texts.js";

export function drawDeclared(section, views, shared) {
  const { declared, language, zone, definition } = shared;
  section.hidden = declared.length === 0;
  if (section.hidden) return;
  const party = partiesOf(definition, language);
  render(section, el("h2", {}, text(language, "declared")),
    el("p", { class: "quiet" }, text(language, "declaredNote")),
    el("ul", { class: "claims" },
      seatChanges(declared, party, language, zone).map((line) => el("li", {}, line)),
      views.flatMap((view) => controls(view)).map((line) => el("li", {}, line)),
      winners(views, declared, language).map((line) => el("li", {}, line))),
    el("ol", { class: "acts" }, acts(declared, shared)));
}

/** What a declaration of seats says otherwise than the one before, and whether the votes changed in between. */
function seatChanges(declared, party, language, zone) {
  return declared.filter((item) => item.act === "seats").flatMap((item) => {
    const { seats = {}, votes, reported_at: at } = item.changed ?? {};
    const lines = Object.entries(seats).map(([id, { before, now }]) => text(language, "declaredChange", {
      name: party(id).label, n: number(before, language), m: number(now, language), time: time(at, language, zone),
    }));
    const unmoved = votes?.declared === false && !votes.corrected_units;
    const moved = votes?.declared || votes?.corrected_units;
    const about = unmoved ? text(language, "votesSame") : moved ? text(language, "votesChanged") : "";
    return lines.map((line) => [line, about].filter(Boolean).join(" "));
  });
}

/** Votes that the authority declared for an area against ours; the newest total of each area. */
function controls({ contest, declared, language, zone, areaNames }) {
  const totals = declared.filter((item) => item.kind === "control" && item.contest === contest.id && item.agrees !== null && item.agrees !== undefined);
  return totals.map((item) => {
    const at = time(item.reported_at, language, zone);
    const where = named(areaNames.get(item.area), language, item.area);
    if (item.agrees) return `${where}: ${text(language, "controlEqual", { time: at })}`;
    const away = Object.entries({ ...item.difference?.counts, ...item.difference?.ballots }).filter(([, n]) => n);
    const words = away.map(([id, n]) => `${shortName(contest.byId.get(id) ?? { id, names: contest.accounting?.labels?.[id] }, language)} ${signed(n, language)}`);
    return `${where}: ${text(language, "controlDiffers", { time: at })} ${words.join(", ")}`;
  });
}

function winners(views, declared, language) {
  const known = views.map((view) => [view, declaredWinner(declared, view.contest.id)]).filter(([, act]) => act?.agrees !== null && act?.agrees !== undefined);
  if (!known.length) return [];
  const name = (view, id) => longName(view.contest.byId.get(id) ?? { id }, language);
  const other = known.filter(([, act]) => !act.agrees);
  const same = text(language, "declaredSame", { n: number(known.length - other.length, language), m: number(known.length, language) });
  return [same, ...other.map(([view, act]) => text(language, "declaredOther", {
    name: named(view.contest.names, language), party: name(view, act.winner), other: name(view, act.computed?.leading?.selections?.[0] ?? "–"),
  }))];
}

/** Acts in their order; those of one kind at one time are one line. */
function acts(declared, { language, zone, definition }) {
  const lines = new Map();
  for (const item of declared.filter((one) => one.act)) {
    const key = `${item.reported_at} ${item.act}`;
    lines.set(key, [...(lines.get(key) ?? []), item]);
  }
  const contests = new Map(definition.contests.map((contest) => [contest.id, contest]));
  return [...lines.entries()].map(([key, items]) => {
    const [first] = items;
    const about = items.length > 3 ? `${number(items.length, language)}` : items.map((item) => named(contests.get(item.contest)?.names, language)).filter(Boolean).join(", ");
    const words = [named(first.text, language), text(language, `acts|${first.act}`), first.final ? text(language, "final") : ""].filter(Boolean).join(", ");
    return el("li", { key }, el("time", { datetime: first.reported_at }, time(first.reported_at, language, zone)), el("span", {}, `${words}${about ? `: ${about}` : ""}`));
  });
}
