import { useEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { formatClock } from "../i18n/format";
import type { Language } from "../wire/Language";
import { type FilmFacts, filmUrl, loadFilm } from "./api";

/** One film of the whole session, where the server that shows the package has made one. */
export function RoomFilm({ packageKey, language }: { packageKey: string; language: Language }) {
  const { t } = useTranslation();
  const facts = useFilm(packageKey);
  const video = useRef<HTMLVideoElement>(null);
  if (facts === null) return null;
  const playFrom = (ms: number) => {
    if (video.current === null) return;
    video.current.currentTime = ms / 1000;
    void video.current.play();
  };
  return (
    <section className="room-film" aria-labelledby="room-film-title">
      <h4 id="room-film-title">{t("roomFile.title")}</h4>
      <p>{t("roomFile.derived")}</p>
      <div className="player">
        <video ref={video} src={filmUrl(packageKey, "room.mp4")} controls playsInline preload="metadata" data-testid="room-film">
          <track kind="captions" src={filmUrl(packageKey, "room.vtt")} srcLang={language} label={t("registry.protocol")} default />
        </video>
        <ol className="stages" aria-label={t("player.stages")}>
          {facts.chapters.map(({ at_ms, title }, index) => (
            <li key={index}>
              <button type="button" onClick={() => playFrom(at_ms)}>
                <time>{formatClock(at_ms)}</time> {title}
              </button>
            </li>
          ))}
        </ol>
      </div>
    </section>
  );
}

/** What the film shows when; nothing while there is none. */
function useFilm(packageKey: string): FilmFacts | null {
  const [facts, setFacts] = useState<FilmFacts | null>(null);
  useEffect(() => {
    let shown = true;
    loadFilm(packageKey).then(
      (loaded) => shown && setFacts(loaded),
      // Most packages have none: another server's, or not made yet.
      () => undefined,
    );
    return () => {
      shown = false;
    };
  }, [packageKey]);
  return facts;
}
