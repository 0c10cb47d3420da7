import { useEffect, useState } from "react";

/** The server makes the protocol when the last line of the draft is there: usually seconds. */
const ASK_EVERY_MS = 2_000;

/** The address of a document of a closed hearing. */
export function documentAddress(hearingId: string, format: string): string {
  return `/api/v1/hearings/${encodeURIComponent(hearingId)}/protocol.${format}`;
}

/** Whether the protocol of a closed hearing can be read already; asks until it can. */
export function useProtocolReady(hearingId: string, wanted: boolean): boolean {
  const [ready, setReady] = useState(false);
  useEffect(() => {
    if (!wanted || ready) return;
    let current = true;
    const ask = async () => {
      try {
        const answer = await fetch(documentAddress(hearingId, "json"), { method: "HEAD" });
        if (current && answer.ok) setReady(true);
      } catch {
        // The line is down; the next question may get through.
      }
    };
    void ask();
    const timer = setInterval(() => void ask(), ASK_EVERY_MS);
    return () => {
      current = false;
      clearInterval(timer);
    };
  }, [hearingId, wanted, ready]);
  return ready;
}
