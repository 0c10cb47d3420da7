import { useTranslation } from "react-i18next";
import { type HearingSnapshot, recordClock } from "../call/hearingState";
import { formatClock } from "../i18n/format";
import type { HearingView } from "../wire/HearingView";
import { Icon } from "./Icon";
import { LanguageSwitch } from "./LanguageSwitch";
import { useNow } from "./useNow";

/** Which hearing this is, where it stands, and whether it is being recorded. */
export function TopBar({ state, hearing }: { state: HearingSnapshot; hearing: HearingView }) {
  const { t } = useTranslation();
  return (
    <header className="top-bar">
      <div className="top-names">
        <Icon name="emblem" size={28} />
        <div>
          <h1>
            {hearing.court}, {hearing.courtroom}
          </h1>
          <p>
            <strong>{hearing.case_number}</strong> {hearing.case_title}
          </p>
        </div>
      </div>
      <p className="top-state" data-testid="hearing-state" data-state={hearing.state}>
        {t(`state.${hearing.state}`)}
        {hearing.stage !== null && <span className="top-stage">{t(`stage.${hearing.stage}`)}</span>}
      </p>
      <RecordIndicator state={state} hearing={hearing} />
      <LanguageSwitch />
    </header>
  );
}

function RecordIndicator({ state, hearing }: { state: HearingSnapshot; hearing: HearingView }) {
  const { t } = useTranslation();
  const now = useNow(250, hearing.on_record);
  // What the server said last need not be true any more while the line is down.
  const known = state.connection === "open";
  const on = hearing.on_record && known;
  return (
    <p className={on ? "rec on" : known ? "rec off" : "rec unknown"} data-testid="rec-indicator" data-on={on}>
      <span className="rec-dot" />
      <span role="status">{on ? t("room.recording") : known ? t("room.notRecording") : t("room.recordUnknown")}</span>
      {on && (
        <time className="rec-clock" aria-label={t("room.recordClock")}>
          {formatClock(recordClock(state, now))}
        </time>
      )}
    </p>
  );
}
