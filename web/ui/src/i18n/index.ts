import i18next from "i18next";
import { initReactI18next } from "react-i18next";
import type { Language } from "../wire/Language";
import en from "./en.json";
import kk from "./kk.json";
import { chosenLanguage, keepLanguage, preferredLanguage } from "./language";
import ru from "./ru.json";

/** Prepares the catalogues in the language chosen before, else in the browser's. */
export function initI18n(): void {
  void i18next.use(initReactI18next).init({
    lng: chosenLanguage() ?? preferredLanguage(navigator.languages),
    fallbackLng: "kk",
    resources: { kk: { translation: kk }, ru: { translation: ru }, en: { translation: en } },
    interpolation: { escapeValue: false },
    // Catalogues are in the bundle: the first paint has its words.
    initAsync: false,
  });
  markDocument();
  i18next.on("languageChanged", markDocument);
}

/** Shows the pages in another language and remembers it as the person's choice. */
export function chooseLanguage(language: Language): void {
  keepLanguage(language);
  void i18next.changeLanguage(language);
}

/** Shows the pages in the language that the court has for this person, unless they chose one. */
export function suggestLanguage(language: Language): void {
  if (chosenLanguage() === null) void i18next.changeLanguage(language);
}

/** The language of the pages now. */
export function currentLanguage(): Language {
  return i18next.language as Language;
}

function markDocument(): void {
  document.documentElement.lang = i18next.language;
  document.title = i18next.t("app.name");
}
