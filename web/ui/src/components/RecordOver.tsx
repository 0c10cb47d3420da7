import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { requestJson } from "../api/http";
import type { Seat } from "../api/invitations";
import { canListenBack } from "../player/mediaSourceSink";
import { useReadBack } from "../player/useReadBack";
import type { Protocol } from "../registry/api";
import { ProtocolLines } from "../registry/ProtocolLines";
import { ReadBackPlayer } from "./ReadBackPanel";
import { documentAddress } from "./useProtocolReady";

/** The record of a hearing that is over, for the bench; with its lines once they are there (`ready`). */
export function RecordOver({ seat, ready }: { seat: Seat; ready: boolean }) {
  const { t } = useTranslation();
  const { readBack } = useReadBack(seat.participant_id, "", canListenBack());
  const protocol = useProtocol(seat.hearing.id, ready);
  if (readBack === null) return null;
  return (
    <section className="card" data-testid="record-over">
      <h2>{t("player.title")}</h2>
      <ReadBackPlayer readBack={readBack} note={t("readBack.after")} />
      {protocol !== null && protocol.lines.length > 0 && (
        <ProtocolLines
          player={readBack.player}
          lines={protocol.lines}
          language={protocol.hearing.language}
          onPlay={(ms) => void readBack.playFrom(ms)}
        />
      )}
    </section>
  );
}

function useProtocol(hearingId: string, ready: boolean): Protocol | null {
  const [protocol, setProtocol] = useState<Protocol | null>(null);
  useEffect(() => {
    if (!ready) return;
    let current = true;
    requestJson<Protocol>(documentAddress(hearingId, "json")).then(
      (protocol) => current && setProtocol(protocol),
      // The record is played without them all the same.
      () => undefined,
    );
    return () => {
      current = false;
    };
  }, [hearingId, ready]);
  return protocol;
}
