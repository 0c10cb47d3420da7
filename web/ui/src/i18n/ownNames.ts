import type { Language } from "../wire/Language";
import en from "./en.json";
import kk from "./kk.json";
import ru from "./ru.json";

/** Each language in its own words, for those who cannot read the present one. */
export const OWN_NAMES: Record<Language, string> = {
  kk: kk.app.languageName,
  ru: ru.app.languageName,
  en: en.app.languageName,
};
