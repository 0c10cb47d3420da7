import { useTranslation } from "react-i18next";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { chooseLanguage } from "../i18n";
import { LANGUAGES } from "../i18n/language";
import en from "../i18n/en.json";
import kk from "../i18n/kk.json";
import ru from "../i18n/ru.json";
import type { Language } from "../wire/Language";

/** Each language in its own words, for those who cannot read the present one. */
const OWN_NAMES: Record<Language, string> = {
  kk: kk.app.languageName,
  ru: ru.app.languageName,
  en: en.app.languageName,
};

/** Chooses the language of the pages. */
export function LanguageSwitch() {
  const { t, i18n } = useTranslation();
  return (
    <ToggleButtonGroup
      className="language-switch"
      aria-label={t("app.language")}
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[i18n.language]}
      onSelectionChange={(keys) => {
        const [language] = keys;
        if (language !== undefined) chooseLanguage(language as Language);
      }}
    >
      {LANGUAGES.map((language) => (
        <ToggleButton key={language} id={language} lang={language} data-testid={`language-${language}`}>
          {OWN_NAMES[language]}
        </ToggleButton>
      ))}
    </ToggleButtonGroup>
  );
}
