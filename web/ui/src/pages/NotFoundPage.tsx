import { useTranslation } from "react-i18next";
import { Link } from "react-router";
import { PageFrame } from "../components/PageFrame";

/** An address that leads nowhere. */
export function NotFoundPage() {
  const { t } = useTranslation();
  return (
    <PageFrame narrow testId="error-not_found">
      <section className="card notice-card">
        <h1>{t("notFound.title")}</h1>
        <p className="lead">{t("notFound.what")}</p>
        <Link className="button large" to="/">
          {t("failure.home")}
        </Link>
      </section>
    </PageFrame>
  );
}
