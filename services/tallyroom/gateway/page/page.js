// The page: reads the definition and the stream, keeps the state, draws it at most once per frame.
import { drawApart } from "./apart.js";
import { drawAreas, drawOthers } from "./areas.js";
import { decisions, drawContest } from "./contest.js";
import { drawCorrections } from "./corrections.js";
import { drawDecided } from "./decided.js";
import { drawDeclared } from "./declared.js";
import { drawDistricts } from "./districts.js";
import { el, render } from "./dom.js";
import { drawFoot } from "./foot.js";
import { drawHouse } from "./house.js";
import { isDistrict, viewOf } from "./model.js";
import { drawEstimates } from "./polls.js";
import { drawProjection } from "./projection.js";
import { languageNames, named, text, time } from "./texts.js";
import { drawTurnout } from "./turnout.js";

const byId = (id) => document.getElementById(id);
let base = "";
let definition = null;
let definitionChain = null;
let state = null; // the snapshot, kept up to date from the stream
let language = localStorage.getItem("language") ?? navigator.language.slice(0, 2);
let connected = true;
let drawing = false;
let announced = null;

/** Ask until it is answered as wanted: before the first revision a gateway says 503, and a cache may hold what was. */
async function asked(address, wanted = () => true) {
  for (;;) {
    let said = "waiting";
    try {
      const answer = await fetch(address, { cache: "no-cache" });
      if (answer.ok && wanted(answer)) return await answer.json();
      if (answer.status === 401) said = "refused";
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // a TypeError is what fetch calls a lost connection
    }
    byId("waiting").textContent = text(language, said);
    await new Promise((done) => setTimeout(done, 1000));
  }
}

async function loadDefinition(chain) {
  definitionChain = chain;
  const current = (answer) => chain !== definitionChain || answer.headers.get("tallyroom-definition") === chain;
  const found = await asked(`${base}/definition?units=false`, current);
  if (chain !== definitionChain) return; // amended again meanwhile: that one is being read already
  for (const contest of found.contests) contest.byId = new Map(contest.selections.map((item) => [item.id, item]));
  found.areaNames = new Map(found.areas.map((area) => [area.id, area.names]));
  definition = found;
  if (!languages().includes(language)) language = languages().includes("en") ? "en" : languages()[0];
  draw();
}

function languages() {
  return definition?.languages?.length ? definition.languages : ["en"];
}

/** Take an event: everything if it is full, else only what it names. A full one of the same store never takes us back. */
function take(event) {
  if (event.full && state && event.store_id === state.store_id && event.revision < state.revision) return;
  const contests = event.full || !state ? event.contests : merged(state.contests, event.contests);
  const kept = event.full || !state ? {} : state;
  state = { ...kept, ...event, contests };
  if (!("stale_since" in event)) delete state.stale_since;
  if (state.definition !== definitionChain) loadDefinition(state.definition);
  draw();
}

function merged(contests, changes) {
  const changed = new Map(changes.map((contest) => [contest.contest, contest]));
  const taken = contests.map((contest) => {
    const change = changed.get(contest.contest);
    if (!change) return contest;
    changed.delete(contest.contest);
    const areas = new Map(contest.areas.map((area) => [area.area, area]));
    for (const area of change.areas) areas.set(area.area, area);
    return { ...change, areas: [...areas.values()] };
  });
  return [...taken, ...changed.values()];
}

/** Said without a new revision: whether what is shown is current. */
function takeCondition(event) {
  if (!state) return;
  if (event.stale_since) state.stale_since = event.stale_since;
  else delete state.stale_since;
  draw();
}

function listen() {
  const source = new EventSource(`${base}/stream`);
  source.addEventListener("revision", (message) => take(JSON.parse(message.data)));
  source.addEventListener("condition", (message) => takeCondition(JSON.parse(message.data)));
  source.onopen = () => { connected = true; draw(); };
  source.onerror = () => {
    connected = false;
    draw();
    // A refused connection is given up by the browser; one that was lost it opens again by itself.
    if (source.readyState === EventSource.CLOSED) setTimeout(listen, 2000);
  };
}

function draw() {
  if (drawing) return;
  drawing = true;
  requestAnimationFrame(() => { drawing = false; drawNow(); });
}

function drawNow() {
  if (!state || !definition) return;
  const shared = {
    definition, language, zone: definition.time_zones?.[0], areaNames: definition.areaNames, declared: state.declared ?? [], decided: state.decided ?? {},
    calls: state.calls ?? [],
  };
  const found = new Map(state.contests.map((contest) => [contest.contest, contest]));
  const views = definition.contests.filter((contest) => found.has(contest.id)).map((contest) => viewOf(contest, found.get(contest.id), shared));
  document.documentElement.lang = language;
  drawTop(shared.zone);
  if (views.length) drawSections(views, shared);
  byId("waiting").hidden = true;
  byId("main").setAttribute("aria-busy", "false");
}

function drawSections([first, ...others], shared) {
  byId("main").classList.toggle("before", !first.root);
  byId("contest").hidden = false;
  drawContest(byId("contest"), first);
  const body = state.bodies?.[0];
  drawHouse(byId("house"), body, definition.bodies?.find((item) => item.id === body?.body) ?? {}, first);
  drawTurnout(byId("turnout"), state.turnout, state.turnout_by_area, first);
  drawEstimates(byId("estimates"), state.estimates, first);
  drawProjection(byId("projection"), first);
  drawDecided(byId("decided"), state.decided, shared.calls, [first, ...others]);
  drawDeclared(byId("declared"), [first, ...others], shared);
  drawDistricts(byId("districts"), others.filter((view) => isDistrict(view.contest)), draw);
  drawOthers(byId("others"), others.filter((view) => !isDistrict(view.contest)));
  drawAreas(byId("areas"), first);
  drawApart(byId("apart"), state.units_apart, state.flags, shared);
  drawCorrections(byId("corrections"), first);
  drawFoot(byId("foot"), state, shared);
  announce(decisions(first));
}

/** Tell a screen reader what became certain since the last drawing; not what was so when the page was opened. */
function announce(said) {
  const fresh = announced === null ? [] : said.filter((line) => !announced.has(line.split(":")[0]));
  announced = new Set(said.map((line) => line.split(":")[0]));
  if (fresh.length) byId("news").textContent = fresh.join(" ");
}

function drawTop(zone) {
  const title = named(definition.names, language, state.election);
  document.title = title;
  byId("title").textContent = title;
  byId("notes").textContent = named(definition.notes, language);
  byId("skip").textContent = text(language, "skip");
  const environment = byId("environment");
  environment.hidden = state.environment === "live";
  environment.className = `banner ${state.environment}`;
  environment.textContent = text(language, state.environment);
  const clock = byId("clock");
  clock.hidden = !state.clock;
  render(clock, el("span", { class: "quiet" }, text(language, "electionTime")), el("strong", {}, time(state.clock, language, zone)));
  const stale = byId("stale");
  stale.hidden = connected && !state.stale_since;
  const said = connected ? text(language, "stale", { time: time(state.stale_since, language, zone) }) : text(language, "lost");
  if (stale.textContent !== said) stale.textContent = said;
  drawLanguages();
}

function drawLanguages() {
  const nav = byId("languages");
  nav.setAttribute("aria-label", text(language, "languages"));
  render(nav, languages().map((code) => el("button", {
    key: code, type: "button", lang: code, "aria-pressed": String(code === language),
    on: { click: () => { language = code; localStorage.setItem("language", code); announced = null; draw(); } },
  }, languageNames[code] ?? code)));
}

async function start() {
  byId("waiting").textContent = text(language, "waiting");
  const listed = await asked("/v1/elections");
  base = `/v1/elections/${encodeURIComponent(listed.elections[0].election)}`;
  listen();
}

start();
