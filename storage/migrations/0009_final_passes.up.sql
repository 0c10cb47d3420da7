-- What was heard again after a hearing, with more time than there was while it lasted: which files
-- of the record, with which model, and which lines of the draft gave way. Those stay where they are:
-- the text of the machine is never overwritten.

CREATE TABLE final_passes (
    hearing      TEXT   NOT NULL REFERENCES hearings (id),
    segment      TEXT   NOT NULL,
    model        TEXT   NOT NULL,
    model_sha256 TEXT   NOT NULL,
    PRIMARY KEY (hearing, segment)
);

CREATE TABLE replaced_lines (
    line    TEXT NOT NULL PRIMARY KEY REFERENCES draft_lines (id),
    hearing TEXT NOT NULL REFERENCES hearings (id)
);
CREATE INDEX replaced_lines_of_hearing ON replaced_lines (hearing);

-- Append-only, in SQLite's own dialect, as 0002, until the hearing's key is destroyed (0004).

CREATE TRIGGER final_passes_are_not_changed BEFORE UPDATE ON final_passes
BEGIN SELECT RAISE(ABORT, 'final passes are append-only'); END;

CREATE TRIGGER final_passes_are_not_deleted BEFORE DELETE ON final_passes
BEGIN SELECT RAISE(ABORT, 'final passes are append-only'); END;

CREATE TRIGGER replaced_lines_are_not_changed BEFORE UPDATE ON replaced_lines
BEGIN SELECT RAISE(ABORT, 'what a final pass replaced is append-only'); END;

CREATE TRIGGER replaced_lines_are_not_deleted BEFORE DELETE ON replaced_lines
WHEN NOT EXISTS (SELECT 1 FROM hearing_keys WHERE hearing = OLD.hearing AND destroyed_us IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'what a final pass replaced is append-only'); END;
