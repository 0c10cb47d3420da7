import { useTranslation } from "react-i18next";
import type { RecordFault } from "../wire/RecordFault";
import { Icon } from "./Icon";

/** Tells the bench that nothing is written. Cannot be dismissed: only mending it takes it away. */
export function RecordFaultBanner({ fault }: { fault: RecordFault }) {
  const { t } = useTranslation();
  return (
    <div className="fault-banner" role="alert" data-testid="record-fault" data-fault={fault}>
      <Icon name="warning" size={44} />
      <div>
        <strong>{t("bench.faultTitle")}</strong>
        <p>
          {t(`bench.fault.${fault}`, { defaultValue: t("bench.fault.unknown") })} {t("bench.faultAdvice")}
        </p>
      </div>
    </div>
  );
}
