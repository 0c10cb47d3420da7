import { useEffect, useState } from "react";
import { requestJson } from "../api/http";

/** It takes about as long as the hearing: there is no hurry. */
const ASK_EVERY_MS = 3_000;

export type WorkProgress = { state: "none" | "making" | "ready" | "failed"; percent: number };

/** How far work of the server on a closed hearing is, once it has begun; asks until it is over. */
export function useWorkProgress(hearingId: string, work: "room-file" | "final-pass"): WorkProgress {
  const [progress, setProgress] = useState<WorkProgress>({ state: "none", percent: 0 });
  const over = progress.state === "ready" || progress.state === "failed";
  useEffect(() => {
    if (over) return;
    let current = true;
    const ask = () =>
      requestJson<WorkProgress>(`/api/v1/hearings/${encodeURIComponent(hearingId)}/${work}`).then(
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
  }, [hearingId, work, over]);
  return progress;
}
