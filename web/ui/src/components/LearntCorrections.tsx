import { useState } from "react";
import { useTranslation } from "react-i18next";
import type { CorrectionChoice } from "../wire/CorrectionChoice";
import type { LearntCorrection } from "../wire/LearntCorrection";

type Props = {
  corrections: readonly LearntCorrection[];
  /** Applies an entry to new lines, or no longer; whether that was done. */
  onChoose: (choice: CorrectionChoice) => Promise<boolean>;
};

/** What the court's dictionary learnt of corrected lines: which of it is written by itself. */
export function LearntCorrections({ corrections, onChoose }: Props) {
  const { t } = useTranslation();
  if (corrections.length === 0) return null;
  return (
    <details className="learnt" data-testid="learnt">
      <summary>
        {t("draft.learnt.title")} <span className="count">{corrections.length}</span>
      </summary>
      <p className="quiet">{t("draft.learnt.hint")}</p>
      <ul>
        {corrections.map((correction) => (
          <Entry
            key={`${correction.language} ${correction.heard} ${correction.written}`}
            correction={correction}
            onChoose={onChoose}
          />
        ))}
      </ul>
    </details>
  );
}

type EntryProps = { correction: LearntCorrection; onChoose: Props["onChoose"] };

function Entry({ correction: { language, heard, written, lines, applied }, onChoose }: EntryProps) {
  const { t } = useTranslation();
  const [choosing, setChoosing] = useState(false);
  const choose = async (wanted: boolean) => {
    setChoosing(true);
    await onChoose({ language, heard, written, applied: wanted });
    setChoosing(false);
  };
  return (
    <li data-testid={`learnt-${heard}`}>
      <label className="learnt-entry">
        <input
          type="checkbox"
          checked={applied}
          disabled={choosing}
          onChange={(event) => void choose(event.currentTarget.checked)}
        />
        <span lang={language}>
          {heard} → <b>{written}</b>
        </span>
        <span className="quiet">{t("draft.learnt.lines", { lines })}</span>
      </label>
    </li>
  );
}
