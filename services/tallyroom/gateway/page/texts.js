// What the page itself says. Names of contests, areas and selections come from the election definition.
const texts = {
  en: {
    simulation: "SIMULATION: station figures are made up, this is not a result",
    test: "TEST: a replay or rehearsal, this is not a result of today",
    stale: "These figures may be out of date since {time}.",
    lost: "No connection to the server; trying again.",
    waiting: "Nothing has been published yet. The page shows the first figures by itself.",
    reported: "Stations reported", of: "{n} of {m}", registered: "Registered voters", cast: "Ballots cast",
    turnoutReported: "Turnout in reported stations", shares: "Shares of {n} {base}", noShares: "Nothing counted yet",
    "base.selections": "votes for all choices", "base.valid": "valid ballots", "base.cast": "ballots cast",
    "base.blank": "blank ballots", "base.invalid": "invalid ballots",
    area: "Area", leader: "Leading", share: "Share", votes: "Votes", progress: "Reported", turnout: "Turnout",
    areas: "By area", others: "Other contests", bulletins: "Turnout bulletins",
    bulletinsNote: "Announced during the day; not a part of the count.",
    estimates: "Estimates", estimatesNote: "By pollsters; not a part of the count.", sample: "{n} asked",
    time: "Time", issued: "Ballots issued", tie: "Tie", none: "none yet", embargoed: "Not public until {time}",
    revision: "Revision {n}, {time}", electionTime: "time of the night: {time}", data: "Data",
    held: "{n} held back", partial: "{n} partly counted", annulled: "{n} annulled",
    method: { exit_poll: "exit poll", projection: "projection", quick_count: "quick count", poll: "poll" },
    status: {
      "pre-election": "before the count", "unofficial-partial": "preliminary, counting", "unofficial-complete": "preliminary, all in",
      certified: "certified", correction: "corrected", recount: "recount", suspended: "suspended", annulled: "annulled", uncontested: "uncontested",
    },
  },
  ru: {
    simulation: "МОДЕЛИРОВАНИЕ: данные участков придуманы, это не результаты выборов",
    test: "ТЕСТ: повтор или репетиция, это не сегодняшние результаты",
    stale: "Данные могли устареть: не обновляются с {time}.",
    lost: "Нет связи с сервером, идёт повторное подключение.",
    waiting: "Пока ничего не опубликовано. Первые данные появятся сами.",
    reported: "Участков обработано", of: "{n} из {m}", registered: "Избирателей в списках", cast: "Бюллетеней",
    turnoutReported: "Явка на обработанных участках", shares: "Доли от {n} {base}", noShares: "Ещё ничего не подсчитано",
    "base.selections": "голосов за все варианты", "base.valid": "действительных бюллетеней", "base.cast": "поданных бюллетеней",
    "base.blank": "пустых бюллетеней", "base.invalid": "недействительных бюллетеней",
    area: "Территория", leader: "Лидирует", share: "Доля", votes: "Голоса", progress: "Обработано", turnout: "Явка",
    areas: "По территориям", others: "Другие выборы", bulletins: "Сообщения о явке",
    bulletinsNote: "Объявлялись в течение дня; в подсчёт не входят.",
    estimates: "Оценки", estimatesNote: "Данные социологов; в подсчёт не входят.", sample: "опрошено {n}",
    time: "Время", issued: "Выдано бюллетеней", tie: "Поровну", none: "пока нет", embargoed: "Не публикуется до {time}",
    revision: "Редакция {n}, {time}", electionTime: "время ночи: {time}", data: "Данные",
    held: "отложено: {n}", partial: "частично: {n}", annulled: "аннулировано: {n}",
    method: { exit_poll: "экзитпол", projection: "прогноз", quick_count: "быстрый подсчёт", poll: "опрос" },
    status: {
      "pre-election": "до подсчёта", "unofficial-partial": "предварительно, идёт подсчёт", "unofficial-complete": "предварительно, все данные",
      certified: "утверждено", correction: "исправлено", recount: "пересчёт", suspended: "приостановлено", annulled: "отменено", uncontested: "без соперников",
    },
  },
  kk: {
    simulation: "МОДЕЛЬДЕУ: учаске деректері ойдан құрастырылған, бұл сайлау нәтижесі емес",
    test: "СЫНАҚ: қайталау немесе дайындық, бұл бүгінгі нәтиже емес",
    stale: "Деректер ескірген болуы мүмкін: {time} бастап жаңартылмаған.",
    lost: "Сервермен байланыс жоқ, қайта қосылуда.",
    waiting: "Әзірге ештеңе жарияланған жоқ. Алғашқы деректер өздігінен шығады.",
    reported: "Өңделген учаскелер", of: "{m} ішінен {n}", registered: "Тізімдегі сайлаушылар", cast: "Бюллетеньдер",
    turnoutReported: "Өңделген учаскелердегі қатысу", shares: "Үлестер: {n} {base}", noShares: "Әлі ештеңе саналған жоқ",
    "base.selections": "барлық нұсқаға берілген дауыстан", "base.valid": "жарамды бюллетеньнен", "base.cast": "тасталған бюллетеньнен",
    "base.blank": "бос бюллетеньнен", "base.invalid": "жарамсыз бюллетеньнен",
    area: "Аумақ", leader: "Алда", share: "Үлес", votes: "Дауыс", progress: "Өңделді", turnout: "Қатысу",
    areas: "Аумақтар бойынша", others: "Басқа сайлаулар", bulletins: "Қатысу туралы хабарламалар",
    bulletinsNote: "Күні бойы жарияланған; санаққа кірмейді.",
    estimates: "Бағалаулар", estimatesNote: "Әлеуметтанушылардың дерегі; санаққа кірмейді.", sample: "{n} адам сұралды",
    time: "Уақыт", issued: "Берілген бюллетеньдер", tie: "Тең", none: "әзірге жоқ", embargoed: "{time} дейін жарияланбайды",
    revision: "{n}-редакция, {time}", electionTime: "түн уақыты: {time}", data: "Деректер",
    held: "кейінге қалдырылған: {n}", partial: "ішінара: {n}", annulled: "жойылған: {n}",
    method: { exit_poll: "экзитпол", projection: "болжам", quick_count: "жедел санақ", poll: "сауалнама" },
    status: {
      "pre-election": "санаққа дейін", "unofficial-partial": "алдын ала, санақ жүруде", "unofficial-complete": "алдын ала, бәрі келді",
      certified: "бекітілген", correction: "түзетілген", recount: "қайта санау", suspended: "тоқтатылған", annulled: "жойылған", uncontested: "бәсекесіз",
    },
  },
};

export const languageNames = { kk: "Қазақша", ru: "Русский", en: "English", de: "Deutsch", es: "Español", nl: "Nederlands" };

/** The page's text in a language, English where there is none; {x} is replaced by values. */
export function text(language, key, values = {}) {
  const table = texts[language] ?? texts.en;
  const found = key.split("|").reduce((node, part) => node?.[part], table);
  const template = typeof found === "string" ? found : key.split("|").at(-1);
  return template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
}

/** A name in a language, else in English, else in any. */
export function named(names, language, otherwise = "") {
  return names?.[language] ?? names?.en ?? Object.values(names ?? {})[0] ?? otherwise;
}

/** A whole number with the language's separators; a dash for what is not known. */
export function number(value, language) {
  return value === null || value === undefined ? "–" : new Intl.NumberFormat(language).format(value);
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
  const mark = new Intl.NumberFormat(language).formatToParts(1.5).find((part) => part.type === "decimal")?.value ?? ".";
  return `${Number(cut.slice(0, -2))}${mark}${cut.slice(-2)}\u00a0%`;
}

/** A time in the election's zone, with the zone named. */
export function time(value, language, zone, withDate = true) {
  if (!value) return "–";
  const options = { hour: "2-digit", minute: "2-digit", timeZone: zone, timeZoneName: "short" };
  if (withDate) Object.assign(options, { day: "numeric", month: "short" });
  return new Intl.DateTimeFormat(language, options).format(new Date(value));
}
