// What stands below: revision, times, where the data is.
import { el, render } from "./dom.js";
import { named, number, text, time } from "./texts.js";

export function drawFoot(footer, state, { definition, language, zone }) {
  const base = `/v1/elections/${encodeURIComponent(state.election)}`;
  const addresses = [["snapshot", `${base}/snapshot`], ["definition", `${base}/definition?units=false`], ["stream", `${base}/stream`], ["OpenAPI", "/v1/openapi.json"]];
  const links = addresses.flatMap(([name, href]) => [" ", el("a", { href }, name)]);
  render(footer,
    el("p", { id: "revision" }, text(language, "revision", { n: number(state.revision, language), time: time(state.generated_at, language, zone) })),
    el("p", {}, named(definition.attribution, language)),
    el("p", {}, `${text(language, "data")}:`, links));
}
