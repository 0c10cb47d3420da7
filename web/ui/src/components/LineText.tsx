import { Fragment, useState } from "react";
import { useTranslation } from "react-i18next";
import { ToggleButton } from "react-aria-components";
import { piecesOf } from "../call/writtenLine";
import type { DraftLine } from "../wire/DraftLine";
import type { WrittenWords } from "../wire/WrittenWords";

type Props = {
  line: Pick<DraftLine, "language" | "words"> & {
    written?: readonly WrittenWords[];
    edited?: { text: string | null } | null;
  };
};

/** What a line says: as a person corrected it or as a protocol writes it, or as it was heard, with doubtful words marked. */
export function LineText({ line: { language, words, written = [], edited } }: Props) {
  const { t } = useTranslation();
  const [asHeard, setAsHeard] = useState(false);
  const correction = edited?.text ?? null;
  return (
    <p className="line-text">
      <span lang={language}>
        {correction !== null && !asHeard ? correction : piecesOf(words, asHeard ? [] : written).map(({ text, spoken, doubtful }, index) => {
          const hints = [spoken !== undefined && t("draft.heard", { words: spoken }), doubtful && t("draft.lowWord")];
          const title = hints.filter((hint) => hint !== false).join("; ");
          return (
            <Fragment key={index}>
              {index > 0 && " "}
              {doubtful ? (
                <u className="doubtful" title={title}>
                  {text}
                </u>
              ) : (
                <span title={title || undefined}>{text}</span>
              )}
            </Fragment>
          );
        })}
      </span>
      {(written.length > 0 || correction !== null) && (
        <ToggleButton className="as-heard" isSelected={asHeard} onChange={setAsHeard}>
          {t("draft.asHeard")}
        </ToggleButton>
      )}
    </p>
  );
}
