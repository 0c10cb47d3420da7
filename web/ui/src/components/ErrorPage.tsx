import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import { Link } from "react-router";
import { Icon } from "./Icon";
import { PageFrame } from "./PageFrame";

const WITH_WORDS = [
  "link_unknown",
  "link_in_use",
  "link_replaced",
  "hearing_closed",
  "network",
  "not_seated",
  "protocol_version",
  "replaced",
  "seat_taken",
  "limit_reached",
] as const;

type Worded = (typeof WITH_WORDS)[number];

function worded(code: string): Worded | "other" {
  return WITH_WORDS.find((known) => known === code) ?? "other";
}

type Props = { code: string; onRetry?: () => void };

/** Says in words what went wrong, what to do and whom to call. */
export function ErrorPage({ code, onRetry }: Props) {
  const { t } = useTranslation();
  const key = worded(code);
  return (
    <PageFrame narrow testId={`error-${code}`}>
      <section className="card notice-card" role="alert">
        <span className="notice-sign">
          <Icon name="warning" size={56} />
        </span>
        <h1>{t(`failure.${key}.title`)}</h1>
        <p className="lead">{t(`failure.${key}.what`)}</p>
        <div className="button-row">
          {onRetry !== undefined && (
            <Button className="button primary large" onPress={onRetry}>
              {key === "replaced" ? t("failure.returnHere") : t("failure.retry")}
            </Button>
          )}
          <Link className="button large" to="/">
            {t("failure.home")}
          </Link>
        </div>
      </section>
    </PageFrame>
  );
}
