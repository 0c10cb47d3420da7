import { useEffect, useState } from "react";
import { useTranslation } from "react-i18next";
import { requestJson } from "../api/http";

/** It takes about as long as the hearing: there is no hurry. */
const ASK_EVERY_MS = 3_000;

type Progress = { state: "none" | "making" | "ready" | "failed"; percent: number };

/** How far the film of the session is, once the server makes one. */
export function RoomFileProgress({ hearingId }: { hearingId: string }) {
  const { t } = useTranslation();
  const progress = useProgress(hearingId);
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

function useProgress(hearingId: string): Progress {
  const [progress, setProgress] = useState<Progress>({ state: "none", percent: 0 });
  const over = progress.state === "ready" || progress.state === "failed";
  useEffect(() => {
    if (over) return;
    let current = true;
    const ask = () =>
      requestJson<Progress>(`/api/v1/hearings/${encodeURIComponent(hearingId)}/room-file`).then(
        (answer) => current && setProgress(answer),
        // The line is down; the next question may get through.
        () => undefined,
      );
    void ask();
    const timer = setInterval(() => void ask(), ASK_EVERY_MS);
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [hearingId, over]);
  return progress;
}
