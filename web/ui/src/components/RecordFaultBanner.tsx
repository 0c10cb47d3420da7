import { useTranslation } from "react-i18next";
import type { HearingView } from "../wire/HearingView";
import { Icon } from "./Icon";

/** Tells the bench that nothing is written. Cannot be dismissed: only mending it takes it away. */
export function RecordFaultBanner({ hearing }: { hearing: HearingView }) {
  const { t } = useTranslation();
  const { record_fault: fault, faulty_track: track, participants } = hearing;
  if (fault === null) return null;
  const person = participants.find(({ id }) => id === track?.participant)?.name ?? "";
  return (
    <div className="fault-banner" role="alert" data-testid="record-fault" data-fault={fault}>
      <Icon name="warning" size={44} />
      <div>
        <strong>{t("bench.faultTitle")}</strong>
        <p>
          {t(`bench.fault.${fault}`, { person, defaultValue: t("bench.fault.unknown") })} {t("bench.faultAdvice")}
        </p>
      </div>
    </div>
  );
}
