import { useEffect, useRef, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Button, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { Icon } from "../components/Icon";
import { formatClock } from "../i18n/format";
import { fileUrl, type Protocol, type ProtocolPerson, type RecordFile } from "./api";
import type { RecordPlayer } from "./RecordPlayer";

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2, 3] as const;
/** One step of the position control by keyboard. */
const SEEK_STEP_MS = 1_000;
const JUMP_MS = 10_000;

type Props = { player: RecordPlayer; packageKey: string; protocol: Protocol };

/** The whole record played together: a picture for each person, one clock for all. */
export function PlayerView({ player, packageKey, protocol }: Props) {
  const { t } = useTranslation();
  const state = useSyncExternalStore(player.subscribe, player.getSnapshot);
  const active = new Set(state.active);
  const people = peopleOfRecord(protocol);
  const speaking = new Set(
    protocol.lines
      .filter(({ start_ms, end_ms }) => start_ms <= state.positionMs && state.positionMs < end_ms)
      .map(({ participant }) => participant),
  );
  return (
    <section className="player" aria-label={t("player.title")} data-testid="player" data-position-ms={Math.round(state.positionMs)} data-playing={state.playing}>
      <div className="player-wall">
        {people.map((person) => (
          <PersonDeck
            key={person.id}
            player={player}
            packageKey={packageKey}
            person={person}
            files={protocol.record.filter(({ participant }) => participant === person.id)}
            active={active}
            speaking={speaking.has(person.id)}
          />
        ))}
      </div>
      <div className="player-controls">
        <Button className="control-small" aria-label={t("player.back10")} onPress={() => player.seek(state.positionMs - JUMP_MS)}>
          <Icon name="returnBack" />
        </Button>
        <Button
          className="control-play"
          data-testid="player-play"
          aria-label={state.playing ? t("player.pause") : t("player.play")}
          onPress={() => (state.playing ? player.pause() : player.play())}
        >
          <Icon name={state.playing ? "pause" : "play"} size={28} />
        </Button>
        <Button className="control-small mirrored" aria-label={t("player.forward10")} onPress={() => player.seek(state.positionMs + JUMP_MS)}>
          <Icon name="returnBack" />
        </Button>
        <p className="player-time" data-testid="player-time">
          {formatClock(state.positionMs)} / {formatClock(state.durationMs)}
        </p>
        <SeekBar player={player} protocol={protocol} />
        <ToggleButtonGroup
          className="rates"
          aria-label={t("player.speed")}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[String(state.rate)]}
          onSelectionChange={(keys) => {
            const rate = RATES.find((known) => keys.has(String(known)));
            if (rate !== undefined) player.setRate(rate);
          }}
        >
          {RATES.map((rate) => (
            <ToggleButton key={rate} id={String(rate)}>
              {`${rate}×`}
            </ToggleButton>
          ))}
        </ToggleButtonGroup>
      </div>
      <p className="player-note" role="status">
        {state.waiting ? t("player.waiting") : state.broken ? t("player.broken") : ""}
      </p>
    </section>
  );
}

type RecordedPerson = { id: string; name: string; role: ProtocolPerson["role"] | null };

/** Everybody who has a file in the record, in the order of those present. */
function peopleOfRecord({ present, record }: Protocol): RecordedPerson[] {
  const recorded = new Map(record.map(({ participant, name }) => [participant, name]));
  const known = present.filter(({ id }) => recorded.delete(id));
  const unlisted = [...recorded].map(([id, name]) => ({ id, name, role: null }));
  return [...known, ...unlisted];
}

function SeekBar({ player, protocol }: { player: RecordPlayer; protocol: Protocol }) {
  const { t } = useTranslation();
  const { positionMs, durationMs } = useSyncExternalStore(player.subscribe, player.getSnapshot);
  return (
    <div className="seek">
      <input
        type="range"
        min={0}
        max={Math.max(1, durationMs)}
        step={SEEK_STEP_MS / 10}
        value={positionMs}
        aria-label={t("player.position")}
        aria-valuetext={formatClock(positionMs)}
        data-testid="player-seek"
        onChange={(event) => player.seek(Number(event.currentTarget.value))}
      />
      {protocol.stages.length > 0 && (
        <ol className="stages" aria-label={t("player.stages")}>
          {protocol.stages.map(({ stage, at_ms }, index) => (
            <li key={index}>
              <button type="button" onClick={() => player.seek(at_ms)}>
                <time>{formatClock(at_ms)}</time> {t(`stage.${stage}`)}
              </button>
            </li>
          ))}
        </ol>
      )}
    </div>
  );
}

type DeckProps = {
  player: RecordPlayer;
  packageKey: string;
  person: RecordedPerson;
  files: readonly RecordFile[];
  active: ReadonlySet<string>;
  speaking: boolean;
};

function PersonDeck({ player, packageKey, person, files, active, speaking }: DeckProps) {
  const { t } = useTranslation();
  const pictured = files.some(({ source, file }) => source !== "microphone" && active.has(file));
  return (
    <figure className={speaking ? "deck speaking" : "deck"} data-testid={`deck-${person.id}`}>
      {!pictured && (
        <div className="no-picture">
          <Icon name="cameraOff" size={32} />
        </div>
      )}
      {files.map((file) => (
        <SegmentElement
          key={file.file}
          player={player}
          src={fileUrl(packageKey, file.playback ?? file.file)}
          file={file}
          shown={active.has(file.file)}
        />
      ))}
      <figcaption>
        {person.role !== null && <span className="tile-role">{t(`role.${person.role}`)}</span>}
        <span className="tile-name">{person.name}</span>
      </figcaption>
    </figure>
  );
}

type SegmentProps = { player: RecordPlayer; src: string; file: RecordFile; shown: boolean };

function SegmentElement({ player, src, file, shown }: SegmentProps) {
  const { t } = useTranslation();
  const element = useRef<HTMLVideoElement & HTMLAudioElement>(null);
  useEffect(() => {
    player.attach(file.file, element.current);
    return () => player.attach(file.file, null);
  }, [player, file.file]);
  const label = `${file.name}, ${t(`source.${file.source}`)}`;
  if (file.source === "microphone") {
    return <audio ref={element} src={src} preload="none" aria-label={label} data-testid={`segment-${file.file}`} />;
  }
  return (
    <video
      ref={element}
      className={shown ? "" : "not-shown"}
      src={src}
      preload="none"
      muted
      playsInline
      aria-label={label}
      data-testid={`segment-${file.file}`}
    />
  );
}
