import { useTranslation } from "react-i18next";
import type { LineQuality } from "../wire/LineQuality";

/** How good somebody's line is, in words; its figures for whoever points at it. */
export function LineMark({ quality }: { quality: LineQuality }) {
  const { t } = useTranslation();
  const { grade, cause, round_trip_ms: roundTrip, up, down } = quality;
  const figures = t("line.figures", {
    up: up.bitrate_kbps,
    down: down.bitrate_kbps,
    lossUp: percent(up.loss_permille),
    lossDown: percent(down.loss_permille),
    roundTrip: roundTrip ?? "–",
  });
  return (
    <b
      className={grade === "good" ? "tag" : "tag warn"}
      data-testid={`quality-${quality.participant}`}
      data-grade={grade}
      title={figures}
    >
      {t(`line.${grade}`)}
      {cause !== null && `: ${t(`line.cause.${cause}`)}`}
    </b>
  );
}

function percent(permille: number | null): string {
  return permille === null ? "–" : (permille / 10).toFixed(1);
}
