import { useMemo, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import type { Seat } from "../api/invitations";
import type { CallSession } from "../call/CallSession";
import type { HearingSnapshot } from "../call/hearingState";
import { Icon } from "../components/Icon";
import { StreamVideo } from "../components/MediaElements";
import { PageFrame } from "../components/PageFrame";
import { ProblemBanner } from "../components/ProblemBanner";
import { SeatFacts } from "../components/SeatFacts";

type Props = { session: CallSession; state: HearingSnapshot; seat: Seat };

/** Where a person waits alone until the bench lets them in. */
export function WaitingRoom({ session, state, seat }: Props) {
  const { t } = useTranslation();
  const { camera, microphone } = useSyncExternalStore(session.devices.subscribe, session.devices.getSnapshot);
  const stream = useMemo(() => (camera.track === null ? null : new MediaStream([camera.track])), [camera.track]);
  return (
    <PageFrame narrow testId="waiting" homeLink={false}>
      {state.connection === "reconnecting" && (
        <p className="banner warn" role="alert">
          <Icon name="lost" />
          {t("room.reconnecting")}
        </p>
      )}
      {state.problem !== null && <ProblemBanner session={session} problem={state.problem} />}
      <section className="card waiting-card" aria-live="polite">
        <span className="notice-sign calm">
          <Icon name="hourglass" size={64} />
        </span>
        <h1>{t("waiting.title")}</h1>
        <p className="lead">{t("waiting.lead")}</p>
        <p>{t("waiting.private")}</p>
        <p>{t("waiting.stay")}</p>
      </section>
      <div className="waiting-own">
        <div className="preview small">
          {stream === null ? <Icon name="cameraOff" size={48} /> : <StreamVideo stream={stream} mirrored label={t("selftest.preview")} />}
        </div>
        <ul className="own-state">
          <li className={camera.track === null ? "off" : "on"}>
            <Icon name={camera.track === null ? "cameraOff" : "camera"} size={28} />
            {camera.track === null ? t("room.camOff") : t("selftest.camera")}
          </li>
          <li className={microphone.track === null ? "off" : "on"}>
            <Icon name={microphone.track === null ? "microphoneOff" : "microphone"} size={28} />
            {microphone.track === null ? t("room.noMicrophone") : t("selftest.microphone")}
          </li>
        </ul>
      </div>
      <SeatFacts seat={seat} />
      <Button className="button" data-testid="leave" onPress={() => session.leave()}>
        <Icon name="leave" />
        {t("room.leave")}
      </Button>
    </PageFrame>
  );
}
