import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { Icon } from "./Icon";
import { LanguageSwitch } from "./LanguageSwitch";

type Props = { children: ReactNode; narrow?: boolean; testId?: string; homeLink?: boolean };

/** The official frame of every page but the hearing room: name of the service, language, content. */
export function PageFrame({ children, narrow = false, testId, homeLink = true }: Props) {
  const { t } = useTranslation();
  const brand = (
    <>
      <Icon name="emblem" size={30} />
      <span className="brand-words">
        <span className="brand-name">{t("app.name")}</span>
        <span className="brand-tagline">{t("app.tagline")}</span>
      </span>
    </>
  );
  return (
    <div className="page" data-testid={testId}>
      <a className="skip-link" href="#content">
        {t("app.skip")}
      </a>
      <header className="page-header">
        {homeLink ? (
          <Link className="brand" to="/">
            {brand}
          </Link>
        ) : (
          <span className="brand">{brand}</span>
        )}
        <LanguageSwitch />
      </header>
      <main id="content" tabIndex={-1} className={narrow ? "page-content narrow" : "page-content"}>
        {children}
      </main>
    </div>
  );
}
