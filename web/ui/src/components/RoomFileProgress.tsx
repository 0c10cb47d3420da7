import { useTranslation } from "react-i18next";
import { useWorkProgress } from "./useWorkProgress";

/** How far the film of the session is, once the server makes one. */
export function RoomFileProgress({ hearingId }: { hearingId: string }) {
  const { t } = useTranslation();
  const progress = useWorkProgress(hearingId, "room-file");
  if (progress.state === "none") return null;
  return (
    <section className="card" data-testid="room-file" data-state={progress.state}>
      <h2 id="room-file-title">{t("roomFile.title")}</h2>
      <p role="status">{t(`roomFile.${progress.state}`)}</p>
      {progress.state === "making" && (
        <p>
          <progress value={progress.percent} max={100} aria-labelledby="room-file-title" /> {progress.percent} %
        </p>
      )}
    </section>
  );
}
