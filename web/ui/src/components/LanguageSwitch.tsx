import { useTranslation } from "react-i18next";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { chooseLanguage } from "../i18n";
import { LANGUAGES } from "../i18n/language";
import { OWN_NAMES } from "../i18n/ownNames";
import type { Language } from "../wire/Language";

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
