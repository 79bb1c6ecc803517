// From the snapshot and the definition to elements. Everything is set as text, never as markup.
import { named, number, percent, text, time } from "./texts.js";

/** An element with properties, attributes ("aria-…", "scope"), and children (strings become text). */
function el(tag, given = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (name in made && !name.includes("-")) made[name] = value;
    else made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

function safeColour(value) {
  return /^#[0-9a-fA-F]{6}$/.test(value ?? "") ? value : "#7a8794";
}

function chip(colour) {
  const made = el("span", { className: "chip", "aria-hidden": "true" });
  made.style.backgroundColor = safeColour(colour);
  return made;
}

function progressBar(done, all, label) {
  return el("progress", { max: Math.max(1, all), value: done, "aria-label": label });
}

function leadingOf(area, contest, language) {
  const found = area?.leading?.selections ?? [];
  const selections = found.map((id) => contest.byId.get(id)).filter(Boolean);
  if (!selections.length) return { label: text(language, "none"), colour: null, share: null };
  const short = (item) => named(item.abbreviations, language) || named(item.names, language, item.id);
  const label = selections.map(short).join(" = ");
  return {
    label: selections.length > 1 ? `${text(language, "tie")}: ${label}` : label,
    colour: selections.length > 1 ? null : selections[0].colour,
    share: area.shares?.[selections[0].id],
  };
}

/** Shares that decide something in the contest: a rounded figure must not seem to reach one. */
function linesOf(contest) {
  const thresholds = contest.rule?.thresholds ?? [];
  return thresholds.flatMap((item) => [item, ...(item.alternatives ?? [])]).map((item) => fraction(item.share));
}

function fraction(text) {
  const [part, whole = "1"] = String(text).split("/");
  return Number(part) / Number(whole);
}

/** Bars by key, kept between draws so that they move instead of jumping. */
export function drawBars(list, area, contest, language) {
  const rows = new Map([...list.children].map((row) => [row.dataset.key, row]));
  const widest = Math.max(0.000001, ...contest.selections.map((item) => Number(area.shares?.[item.id] ?? 0)));
  const ordered = [...contest.selections].sort((a, b) => (area.counts[b.id] ?? 0) - (area.counts[a.id] ?? 0));
  for (const selection of ordered) {
    const row = rows.get(selection.id) ?? barRow(selection);
    const share = area.shares?.[selection.id];
    row.querySelector(".name").textContent = named(selection.names, language, selection.id);
    row.querySelector(".share").textContent = percent(share, language, linesOf(contest));
    row.querySelector(".votes").textContent = number(area.counts[selection.id], language);
    row.querySelector(".bar").style.width = `${(Number(share ?? 0) / widest) * 100}%`;
    rows.delete(selection.id);
    list.append(row);
  }
  for (const gone of rows.values()) gone.remove();
}

function barRow(selection) {
  const bar = el("div", { className: "bar" });
  bar.style.backgroundColor = safeColour(selection.colour);
  const row = el("li", {},
    el("span", { className: "name" }),
    el("div", { className: "track", "aria-hidden": "true" }, bar),
    el("span", { className: "share" }),
    el("span", { className: "votes" }));
  row.dataset.key = selection.id;
  return row;
}

/** The first contest: completeness, turnout, bars. */
export function drawContest(section, view) {
  const { contest, found, language, zone } = view;
  const root = found.areas[0];
  const bars = section.querySelector(".bars") ?? el("ul", { className: "bars" });
  const heading = el("div", { className: "heading" },
    el("h2", {}, named(contest.names, language, contest.id)),
    el("span", { className: "status" }, text(language, `status|${found.status}`)));
  if (!root) {
    const until = found.embargoed_until ? text(language, "embargoed", { time: time(found.embargoed_until, language, zone) }) : text(language, "noShares");
    section.replaceChildren(heading, el("p", {}, until));
    return;
  }
  drawBars(bars, root, contest, language);
  section.replaceChildren(heading, facts(root, contest, language), progressBar(root.units_reported, root.units_expected, text(language, "reported")), bars, el("p", { className: "quiet" }, denominator(root, language)));
}

function facts(area, contest, language) {
  const castName = named(contest.accounting?.labels?.[contest.accounting?.cast], language, text(language, "cast"));
  const apart = [["held", area.units_held], ["partial", area.units_partial], ["annulled", area.units_annulled]].filter(([, n]) => n);
  const pairs = [
    [text(language, "reported"), text(language, "of", { n: number(area.units_reported, language), m: number(area.units_expected, language) })],
    [castName, number(area.ballots_cast, language)],
    [text(language, "registered"), number(area.voters_registered, language)],
    [text(language, "turnoutReported"), percent(area.turnout_reported, language)],
  ];
  const list = el("dl", { className: "facts" });
  for (const [name, value] of pairs) list.append(el("div", {}, el("dt", {}, name), el("dd", {}, value)));
  if (apart.length) {
    list.firstChild.append(el("div", { className: "quiet" }, apart.map(([key, n]) => text(language, key, { n: number(n, language) })).join(", ")));
  }
  return list;
}

function denominator(area, language) {
  const base = area.share_denominator;
  if (!base?.value) return text(language, "noShares");
  const named = base.of.split("+").map((part) => text(language, `base.${part}`)).join(" + ");
  return text(language, "shares", { n: number(base.value, language), base: named });
}

/** The areas of the level below the root, as a table. */
export function drawAreas(section, view) {
  const { contest, found, language, areaNames } = view;
  const rows = found.areas.filter((area) => contest.areas[area.area] === found.areas[0]?.area);
  section.hidden = rows.length === 0;
  if (section.hidden) return;
  const head = el("tr", {}, ...[["area"], ["leader"], ["share", "number"], ["turnout", "number wide"], ["progress"]].map(([key, kind]) => el("th", { scope: "col", className: kind ?? "" }, text(language, key))));
  const body = rows.map((area) => {
    const lead = leadingOf(area, contest, language);
    const done = `${number(area.units_reported, language)}\u00a0/\u00a0${number(area.units_expected, language)}`;
    return el("tr", {},
      el("th", { scope: "row" }, named(areaNames.get(area.area), language, area.area)),
      el("td", {}, lead.colour ? chip(lead.colour) : null, lead.label),
      el("td", { className: "number" }, percent(lead.share, language, linesOf(contest))),
      el("td", { className: "number wide" }, percent(area.turnout_reported, language)),
      el("td", { className: "progress" }, progressBar(area.units_reported, area.units_expected, done), el("span", { className: "quiet" }, done)));
  });
  section.replaceChildren(el("h2", {}, text(language, "areas")), el("div", { className: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body))));
}

/** All contests but the first: who leads, with which share, how much is in. */
export function drawOthers(section, views) {
  section.hidden = views.length === 0;
  if (section.hidden) return;
  const language = views[0].language;
  const cards = views.map(({ contest, found }) => {
    const root = found.areas[0];
    const lead = leadingOf(root, contest, language);
    const done = root ? text(language, "of", { n: number(root.units_reported, language), m: number(root.units_expected, language) }) : text(language, "noShares");
    return el("div", { className: "card" },
      el("h3", {}, named(contest.names, language, contest.id)),
      el("p", {}, lead.colour ? chip(lead.colour) : null, lead.share ? `${lead.label}, ${percent(lead.share, language, linesOf(contest))}` : lead.label),
      progressBar(root?.units_reported ?? 0, root?.units_expected ?? 1, done),
      el("p", { className: "quiet" }, done));
  });
  section.replaceChildren(el("h2", {}, text(language, "others")), el("div", { className: "grid" }, ...cards));
}

/** Turnout bulletins of the whole, beside the count. */
export function drawTurnout(section, bulletins, view) {
  const { language, zone, contest } = view;
  const root = Object.keys(contest.areas).find((area) => contest.areas[area] === null);
  const shown = (bulletins ?? []).filter((item) => !item.unit && (!item.area || item.area === root));
  section.hidden = shown.length === 0;
  if (section.hidden) return;
  const head = el("tr", {}, el("th", { scope: "col" }, text(language, "time")), el("th", { scope: "col", className: "number" }, text(language, shown[0].measure === "cast" ? "cast" : "issued")), el("th", { scope: "col", className: "number" }, text(language, "turnout")));
  const body = shown.map((item) => el("tr", {},
    el("th", { scope: "row" }, time(item.as_of, language, zone)),
    el("td", { className: "number" }, number(item.ballots, language)),
    el("td", { className: "number" }, percent(item.turnout, language))));
  section.replaceChildren(el("h2", {}, text(language, "bulletins")), el("p", { className: "quiet" }, text(language, "bulletinsNote")), el("div", { className: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body))));
}

/** Exit polls and projections, apart from the count. */
export function drawEstimates(section, estimates, view) {
  const { language, contest } = view;
  const shown = (estimates ?? []).filter((item) => item.contest === contest.id);
  section.hidden = shown.length === 0;
  if (section.hidden) return;
  const head = el("tr", {}, el("th", { scope: "col" }, ""), ...contest.selections.map((item) => el("th", { scope: "col", className: "number" }, named(item.abbreviations, language) || named(item.names, language, item.id))));
  const body = shown.map((item) => el("tr", {},
    el("th", { scope: "row" }, `${named(item.names, language, item.pollster)} (${[text(language, `method|${item.method}`), item.sample ? text(language, "sample", { n: number(item.sample, language) }) : null].filter(Boolean).join(", ")})`),
    ...contest.selections.map((selection) => el("td", { className: "number" }, percent(item.shares?.[selection.id], language, linesOf(contest))))));
  section.replaceChildren(el("h2", {}, text(language, "estimates")), el("p", { className: "quiet" }, text(language, "estimatesNote")), el("div", { className: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...body))));
}

/** What stands below: revision, times, where the data is. */
export function drawFoot(footer, state, definition, view) {
  const { language, zone } = view;
  const base = `/v1/elections/${encodeURIComponent(state.election)}`;
  const links = ["snapshot", "definition?units=false", "stream"].flatMap((name) => [" ", el("a", { href: `${base}/${name}` }, name.split("?")[0])]);
  const clock = state.clock ? `, ${text(language, "electionTime", { time: time(state.clock, language, zone) })}` : "";
  footer.replaceChildren(
    el("p", { id: "revision" }, text(language, "revision", { n: number(state.revision, language), time: time(state.generated_at, language, zone) }) + clock),
    el("p", {}, named(definition.attribution, language)),
    el("p", {}, `${text(language, "data")}:`, ...links));
}
