import { useMemo } from "react";
import { useTranslation } from "react-i18next";
import { type HearingSnapshot, interpretedBy, peopleInRoom, stagedParticipant } from "../call/hearingState";
import type { RemoteStreams } from "../call/MediaSession";
import type { HearingView } from "../wire/HearingView";
import type { ParticipantView } from "../wire/ParticipantView";
import { Icon } from "./Icon";
import { StreamVideo } from "./MediaElements";

type Props = { state: HearingSnapshot; hearing: HearingView; ownCamera: MediaStreamTrack | null };

/** Everybody in the room: one large on the stage, the others as tiles. */
export function PictureWall({ state, hearing, ownCamera }: Props) {
  const { t } = useTranslation();
  const own = useMemo(() => (ownCamera === null ? undefined : new MediaStream([ownCamera])), [ownCamera]);
  const room = peopleInRoom(hearing);
  const staged = stagedParticipant(state);
  const speaking = new Set(state.speaking);
  return (
    <section className={room.length > 1 ? "wall" : "wall alone"} tabIndex={0} aria-label={t("room.stage")}>
      {room.map((person) => {
        const isYou = person.id === state.you;
        const streams: RemoteStreams = isYou ? { camera: own } : (state.streams.get(person.id) ?? {});
        return (
          <Tile
            key={person.id}
            person={person}
            interpreted={interpretedBy(hearing, person)}
            isYou={isYou}
            streams={streams}
            staged={person.id === staged}
            speaking={speaking.has(person.id)}
          />
        );
      })}
      {room.length === 1 && <p className="wall-note">{t("room.alone")}</p>}
    </section>
  );
}

type TileProps = {
  person: ParticipantView;
  /** For whom they interpret. */
  interpreted: ParticipantView | undefined;
  isYou: boolean;
  streams: RemoteStreams;
  staged: boolean;
  speaking: boolean;
};

function Tile({ person, interpreted, isYou, streams, staged, speaking }: TileProps) {
  const { t } = useTranslation();
  const screen = streams.screen;
  const picture = screen ?? (person.camera || isYou ? streams.camera : undefined);
  const lost = person.presence === "disconnected";
  const silent = person.muted || !person.microphone;
  const classes = ["tile", staged ? "staged" : "", speaking ? "speaking" : "", lost ? "lost" : ""];
  return (
    <figure className={classes.filter(Boolean).join(" ")} data-testid={`tile-${person.id}`} data-speaking={speaking}>
      {picture === undefined || lost ? (
        <div className="no-picture">
          <Icon name={lost ? "lost" : "cameraOff"} size={40} />
          <span>{lost ? t("room.lost") : t("room.camOff")}</span>
        </div>
      ) : (
        <StreamVideo
          stream={picture}
          mirrored={isYou}
          label={screen === undefined ? person.name : t("room.screenOf", { name: person.name })}
        />
      )}
      <figcaption>
        <span className="tile-role">{t(`role.${person.role}`)}</span>
        <span className="tile-name">
          {person.name}
          {isYou && <em>{t("room.you")}</em>}
        </span>
        {interpreted !== undefined && (
          <span data-testid={`tile-interprets-${person.id}`}>
            {t("room.interpretsFor")}: {interpreted.name}
          </span>
        )}
        <span className="tile-place">{t(`place.${person.place}`)}</span>
      </figcaption>
      <span className="tile-signs">
        {silent && (
          <span className="tile-sign" title={person.muted ? t("room.mutedTag") : t("room.micOff")}>
            <Icon name="microphoneOff" size={18} />
            <span className="visually-hidden">{person.muted ? t("room.mutedTag") : t("room.micOff")}</span>
          </span>
        )}
        {speaking && <span className="visually-hidden">{t("room.speaking")}</span>}
      </span>
    </figure>
  );
}
