import { useTranslation } from "react-i18next";
import type { Seat } from "../api/invitations";
import { formatTime } from "../i18n/format";

/** Who the person is here and what hearing this is. */
export function SeatFacts({ seat }: { seat: Seat }) {
  const { t } = useTranslation();
  const { hearing } = seat;
  return (
    <dl className="facts seat-facts">
      <div>
        <dt>{t("invitation.you")}</dt>
        <dd>
          <strong>{seat.name}</strong>, {t(`role.${seat.role}`)}
        </dd>
      </div>
      <div>
        <dt>{t("invitation.case")}</dt>
        <dd>
          {hearing.case_number}. {hearing.case_title}
        </dd>
      </div>
      <div>
        <dt>{t("invitation.court")}</dt>
        <dd>
          {hearing.court}, {hearing.courtroom}
        </dd>
      </div>
      <div>
        <dt>{t("invitation.time")}</dt>
        <dd>{formatTime(hearing.scheduled_at, t)}</dd>
      </div>
    </dl>
  );
}
