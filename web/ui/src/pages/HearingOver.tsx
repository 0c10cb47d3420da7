import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import type { Seat } from "../api/invitations";
import { readsDraft } from "../call/hearingState";
import { FinalPassProgress } from "../components/FinalPassProgress";
import { Icon } from "../components/Icon";
import { PageFrame } from "../components/PageFrame";
import { RecordOver } from "../components/RecordOver";
import { RoomFileProgress } from "../components/RoomFileProgress";
import { documentAddress, useProtocolReady } from "../components/useProtocolReady";

const FORMATS = ["html", "docx", "json"] as const;

/** After the hearing, or after leaving it (`onReturn`): says so; the bench finds record and protocol. */
export function HearingOver({ seat, onReturn }: { seat: Seat; onReturn?: () => void }) {
  const { t } = useTranslation();
  const { hearing } = seat;
  const left = onReturn !== undefined;
  const offersProtocol = !left && readsDraft(seat.role);
  const ready = useProtocolReady(hearing.id, offersProtocol);
  return (
    <PageFrame narrow testId={left ? "left" : "hearing-over"} homeLink={false}>
      <section className="card notice-card">
        <span className="notice-sign calm">
          <Icon name={left ? "leave" : "check"} size={56} />
        </span>
        <h1>{left ? t("over.leftTitle") : t("over.title")}</h1>
        <p className="lead">{left ? t("over.leftLead") : t("over.lead")}</p>
        {left ? (
          <Button className="button primary large" onPress={onReturn} data-testid="return">
            <Icon name="returnBack" />
            {t("over.return")}
          </Button>
        ) : (
          <p>{t("over.thanks")}</p>
        )}
      </section>
      {offersProtocol && (
        <section className="card" data-testid="protocol-links">
          <h2>{t("over.protocolTitle")}</h2>
          <p role="status">{ready ? t("over.protocolLead") : t("over.protocolPreparing")}</p>
          {!ready && <FinalPassProgress hearingId={hearing.id} />}
          <div className="button-row">
            {ready && FORMATS.map((format) => (
              <a
                key={format}
                className={format === "html" ? "button primary" : "button"}
                href={documentAddress(hearing.id, format)}
                data-testid={`protocol-${format}`}
                {...(format === "html" ? { target: "_blank", rel: "noopener" } : { download: true })}
              >
                <Icon name="document" />
                {t(`over.${format}`)}
              </a>
            ))}
          </div>
        </section>
      )}
      {offersProtocol && <RecordOver seat={seat} ready={ready} />}
      {offersProtocol && <RoomFileProgress hearingId={hearing.id} />}
    </PageFrame>
  );
}
