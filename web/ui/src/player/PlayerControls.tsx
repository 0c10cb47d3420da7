import { type KeyboardEvent, type ReactNode, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { Button, ToggleButton, ToggleButtonGroup } from "react-aria-components";
import { Icon } from "../components/Icon";
import { formatClock } from "../i18n/format";
import type { Stage } from "../wire/Stage";
import type { RecordPlayer } from "./RecordPlayer";
import type { View } from "./waveform";

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 2, 3] as const;
/** One step of the position control by keyboard. */
const SEEK_STEP_MS = 1_000;
const JUMP_MS = 10_000;
/** Keys by their place, since Kazakh and Russian layouts have other letters there. */
const KEYS = { KeyJ: "back", KeyK: "toggle", KeyL: "forward" } as const;

type Props = {
  player: RecordPlayer;
  /** The part of the record in which the position can be chosen; all of it without. */
  view?: View;
  onPlay?: () => void;
  onPause?: () => void;
  stages?: readonly { stage: Stage; at_ms: number }[];
  children?: ReactNode;
};

/** Plays, stops, seeks and sets the speed; `children` stand above, and the keys work there too. */
export function PlayerControls({ player, view, onPlay, onPause, stages = [], children }: Props) {
  const { t } = useTranslation();
  const state = useSyncExternalStore(player.subscribe, player.getSnapshot);
  const { positionMs, durationMs, playing } = state;
  const toggle = () => (playing ? (onPause ?? (() => player.pause()))() : (onPlay ?? (() => player.play()))());
  const act = { back: () => player.seek(positionMs - JUMP_MS), toggle, forward: () => player.seek(positionMs + JUMP_MS) };
  const keyPressed = (event: KeyboardEvent) => {
    const known = KEYS[event.code as keyof typeof KEYS] as (typeof KEYS)[keyof typeof KEYS] | undefined;
    if (known !== undefined && !event.ctrlKey && !event.metaKey && !event.altKey) act[known]();
  };
  return (
    <section
      className="player"
      aria-label={t("player.title")}
      aria-keyshortcuts="J K L"
      data-testid="player"
      data-position-ms={Math.round(positionMs)}
      data-playing={playing}
      onKeyDown={keyPressed}
    >
      {children}
      <div className="player-controls">
        <Button className="control-small" aria-label={t("player.back10")} onPress={act.back}>
          <Icon name="returnBack" />
        </Button>
        <Button
          className="control-play"
          data-testid="player-play"
          aria-label={playing ? t("player.pause") : t("player.play")}
          onPress={toggle}
        >
          <Icon name={playing ? "pause" : "play"} size={28} />
        </Button>
        <Button className="control-small mirrored" aria-label={t("player.forward10")} onPress={act.forward}>
          <Icon name="returnBack" />
        </Button>
        <p className="player-time" data-testid="player-time">
          {formatClock(positionMs)} / {formatClock(durationMs)}
        </p>
        <div className="seek">
          <input
            type="range"
            min={view?.fromMs ?? 0}
            max={Math.max(1, view?.toMs ?? durationMs)}
            step={SEEK_STEP_MS / 10}
            value={positionMs}
            aria-label={t("player.position")}
            aria-valuetext={formatClock(positionMs)}
            data-testid="player-seek"
            onChange={(event) => player.seek(Number(event.currentTarget.value))}
          />
          {stages.length > 0 && (
            <ol className="stages" aria-label={t("player.stages")}>
              {stages.map(({ stage, at_ms }, index) => (
                <li key={index}>
                  <button type="button" onClick={() => player.seek(at_ms)}>
                    <time>{formatClock(at_ms)}</time> {t(`stage.${stage}`)}
                  </button>
                </li>
              ))}
            </ol>
          )}
        </div>
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
            <ToggleButton key={rate} id={String(rate)} data-testid={`rate-${rate}`}>
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
