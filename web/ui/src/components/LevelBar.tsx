import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Meter } from "react-aria-components";
import { meterLevel } from "../call/LevelMeter";
import { Icon } from "./Icon";

/** From this part of the bar on it counts as a voice, above the hum of a room. */
const VOICE_LEVEL = 0.35;

/** How loud the microphone is now, and whether a voice was ever heard. */
export function LevelBar({ track }: { track: MediaStreamTrack }) {
  const { t } = useTranslation();
  const [level, setLevel] = useState(0);
  const [heard, setHeard] = useState(false);
  const fill = useRef<HTMLDivElement>(null);

  useEffect(
    () =>
      meterLevel(track, (now) => {
        // Ten times a second is enough for React; the bar itself follows every reading.
        if (fill.current !== null) fill.current.style.transform = `scaleX(${now})`;
        setLevel(Math.round(now * 10) / 10);
        if (now >= VOICE_LEVEL) setHeard(true);
      }),
    [track],
  );

  return (
    <div className="level">
      <Meter className="level-meter" aria-label={t("selftest.level")} value={level * 100}>
        <div className="level-track">
          <div className="level-fill" ref={fill} />
        </div>
      </Meter>
      <p className={heard ? "level-word ok" : "level-word"} role="status">
        {heard && <Icon name="check" />}
        {heard ? t("selftest.heard") : t("selftest.notYet")}
      </p>
    </div>
  );
}
