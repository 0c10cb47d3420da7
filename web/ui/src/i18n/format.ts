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

/** An RFC 3339 time in words and in the court's own offset; as it came if it is none. */
export function formatTime(rfc3339: string, language: Language): string {
  const at = new Date(rfc3339);
  if (Number.isNaN(at.getTime())) return rfc3339;
  return new Intl.DateTimeFormat(LOCALES[language], {
    dateStyle: "long",
    timeStyle: "short",
    timeZone: offsetZone(rfc3339),
  }).format(at);
}

/** The offset of an RFC 3339 time as a zone name: a court's notice names the court's local time. */
function offsetZone(rfc3339: string): string {
  const offset = /([+-]\d{2}:\d{2})$/.exec(rfc3339)?.[1];
  // All of Kazakhstan keeps UTC+5 since 1 March 2024.
  return offset ?? "+05:00";
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
