import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { arrivals } from "../call/hearingState";
import type { HearingView } from "../wire/HearingView";

/** How long after the room is shown the person's own admission is said. */
const OWN_ADMISSION_AFTER_MS = 500;

/** Says who came into the waiting room and into the hearing, to those who listen to the page. */
export function ArrivalAnnouncer({ hearing, you }: { hearing: HearingView; you: string | null }) {
  const { t } = useTranslation();
  const before = useRef<HearingView | null>(null);
  const [said, setSaid] = useState("");

  useEffect(() => {
    // A screen reader says only what changes in a region that it already knows.
    const timer = setTimeout(() => setSaid(t("waiting.admitted")), OWN_ADMISSION_AFTER_MS);
    return () => clearTimeout(timer);
  }, [t]);

  useEffect(() => {
    const sentences = arrivals(before.current, hearing, you).map(({ person, to }) => {
      const words = { name: person.name, role: t(`role.${person.role}`) };
      return to === "waiting" ? t("room.announceWaiting", words) : t("room.announceAdmitted", words);
    });
    before.current = hearing;
    if (sentences.length > 0) setSaid(sentences.join(". "));
  }, [hearing, you, t]);

  return (
    <p className="visually-hidden" aria-live="polite" data-testid="announcement">
      {said}
    </p>
  );
}
