import type { Language } from "../wire/Language";

/** The languages of the pages, the state language first. */
export const LANGUAGES: readonly Language[] = ["kk", "ru", "en"];

const CHOICE_KEY = "otyrys.language";

function isLanguage(value: string | null | undefined): value is Language {
  return value === "kk" || value === "ru" || value === "en";
}

/** The language that the person chose on this device before, if any. */
export function chosenLanguage(): Language | null {
  try {
    const stored = window.localStorage.getItem(CHOICE_KEY);
    return isLanguage(stored) ? stored : null;
  } catch {
    // Storage may be forbidden; the choice then holds for this page only.
    return null;
  }
}

/** Keeps the person's choice on this device. */
export function keepLanguage(language: Language): void {
  try {
    window.localStorage.setItem(CHOICE_KEY, language);
  } catch {
    // As above.
  }
}

/** The first of the browser's languages that the pages have; Kazakh when there is none. */
export function preferredLanguage(wanted: readonly string[]): Language {
  for (const tag of wanted) {
    const primary = tag.toLowerCase().split("-")[0];
    if (isLanguage(primary)) return primary;
  }
  return "kk";
}
