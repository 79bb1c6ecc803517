// Words, numbers and times in the reader's language. Names of contests, areas and selections come from the election definition.
import { en } from "./words-en.js";
import { kk } from "./words-kk.js";
import { ru } from "./words-ru.js";

const tables = { en, kk, ru };

export const languageNames = { kk: "Қазақша", ru: "Русский", en: "English", de: "Deutsch", es: "Español", fr: "Français", nl: "Nederlands" };

/** The page's text in a language, English where there is none; {x} is replaced by values. */
export function text(language, key, values = {}) {
  const found = lookup(tables[language], key) ?? lookup(en, key);
  const template = typeof found === "string" ? found : key.split("|").at(-1);
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

function lookup(table, key) {
  return key.split("|").reduce((node, part) => node?.[part], table);
}

/** Whether the page has a word for this. */
export function hasText(key) {
  return lookup(en, key) !== undefined;
}

/** A name in a language, else in English, else in any. */
export function named(names, language, otherwise = "") {
  return names?.[language] ?? names?.en ?? Object.values(names ?? {})[0] ?? otherwise;
}

/** A whole number with the language's separators; a dash for what is not known. */
export function number(value, language) {
  return value === null || value === undefined ? "–" : new Intl.NumberFormat(localeOf(language)).format(value);
}

/** The same with its sign: +3, −2, 0. */
export function signed(value, language) {
  return new Intl.NumberFormat(localeOf(language), { signDisplay: "exceptZero" }).format(value);
}

/** "1/20" or "0.05" as a number between 0 and 1. */
export function fraction(value) {
  const [part, whole = "1"] = String(value).split("/");
  return Number(part) / Number(whole);
}

/** A line that decides something, as it is spoken of: 5 %. */
export function lineText(value, language) {
  return `${new Intl.NumberFormat(localeOf(language), { maximumFractionDigits: 2 }).format(fraction(value) * 100)}\u00a0%`;
}

/**
 * A decimal share as per cent with two digits: rounded, but never up to or over one of the lines (thresholds, the half, all):
 * 4.996 % is not 5.00 %.
 */
export function percent(share, language, lines = []) {
  if (share === null || share === undefined) return "–";
  const [whole, digits = ""] = String(share).split(".");
  const exact = Number(`${whole}${digits.padEnd(6, "0").slice(0, 6)}`); // millionths: integers from here on
  const rounded = Math.round(exact / 100);
  const crosses = [0.5, 1, ...lines].some((line) => exact < Math.round(line * 1e6) && rounded * 100 >= Math.round(line * 1e6));
  const cut = String(crosses ? Math.floor(exact / 100) : rounded).padStart(5, "0");
  const mark = new Intl.NumberFormat(localeOf(language)).formatToParts(1.5).find((part) => part.type === "decimal")?.value ?? ".";
  return `${Number(cut.slice(0, -2))}${mark}${cut.slice(-2)}\u00a0%`;
}

/** Written like Kazakh, for browsers that come without it: spaces in numbers, a decimal comma, the day before the month. */
const relatives = { kk: "ru" };

/** The locale to format with: "en" alone would put months before days, and not every browser knows every language. */
function localeOf(language) {
  if (language === "en") return "en-GB";
  return knows(language) ? language : relatives[language] ?? "en-GB";
}

const known = new Map();

/** Whether the browser has the language's months: some say that they support it and write M03. */
function knows(language) {
  if (!known.has(language)) known.set(language, !/^M?\d+$/.test(new Intl.DateTimeFormat(language, { month: "short" }).format(new Date(0))));
  return known.get(language);
}

/** A time in the election's zone; `given` may leave out date or zone. */
export function time(value, language, zone, { date = true, named: zoned = true } = {}) {
  if (!value) return "–";
  const options = { hour: "2-digit", minute: "2-digit", hourCycle: "h23", timeZone: zone };
  if (zoned) options.timeZoneName = "short";
  if (date) Object.assign(options, { day: "numeric", month: "short" });
  const at = new Date(value);
  const months = text(language, "months").split(" ");
  if (knows(language)) return new Intl.DateTimeFormat(localeOf(language), options).format(at);
  const month = Number(new Intl.DateTimeFormat("en", { month: "numeric", timeZone: zone }).format(at));
  const parts = new Intl.DateTimeFormat(localeOf(language), options).formatToParts(at);
  return parts.map((part) => (part.type === "month" ? months[month - 1] : part.value)).join("");
}
