import type { TFunction } from "i18next";
import type { Language } from "../wire/Language";

const LOCALES: Record<Language, string> = { kk: "kk-KZ", ru: "ru-KZ", en: "en-GB" };

/** A record's time as `m:ss` or `h:mm:ss`. */
export function formatClock(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const two = (value: number) => String(value).padStart(2, "0");
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor((seconds % 3600) / 60);
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(seconds % 60)}`
    : `${minutes}:${two(seconds % 60)}`;
}

const MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"] as const;

/** All of Kazakhstan keeps UTC+5 since 1 March 2024. */
const COURT_OFFSET = "+05:00";

/**
 * An RFC 3339 time in words, in its own offset: a court's notice names the court's local time.
 * A time in UTC is shown in Kazakhstan's; what is no time is shown as it came.
 *
 * The months are in the catalogues: browsers do not have the Kazakh ones.
 */
export function formatTime(rfc3339: string, t: TFunction): string {
  const at = new Date(rfc3339).getTime();
  if (Number.isNaN(at)) return rfc3339;
  const local = new Date(at + offsetMs(/[+-]\d{2}:\d{2}$/.exec(rfc3339)?.[0] ?? COURT_OFFSET));
  const two = (value: number) => String(value).padStart(2, "0");
  return t("date.full", {
    year: local.getUTCFullYear(),
    month: t(`date.${MONTHS[local.getUTCMonth()] ?? "jan"}`),
    day: local.getUTCDate(),
    time: `${two(local.getUTCHours())}:${two(local.getUTCMinutes())}`,
  });
}

function offsetMs(offset: string): number {
  const [hours = 0, minutes = 0] = offset.slice(1).split(":").map(Number);
  return (offset.startsWith("-") ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/** Bytes for people. */
export function formatSize(bytes: number, language: Language): string {
  const units = ["byte", "kilobyte", "megabyte", "gigabyte"] as const;
  let value = bytes;
  let unit = 0;
  while (value >= 1000 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return new Intl.NumberFormat(LOCALES[language], {
    style: "unit",
    unit: units[unit],
    unitDisplay: "short",
    maximumFractionDigits: value < 10 && unit > 0 ? 1 : 0,
  }).format(value);
}
