import { useEffect, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import type { CallSession } from "../call/CallSession";
import { canListenBack } from "../player/mediaSourceSink";
import { MicrophoneGuard } from "../player/MicrophoneGuard";
import { PlayerControls } from "../player/PlayerControls";
import type { ReadBack } from "../player/ReadBack";
import type { ReadBackControl } from "../player/useReadBack";
import { VoiceRows } from "../player/VoiceRows";
import { Icon } from "./Icon";

/** How far back one press goes, in minutes. */
const LAST = [1, 2, 5] as const;
const MINUTE_MS = 60_000;

/** "Read that back": the last minutes at one press, during the hearing. */
export function ReadBackPanel({ control, session }: { control: ReadBackControl; session: CallSession }) {
  const { t } = useTranslation();
  const { readBack, open, close } = control;
  if (!canListenBack()) return null;
  return (
    <section className="panel readback-panel" aria-label={t("readBack.title")} data-testid="read-back">
      <header className="readback-head">
        <h2>{t("readBack.title")}</h2>
        {LAST.map((minutes) => (
          <Button
            key={minutes}
            className="button small"
            data-testid={`read-back-${minutes}`}
            onPress={() => void open().playLast(minutes * MINUTE_MS)}
          >
            <Icon name="returnBack" size={16} />
            {t("readBack.last", { minutes })}
          </Button>
        ))}
        {readBack !== null && (
          <Button className="button small" data-testid="read-back-close" onPress={close}>
            {t("app.close")}
          </Button>
        )}
      </header>
      {readBack !== null && <QuietMicrophone session={session} readBack={readBack} />}
      {readBack !== null && <ReadBackPlayer readBack={readBack} note={t("readBack.onlyYou")} />}
    </section>
  );
}

/** The player of what the server records, or has recorded. */
export function ReadBackPlayer({ readBack, note }: { readBack: ReadBack; note: string }) {
  const { t } = useTranslation();
  const { people, levels, view, failure } = useSyncExternalStore(readBack.subscribe, readBack.getSnapshot);
  return (
    <>
      <p className="quiet">{note}</p>
      {failure !== null && (
        <p className="banner warn" role="alert" data-testid="read-back-failed">
          <Icon name="warning" />
          {t("readBack.failed")}
        </p>
      )}
      {people.length === 0 ? (
        <p role="status">{t("readBack.nothing")}</p>
      ) : (
        <PlayerControls
          player={readBack.player}
          view={view}
          onPlay={() => void readBack.play()}
          onPause={() => readBack.pause()}
        >
          <VoiceRows
            player={readBack.player}
            voices={people}
            heard={{ levels, view }}
            onChoose={(person) => readBack.choose(person)}
          />
          {view.fromMs > 0 && (
            <Button className="button small readback-all" data-testid="read-back-all" onPress={() => readBack.showAll()}>
              {t("readBack.showAll")}
            </Button>
          )}
        </PlayerControls>
      )}
    </>
  );
}

/** Keeps the person's own microphone from what is played back. Shows nothing. */
function QuietMicrophone({ session, readBack }: { session: CallSession; readBack: ReadBack }) {
  const [guard] = useState(
    () =>
      new MicrophoneGuard(
        {
          get isHeard() {
            return !session.isMuted && session.devices.getSnapshot().microphone.track !== null;
          },
          setMuted: (muted) => session.setMuted(muted),
        },
        () => readBack.pause(),
      ),
  );
  useEffect(() => {
    const look = () => guard.look(readBack.player.getSnapshot().playing);
    const stops = [readBack.player.subscribe(look), session.store.subscribe(look)];
    return () => {
      for (const stop of stops) stop();
      guard.look(false);
    };
  }, [guard, session, readBack]);
  return null;
}
