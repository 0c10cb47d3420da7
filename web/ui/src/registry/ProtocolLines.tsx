import { useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import { useTranslation } from "react-i18next";
import { LineLanguage } from "../components/LineLanguage";
import { LineText } from "../components/LineText";
import { formatClock } from "../i18n/format";
import type { ProtocolLine } from "./api";
import type { RecordPlayer } from "../player/RecordPlayer";
import type { Language } from "../wire/Language";

type Props = {
  player: RecordPlayer;
  lines: readonly ProtocolLine[];
  /** Language of the proceedings. */
  language: Language;
  onPlay: (ms: number) => void;
};

/** The lines of the protocol; a press plays from there, the one being spoken stands out. */
export function ProtocolLines({ player, lines, language, onPlay }: Props) {
  const { t } = useTranslation();
  const { positionMs, playing } = useSyncExternalStore(player.subscribe, player.getSnapshot);
  const list = useRef<HTMLOListElement>(null);
  const ordered = useMemo(() => [...lines].sort((a, b) => a.start_ms - b.start_ms), [lines]);
  const current = ordered.findLast(({ start_ms, end_ms }) => start_ms <= positionMs && positionMs < end_ms)?.id;

  useEffect(() => {
    const box = list.current;
    if (!playing || current === undefined || box === null) return;
    const line = box.querySelector<HTMLElement>("[data-current='true']");
    if (line === null) return;
    // Scrolls the list only; scrollIntoView would move the whole page under the reader.
    const top = line.offsetTop - box.offsetTop;
    if (top < box.scrollTop || top + line.offsetHeight > box.scrollTop + box.clientHeight) {
      box.scrollTop = top - box.clientHeight / 3;
    }
  }, [current, playing]);

  return (
    <section className="protocol-lines" aria-label={t("registry.protocol")}>
      <h4>{t("registry.protocol")}</h4>
      {ordered.length === 0 && <p>{t("registry.noLines")}</p>}
      <ol className="lines" ref={list}>
        {ordered.map((line) => (
          <li
            key={line.id}
            className={line.id === current ? "line current" : "line"}
            data-current={line.id === current}
            data-testid={`line-${line.id}`}
            data-participant={line.participant}
            data-start-ms={line.start_ms}
          >
            <button
              type="button"
              className="line-button"
              aria-label={t("registry.playLine", { time: formatClock(line.start_ms) })}
              onClick={() => onPlay(line.start_ms)}
            >
              <time>{formatClock(line.start_ms)}</time>
            </button>
            <div
              className="line-body"
              onClick={() => {
                // Selecting words to copy them is not a wish to hear them.
                if (window.getSelection()?.isCollapsed ?? true) onPlay(line.start_ms);
              }}
            >
              <p className="line-head">
                <strong>{line.name}</strong>
                <span>{t(`role.${line.role}`)}</span>
                {line.interprets !== undefined && (
                  <b className="tag">{t("draft.interpretation", { name: line.interprets.name })}</b>
                )}
                <LineLanguage language={line.language} proceedings={language} />
                {line.edited !== undefined && <b className="tag">{t("draft.edit.edited", { name: line.edited.name })}</b>}
                {line.weak && line.edited === undefined && (
                  <b className="tag warn" title={t("draft.weakHint")}>
                    {t("draft.weak")}
                  </b>
                )}
              </p>
              <LineText line={line} />
            </div>
          </li>
        ))}
      </ol>
    </section>
  );
}
