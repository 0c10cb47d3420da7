import { useEffect, useMemo, useState } from "react";
import { RecordApi } from "../api/record";
import { mediaSourceSink } from "./mediaSourceSink";
import { ReadBack } from "./ReadBack";
import { browserClock } from "./RecordPlayer";

export type ReadBackControl = {
  /** `null` while it is put away: then nothing is asked of the server. */
  readBack: ReadBack | null;
  /** Takes it out, if need be. */
  open: () => ReadBack;
  close: () => void;
};

/**
 * Listening back from one seat, through the loudspeaker that the person chose (`""`: the system's).
 * `isOpen`: from the beginning.
 */
export function useReadBack(participantId: string, speakerId: string, isOpen = false): ReadBackControl {
  const [readBack, setReadBack] = useState<ReadBack | null>(() => (isOpen ? makeReadBack(participantId, speakerId) : null));
  useEffect(() => {
    readBack?.start();
    return () => readBack?.stop();
  }, [readBack]);
  return useMemo(
    () => ({
      readBack,
      open: () => {
        const opened = readBack ?? makeReadBack(participantId, speakerId);
        setReadBack(opened);
        return opened;
      },
      close: () => setReadBack(null),
    }),
    [readBack, participantId, speakerId],
  );
}

function makeReadBack(participantId: string, speakerId: string): ReadBack {
  return new ReadBack({
    api: new RecordApi(participantId),
    clock: browserClock,
    openElement: () => {
      const element = new Audio();
      if (speakerId !== "" && "setSinkId" in element) void element.setSinkId(speakerId).catch(() => undefined);
      return { element, openSink: () => mediaSourceSink(element) };
    },
  });
}
