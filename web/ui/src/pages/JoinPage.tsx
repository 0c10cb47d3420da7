import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { useParams } from "react-router";
import { failureCode } from "../api/http";
import { redeemInvitation, type Seat } from "../api/invitations";
import { CallSession } from "../call/CallSession";
import { ownView } from "../call/hearingState";
import type { EndReason } from "../call/SeatConnection";
import { ErrorPage } from "../components/ErrorPage";
import { PageFrame } from "../components/PageFrame";
import { currentLanguage, suggestLanguage } from "../i18n";
import { HearingOver } from "./HearingOver";
import { HearingRoom } from "./HearingRoom";
import { SelfTest } from "./SelfTest";
import { WaitingRoom } from "./WaitingRoom";

type Opened = { seat: Seat; session: CallSession } | { code: string } | null;

/** Opens an invitation and leads from the self-test through the waiting room to the hearing. */
export function JoinPage() {
  const { token = "" } = useParams();
  const [opened, setOpened] = useState<Opened>(null);
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    let shown = true;
    let session: CallSession | null = null;
    redeemInvitation(token).then(
      (seat) => {
        if (!shown) return;
        suggestLanguage(seat.language);
        const { participant_id: participantId, role } = seat;
        session = new CallSession({ token, participantId, role, language: currentLanguage });
        if (seat.hearing.state !== "closed") session.start();
        setOpened({ seat, session });
      },
      (error: unknown) => shown && setOpened({ code: failureCode(error) }),
    );
    return () => {
      shown = false;
      session?.dispose();
    };
  }, [token, attempt]);

  const again = () => {
    setOpened(null);
    setAttempt((last) => last + 1);
  };

  if (opened === null) return <Opening />;
  if ("code" in opened) {
    return <ErrorPage code={opened.code} onRetry={again} />;
  }
  if (opened.seat.hearing.state === "closed") return <HearingOver seat={opened.seat} />;
  return <LiveSeat session={opened.session} seat={opened.seat} onAgain={again} />;
}

function Opening() {
  const { t } = useTranslation();
  return (
    <PageFrame narrow homeLink={false}>
      <p className="lead" role="status">
        {t("invitation.opening")}
      </p>
    </PageFrame>
  );
}

type SeatProps = { session: CallSession; seat: Seat; onAgain: () => void };

function LiveSeat({ session, seat, onAgain }: SeatProps) {
  const state = useSyncExternalStore(session.store.subscribe, session.store.getSnapshot);
  const presence = ownView(state)?.presence;
  // A page that was reloaded in the middle goes straight back in, without another self-test.
  const comesBack = presence === "admitted" || presence === "waiting";
  const comingBack = useRef<CallSession | null>(null);

  useEffect(() => {
    if (!comesBack || session.isReady || comingBack.current === session) return;
    comingBack.current = session;
    void session.comeBack();
  }, [comesBack, session]);

  if (state.end !== null) {
    return <EndPage end={state.end} seat={seat} onAgain={onAgain} />;
  }
  if (state.hearing?.state === "closed") return <HearingOver seat={seat} />;
  if (presence === "admitted" && session.isReady) return <HearingRoom session={session} state={state} seat={seat} />;
  if (presence === "waiting" && session.isReady) return <WaitingRoom session={session} state={state} seat={seat} />;
  // Who comes back need not see the self-test flash by; a dead line need not keep it from others.
  if (comesBack || (state.hearing === null && state.connection === "connecting")) return <Opening />;
  return <SelfTest session={session} seat={seat} />;
}

function EndPage({ end, seat, onAgain }: { end: EndReason; seat: Seat; onAgain: () => void }) {
  if ("left" in end) return <HearingOver seat={seat} onReturn={onAgain} />;
  const code = "bye" in end ? end.bye : end.error;
  if (code === "hearing_closed") return <HearingOver seat={seat} />;
  const mayRetry = code === "replaced" || code === "protocol" || code === "protocol_version";
  return <ErrorPage code={code} onRetry={mayRetry ? onAgain : undefined} />;
}
