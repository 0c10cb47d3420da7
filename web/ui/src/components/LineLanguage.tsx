import { OWN_NAMES } from "../i18n/ownNames";
import type { Language } from "../wire/Language";

type Props = { language: Language; proceedings: Language };

/** Says in which language a line was spoken, where it is not that of the proceedings. */
export function LineLanguage({ language, proceedings }: Props) {
  if (language === proceedings) return null;
  return (
    <b className="tag" lang={language} data-testid="spoken-language">
      {OWN_NAMES[language]}
    </b>
  );
}
