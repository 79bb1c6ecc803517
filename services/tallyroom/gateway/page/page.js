// The page: reads the definition and the stream, keeps the state, draws it at most once per frame.
import { drawAreas, drawContest, drawEstimates, drawFoot, drawOthers, drawTurnout } from "./draw.js";
import { languageNames, named, text, time } from "./texts.js";

const byId = (id) => document.getElementById(id);
let base = "";
let definition = null;
let definitionChain = null;
let state = null; // the snapshot, kept up to date from the stream
let language = localStorage.getItem("language") ?? navigator.language.slice(0, 2);
let connected = true;
let drawing = false;

/** Ask until it is answered as wanted: before the first revision a gateway says 503, and a cache may hold what was. */
async function asked(address, wanted = () => true) {
  for (;;) {
    try {
      const answer = await fetch(address, { cache: "no-cache" });
      if (answer.ok && wanted(answer)) return await answer.json();
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // a TypeError is what fetch calls a lost connection
    }
    byId("waiting").textContent = text(language, "waiting");
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
  const zone = definition.time_zones?.[0];
  const found = new Map(state.contests.map((contest) => [contest.contest, contest]));
  const views = definition.contests.filter((contest) => found.has(contest.id)).map((contest) => ({ contest, found: found.get(contest.id), language, zone, areaNames: definition.areaNames }));
  document.documentElement.lang = language;
  drawTop(zone);
  if (views.length) {
    byId("contest").hidden = false;
    drawContest(byId("contest"), views[0]);
    drawAreas(byId("areas"), views[0]);
    drawOthers(byId("others"), views.slice(1));
    drawTurnout(byId("turnout"), state.turnout, views[0]);
    drawEstimates(byId("estimates"), state.estimates, views[0]);
    drawFoot(byId("foot"), state, definition, views[0]);
  }
  byId("waiting").hidden = true;
  byId("main").setAttribute("aria-busy", "false");
}

function drawTop(zone) {
  const title = named(definition.names, language, state.election);
  document.title = title;
  byId("title").textContent = title;
  byId("notes").textContent = named(definition.notes, language);
  const environment = byId("environment");
  environment.hidden = state.environment === "live";
  environment.className = `banner ${state.environment}`;
  environment.textContent = text(language, state.environment);
  const stale = byId("stale");
  stale.hidden = connected && !state.stale_since;
  const said = connected ? text(language, "stale", { time: time(state.stale_since, language, zone) }) : text(language, "lost");
  if (stale.textContent !== said) stale.textContent = said;
  drawLanguages();
}

function drawLanguages() {
  const nav = byId("languages");
  if (nav.children.length !== languages().length) {
    nav.replaceChildren(...languages().map((code) => {
      const button = document.createElement("button");
      button.textContent = languageNames[code] ?? code;
      button.lang = code;
      button.onclick = () => { language = code; localStorage.setItem("language", code); draw(); };
      return button;
    }));
  }
  for (const button of nav.children) button.setAttribute("aria-pressed", String(button.lang === language));
}

async function start() {
  byId("waiting").textContent = text(language, "waiting");
  const listed = await asked("/v1/elections");
  base = `/v1/elections/${encodeURIComponent(listed.elections[0].election)}`;
  listen();
}

start();
