import { useCallback, useState, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Button, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { Seat } from "../api/invitations";
import type { CallSession } from "../call/CallSession";
import { conducts, type HearingSnapshot, ownView, publishes, readsDraft } from "../call/hearingState";
import { ArrivalAnnouncer } from "../components/ArrivalAnnouncer";
import { ControlBar } from "../components/ControlBar";
import { DraftPanel } from "../components/DraftPanel";
import { Icon, type IconName } from "../components/Icon";
import { StreamAudio } from "../components/MediaElements";
import { PeoplePanel } from "../components/PeoplePanel";
import { PictureWall } from "../components/PictureWall";
import { ProblemBanner } from "../components/ProblemBanner";
import { ReadBackPanel } from "../components/ReadBackPanel";
import { RecordFaultBanner } from "../components/RecordFaultBanner";
import { SessionControls } from "../components/SessionControls";
import { TopBar } from "../components/TopBar";
import { useReadBack } from "../player/useReadBack";

type Props = { session: CallSession; state: HearingSnapshot; seat: Seat };
type View = "picture" | "people" | "draft";

const VIEW_ICONS: Record<View, IconName> = { picture: "picture", people: "people", draft: "document" };

/** The hearing itself. What a person sees beside the picture follows from their role. */
export function HearingRoom({ session, state, seat }: Props) {
  const { t } = useTranslation();
  const devices = useSyncExternalStore(session.devices.subscribe, session.devices.getSnapshot);
  const [view, setView] = useState<View>("picture");
  const readBack = useReadBack(seat.participant_id, devices.speakerId);
  const { hearing } = state;
  if (hearing === null) return null;

  const bench = conducts(seat.role);
  const draft = readsDraft(seat.role);
  const views: View[] = ["picture", ...(bench ? ["people" as const] : []), ...(draft ? ["draft" as const] : [])];
  const waitingCount = hearing.participants.filter(({ presence }) => presence === "waiting").length;
  const mutedByBench = ownView(state)?.muted ?? false;
  const sends = publishes(seat.role);
  const ownLine = state.you === null ? undefined : state.quality.get(state.you);

  return (
    <main className={`room view-${view}`} data-testid="hearing-room" aria-label={t("room.label")}>
      <TopBar state={state} hearing={hearing} />
      <div className="banners">
        {bench && <RecordFaultBanner hearing={hearing} />}
        {hearing.backup_fault && (
          <p className="banner warn" role="status" data-testid="backup-fault">
            <Icon name="warning" />
            {t("bench.backupFault")}
          </p>
        )}
        {state.connection === "reconnecting" && (
          <p className="banner warn" role="alert" data-testid="reconnecting">
            <Icon name="lost" />
            {t("room.reconnecting")}
          </p>
        )}
        {state.connection === "open" && (state.media === "connecting" || state.media === "failed") && (
          <p className="banner info" role="status" data-testid="media-connecting">
            {t("room.mediaReconnecting")}
          </p>
        )}
        {state.soundOnly && (
          <p className="banner warn" role="status" data-testid="sound-only">
            <Icon name="warning" />
            {t("room.soundOnly")}
          </p>
        )}
        {ownLine?.grade === "poor" && !state.soundOnly && (
          <p className="banner warn" role="status" data-testid="poor-line">
            <Icon name="warning" />
            {t("room.poorLine")}
            {ownLine.cause !== null && ` (${t(`line.cause.${ownLine.cause}`)})`}
          </p>
        )}
        {mutedByBench && (
          <p className="banner warn" role="alert" data-testid="muted-by-bench">
            <Icon name="microphoneOff" />
            {t("room.mutedByBench")}
          </p>
        )}
        {sends && devices.microphone.track === null && !devices.microphone.asking && (
          <p className="banner warn" role="alert">
            <Icon name="microphoneOff" />
            {t("room.noMicrophone")}
          </p>
        )}
        {hearing.state === "recess" && <p className="banner info">{t("room.recessNotice")}</p>}
        {hearing.state === "lobby" && <p className="banner info">{t("room.lobbyNotice")}</p>}
        {state.problem !== null && <ProblemBanner session={session} problem={state.problem} />}
      </div>
      <div className={draft ? "room-body with-side" : "room-body"}>
        <PictureWall state={state} hearing={hearing} ownCamera={devices.camera.track} />
        {draft && (
          <aside className="side">
            {bench && <SessionControls session={session} hearing={hearing} />}
            {bench && <PeoplePanel session={session} hearing={hearing} you={state.you} quality={state.quality} />}
            {hearing.record_ms > 0 && <ReadBackPanel control={readBack} session={session} />}
            <DraftPanel
              lines={state.lines}
              guesses={state.guesses}
              draft={state.draft}
              corrections={state.corrections}
              people={hearing.participants}
              language={hearing.language}
              onListen={(ms) => void readBack.open().playFrom(ms)}
              onEdit={
                bench && hearing.state !== "closed"
                  ? async (line, text) => (await session.act({ act: "edit_line", line, text })).error === null
                  : undefined
              }
              onChoose={async (choice) => (await session.act({ act: "choose_correction", ...choice })).error === null}
            />
          </aside>
        )}
      </div>
      {views.length > 1 && (
        <ToggleButtonGroup
          className="view-tabs"
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[view]}
          onSelectionChange={(keys) => {
            const next = views.find((known) => keys.has(known));
            if (next !== undefined) setView(next);
          }}
        >
          {views.map((known) => (
            <ToggleButton key={known} id={known} data-testid={`view-${known}`}>
              <Icon name={VIEW_ICONS[known]} />
              {t(`room.${known}`)}
              {known === "people" && waitingCount > 0 && <span className="count urgent">{waitingCount}</span>}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
      )}
      <ControlBar session={session} publishes={sends} />
      <RoomSound state={state} speakerId={devices.speakerId} />
      <ArrivalAnnouncer hearing={hearing} you={state.you} />
    </main>
  );
}

/** Everybody's sound, apart from the pictures, so that no layout can silence anybody. */
function RoomSound({ state, speakerId }: { state: HearingSnapshot; speakerId: string }) {
  const { t } = useTranslation();
  const [blocked, setBlocked] = useState(false);
  const [attempt, setAttempt] = useState(0);
  const onBlocked = useCallback(() => setBlocked(true), []);
  return (
    <>
      {[...state.streams].map(([participant, { microphone }]) =>
        microphone === undefined || participant === state.you ? null : (
          <StreamAudio key={participant} stream={microphone} speakerId={speakerId} onBlocked={onBlocked} attempt={attempt} />
        ),
      )}
      {blocked && (
        <Button
          className="button primary huge enable-sound"
          data-testid="enable-sound"
          onPress={() => {
            setBlocked(false);
            setAttempt((last) => last + 1);
          }}
        >
          <Icon name="speaker" size={36} />
          {t("room.enableSound")}
        </Button>
      )}
    </>
  );
}
