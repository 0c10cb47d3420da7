import { useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { ToggleButton, ToggleButtonGroup } from "react-aria-components";
import type { Role } from "../wire/Role";
import type { RecordPlayer } from "./RecordPlayer";
import { type Levels, outline, type View, waveform } from "./waveform";

/** Lines of a waveform, and their height, in units of its own. */
const BINS = 240;
const HEIGHT = 24;
/** The choice of everybody; people's ids are UUIDs. */
const ROOM = "room";

export type Voice = { id: string; name: string; role: Role | null };

type Props = {
  player: RecordPlayer;
  voices: readonly Voice[];
  /** How loud each person is, and the part of the record that is shown; no waveforms without. */
  heard?: { levels: ReadonlyMap<string, Levels & { person: string }>; view: View };
  onChoose: (person: string | null) => void;
};

/** A row for each person: choose whom to hear, and see when they spoke. */
export function VoiceRows({ player, voices, heard, onChoose }: Props) {
  const { t } = useTranslation();
  const { person } = useSyncExternalStore(player.subscribe, player.getSnapshot);
  return (
    <ToggleButtonGroup
      className="voices"
      aria-label={t("player.voices")}
      orientation="vertical"
      selectionMode="single"
      disallowEmptySelection
      selectedKeys={[person ?? ROOM]}
      onSelectionChange={(keys) => {
        const [chosen] = keys;
        onChoose(chosen === undefined || chosen === ROOM ? null : String(chosen));
      }}
    >
      <ToggleButton id={ROOM} className="voice-name" data-testid="voice-room">
        {t("player.room")}
      </ToggleButton>
      {voices.map(({ id, name, role }) => (
        <div key={id} className="voice">
          <ToggleButton id={id} className="voice-name" data-testid={`voice-${id}`}>
            {role !== null && <span className="tile-role">{t(`role.${role}`)}</span>}
            <span className="tile-name">{name}</span>
          </ToggleButton>
          {heard !== undefined && (
            <Waveform
              player={player}
              view={heard.view}
              files={[...heard.levels.values()].filter((file) => file.person === id)}
            />
          )}
        </div>
      ))}
    </ToggleButtonGroup>
  );
}

/** When and how loud somebody spoke. A press of the mouse plays from there; keys have the position below. */
function Waveform({ player, view, files }: { player: RecordPlayer; view: View; files: readonly Levels[] }) {
  const { positionMs } = useSyncExternalStore(player.subscribe, player.getSnapshot);
  const values = waveform(files, view, BINS);
  const lengthMs = Math.max(1, view.toMs - view.fromMs);
  const at = ((positionMs - view.fromMs) / lengthMs) * BINS;
  return (
    <svg
      className="waveform"
      viewBox={`0 0 ${BINS} ${HEIGHT}`}
      preserveAspectRatio="none"
      aria-hidden="true"
      data-loudest={Math.max(0, ...values.map((value) => value ?? 0)).toFixed(2)}
      onClick={(event) => {
        const { left, width } = event.currentTarget.getBoundingClientRect();
        player.seek(view.fromMs + ((event.clientX - left) / width) * lengthMs);
      }}
    >
      <path d={outline(values, HEIGHT)} />
      <line className="playhead" x1={at} x2={at} y1={0} y2={HEIGHT} />
    </svg>
  );
}
