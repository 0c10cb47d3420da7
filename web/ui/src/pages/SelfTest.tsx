import { type ReactNode, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import type { Seat } from "../api/invitations";
import type { CallSession } from "../call/CallSession";
import { publishes } from "../call/hearingState";
import { playTestTone } from "../call/LevelMeter";
import type { DeviceKind, DeviceState } from "../call/LocalDevices";
import { DeviceSelect } from "../components/DeviceSelect";
import { Icon } from "../components/Icon";
import { LevelBar } from "../components/LevelBar";
import { StreamVideo } from "../components/MediaElements";
import { PageFrame } from "../components/PageFrame";
import { ProblemBanner } from "../components/ProblemBanner";
import { SeatFacts } from "../components/SeatFacts";

/** Camera, microphone and loudspeaker are tried before the person waits. Big signs, one button. */
export function SelfTest({ session, seat }: { session: CallSession; seat: Seat }) {
  const { t } = useTranslation();
  const devices = useSyncExternalStore(session.devices.subscribe, session.devices.getSnapshot);
  const { connection, problem } = useSyncExternalStore(session.store.subscribe, session.store.getSnapshot);
  const [pressed, setPressed] = useState(session.isReady);
  const sends = publishes(seat.role);

  useEffect(() => {
    if (sends) void session.devices.openAll();
  }, [session, sends]);

  const asking = devices.microphone.asking || devices.camera.asking;
  return (
    <PageFrame testId="self-test" homeLink={false}>
      {problem !== null && <ProblemBanner session={session} problem={problem} />}
      <h1>{t("selftest.title")}</h1>
      <p className="lead">{t("selftest.lead")}</p>
      <SeatFacts seat={seat} />
      {sends && asking && (
        <p className="banner info" role="status">
          {t("selftest.asking")}
        </p>
      )}
      <div className="selftest-grid">
        {sends && (
          <>
            <CameraCheck session={session} state={devices.camera}>
              <DeviceSelect
                label={t("selftest.chooseCamera")}
                choices={devices.cameras}
                selected={devices.camera.track?.getSettings().deviceId ?? ""}
                onSelect={(id) => void session.devices.open("camera", id)}
              />
            </CameraCheck>
            <MicrophoneCheck session={session} state={devices.microphone}>
              <DeviceSelect
                label={t("selftest.chooseMicrophone")}
                choices={devices.microphones}
                selected={devices.microphone.track?.getSettings().deviceId ?? ""}
                onSelect={(id) => void session.devices.open("microphone", id)}
              />
            </MicrophoneCheck>
          </>
        )}
        <SpeakerCheck session={session} />
      </div>
      <div className="ready-bar">
        <Button
          className="button primary huge"
          data-testid="ready"
          isDisabled={pressed || (sends && asking)}
          onPress={() => {
            setPressed(true);
            session.becomeReady();
          }}
        >
          <Icon name={pressed ? "hourglass" : "check"} size={36} />
          {pressed ? t("app.loading") : t("selftest.ready")}
        </Button>
        {connection === "reconnecting" ? <p role="alert">{t("room.reconnecting")}</p> : <p>{t("selftest.readyHint")}</p>}
      </div>
    </PageFrame>
  );
}

type CheckProps = { session: CallSession; state: DeviceState; children: ReactNode };

function CameraCheck({ session, state, children }: CheckProps) {
  const { t } = useTranslation();
  const stream = useMemo(() => (state.track === null ? null : new MediaStream([state.track])), [state.track]);
  return (
    <section className="card check" aria-labelledby="check-camera">
      <h2 id="check-camera">
        <Icon name="camera" size={32} />
        {t("selftest.camera")}
        <Verdict state={state} />
      </h2>
      <div className="preview">
        {stream === null ? <Icon name="cameraOff" size={64} /> : <StreamVideo stream={stream} mirrored label={t("selftest.preview")} />}
      </div>
      <Problem kind="camera" session={session} state={state} hint={t("selftest.withoutCamera")} />
      {children}
    </section>
  );
}

function MicrophoneCheck({ session, state, children }: CheckProps) {
  const { t } = useTranslation();
  return (
    <section className="card check" aria-labelledby="check-microphone">
      <h2 id="check-microphone">
        <Icon name="microphone" size={32} />
        {t("selftest.microphone")}
        <Verdict state={state} />
      </h2>
      {state.track !== null && (
        <>
          <p>{t("selftest.say")}</p>
          <LevelBar track={state.track} />
        </>
      )}
      <Problem kind="microphone" session={session} state={state} hint={t("selftest.listenOnly")} />
      {children}
    </section>
  );
}

function SpeakerCheck({ session }: { session: CallSession }) {
  const { t } = useTranslation();
  const { speakers, speakerId } = useSyncExternalStore(session.devices.subscribe, session.devices.getSnapshot);
  const [played, setPlayed] = useState(false);
  const [hears, setHears] = useState(false);
  return (
    <section className="card check" aria-labelledby="check-speaker">
      <h2 id="check-speaker">
        <Icon name="speaker" size={32} />
        {t("selftest.speaker")}
        {hears && <Sign ok />}
      </h2>
      <div className="button-row">
        <Button
          className="button large"
          data-testid="play-tone"
          onPress={() => {
            setPlayed(true);
            void playTestTone(speakerId);
          }}
        >
          <Icon name="play" />
          {t("selftest.playTone")}
        </Button>
        {played && !hears && (
          <Button className="button large" data-testid="hear-tone" onPress={() => setHears(true)}>
            <Icon name="check" />
            {t("selftest.hearIt")}
          </Button>
        )}
      </div>
      <p role="status">{hears ? t("selftest.heardTone") : played ? t("selftest.noHear") : ""}</p>
      <DeviceSelect
        label={t("selftest.chooseSpeaker")}
        choices={speakers}
        selected={speakerId}
        onSelect={(id) => session.devices.chooseSpeaker(id)}
      />
    </section>
  );
}

function Problem({ kind, session, state, hint }: { kind: DeviceKind; session: CallSession; state: DeviceState; hint: string }) {
  const { t } = useTranslation();
  if (state.problem === null) return null;
  return (
    <div className="device-problem" role="alert" data-testid={`${kind}-${state.problem}`}>
      <p>{t(`selftest.problem.${kind}_${state.problem}`)}</p>
      <p>{hint}</p>
      <Button className="button" onPress={() => void session.devices.open(kind)}>
        {t("selftest.tryAgain")}
      </Button>
    </div>
  );
}

function Verdict({ state }: { state: DeviceState }) {
  if (state.asking) return null;
  return <Sign ok={state.track !== null} />;
}

function Sign({ ok }: { ok: boolean }) {
  return (
    <span className={ok ? "verdict ok" : "verdict bad"}>
      <Icon name={ok ? "check" : "warning"} size={28} />
    </span>
  );
}
