import { useEffect, useRef, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Icon } from "../components/Icon";
import type { ProtocolLine, RecordFile } from "../registry/api";
import type { RecordPlayer } from "./RecordPlayer";
import type { Voice } from "./VoiceRows";

type Props = {
  player: RecordPlayer;
  people: readonly Voice[];
  files: readonly RecordFile[];
  lines: readonly ProtocolLine[];
  address: (file: RecordFile) => string;
};

/** Pictures and sound of everybody from whole files: a picture for each person. */
export function PlayerWall({ player, people, files, lines, address }: Props) {
  const state = useSyncExternalStore(player.subscribe, player.getSnapshot);
  const active = new Set(state.active);
  const speaking = new Set(
    lines
      .filter(({ start_ms, end_ms }) => start_ms <= state.positionMs && state.positionMs < end_ms)
      .map(({ participant }) => participant),
  );
  return (
    <div className="player-wall">
      {people.map((person) => (
        <PersonDeck
          key={person.id}
          player={player}
          person={person}
          files={files.filter(({ participant }) => participant === person.id)}
          address={address}
          active={active}
          speaking={speaking.has(person.id)}
        />
      ))}
    </div>
  );
}

type DeckProps = Pick<Props, "player" | "files" | "address"> & {
  person: Voice;
  active: ReadonlySet<string>;
  speaking: boolean;
};

function PersonDeck({ player, person, files, address, active, speaking }: DeckProps) {
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
        <SegmentElement key={file.file} player={player} src={address(file)} file={file} shown={active.has(file.file)} />
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
