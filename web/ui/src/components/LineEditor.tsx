import { useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, Label, TextArea, TextField } from "react-aria-components";
import type { DraftLine } from "../wire/DraftLine";

/** The longest text that the server takes (`MAX_EDIT_CHARS`). */
const LONGEST = 4_000;

type Props = {
  line: DraftLine;
  /** What the line says now. */
  text: string;
  /** Puts a text in place of the machine's, or the machine's back; whether that was done. */
  onSave: (text: string | null) => Promise<boolean>;
  onClose: () => void;
};

/** Where a line of the draft is corrected. What was written stays there when it cannot be saved. */
export function LineEditor({ line, text: shown, onSave, onClose }: Props) {
  const { t } = useTranslation();
  const [text, setText] = useState(shown);
  const [saving, setSaving] = useState(false);

  const save = async (wanted: string | null) => {
    setSaving(true);
    const saved = await onSave(wanted);
    setSaving(false);
    if (saved) onClose();
  };

  const sayable = text.trim() !== "" && !saving;
  return (
    <form
      className="line-editor"
      onSubmit={(event) => {
        event.preventDefault();
        if (sayable) void save(text);
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <TextField className="field" value={text} onChange={setText} maxLength={LONGEST} autoFocus>
        <Label className="visually-hidden">{t("draft.edit.text")}</Label>
        <TextArea
          lang={line.language}
          rows={3}
          data-testid="edited-text"
          onKeyDown={(event) => {
            // A line is one paragraph; while a word is being composed, Enter is part of it.
            if (event.key !== "Enter" || event.nativeEvent.isComposing) return;
            event.preventDefault();
            event.currentTarget.form?.requestSubmit();
          }}
        />
      </TextField>
      <div className="line-editor-buttons">
        <Button className="button primary small" type="submit" isDisabled={!sayable} data-testid="save-edit">
          {t("draft.edit.save")}
        </Button>
        <Button className="button small" onPress={onClose}>
          {t("room.cancel")}
        </Button>
        {typeof line.edited?.text === "string" && (
          <Button className="button small" isDisabled={saving} data-testid="undo-edit" onPress={() => void save(null)}>
            {t("draft.edit.undo")}
          </Button>
        )}
      </div>
    </form>
  );
}
