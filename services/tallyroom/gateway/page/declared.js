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

/** Where seats of a party were declared twice with different numbers: that is a change of the declaration, not of the count. */
function seatChanges(declared, party, language, zone) {
  const said = [];
  const latest = new Map();
  for (const item of declared.filter((one) => one.act === "seats")) {
    for (const [id, seats] of Object.entries(item.seats ?? {})) {
      const key = `${item.body ?? item.contest} ${id}`;
      const before = latest.get(key);
      if (before && before.seats !== seats) {
        said.push(text(language, "declaredChange", { name: party(id).label, n: number(before.seats, language), m: number(seats, language), time: time(before.at, language, zone) }));
      }
      latest.set(key, { seats, at: item.reported_at });
    }
  }
  return said;
}

/** Votes that the authority declared for an area against ours. */
function controls({ contest, found, declared, language, zone, areaNames }) {
  return declared.filter((item) => item.kind === "control" && item.contest === contest.id).flatMap((item) => {
    const ours = found.areas.find((area) => area.area === item.area);
    if (!ours) return [];
    const differing = Object.entries(item.counts ?? {}).filter(([id, votes]) => ours.counts[id] !== votes);
    const at = time(item.reported_at, language, zone);
    const where = `${named(areaNames.get(item.area), language, item.area)}: `;
    if (!differing.length) return [where + text(language, "controlEqual", { time: at })];
    const words = differing.map(([id, votes]) => `${shortName(contest.byId.get(id) ?? { id }, language)} ${number(votes, language)} (${signed(votes - (ours.counts[id] ?? 0), language)})`);
    return [`${where}${text(language, "controlDiffers", { time: at })} ${words.join(", ")}`];
  });
}

function winners(views, declared, language) {
  const known = views.map((view) => [view, declaredWinner(declared, view.contest.id)]).filter(([, act]) => act);
  if (!known.length) return [];
  const name = (view, id) => longName(view.contest.byId.get(id) ?? { id }, language);
  const other = known.filter(([view, act]) => act.winner !== view.found.winner?.selection);
  const same = text(language, "declaredSame", { n: number(known.length - other.length, language), m: number(known.length, language) });
  return [same, ...other.map(([view, act]) => text(language, "declaredOther", {
    name: named(view.contest.names, language), party: name(view, act.winner), other: name(view, view.found.winner?.selection ?? "–"),
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
    return el("li", { key }, el("time", { datetime: first.reported_at }, time(first.reported_at, language, zone)), ` ${words}${about ? `: ${about}` : ""}`);
  });
}
