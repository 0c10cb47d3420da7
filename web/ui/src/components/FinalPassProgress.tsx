import { useTranslation } from "react-i18next";
import { useWorkProgress } from "./useWorkProgress";

/** How far the record has been heard again, while the protocol waits for it. */
export function FinalPassProgress({ hearingId }: { hearingId: string }) {
  const { t } = useTranslation();
  const { state, percent } = useWorkProgress(hearingId, "final-pass");
  if (state !== "making") return null;
  return (
    <p data-testid="final-pass">
      <span id="final-pass-title">{t("over.finalPass")}</span>{" "}
      <progress value={percent} max={100} aria-labelledby="final-pass-title" /> {percent} %
    </p>
  );
}
