-- What people write in place of lines of the draft. The machine's own text stays in draft_lines;
-- a line without a text takes the edits before it back.

CREATE TABLE line_edits (
    id        TEXT   NOT NULL PRIMARY KEY,
    hearing   TEXT   NOT NULL REFERENCES hearings (id),
    line      TEXT   NOT NULL REFERENCES draft_lines (id),
    revision  BIGINT NOT NULL,
    text      TEXT,
    editor    TEXT   NOT NULL REFERENCES participants (id),
    edited_us BIGINT NOT NULL,
    UNIQUE (line, revision)
);
CREATE INDEX line_edits_of_hearing ON line_edits (hearing, line, revision);

-- Append-only, in SQLite's own dialect, as 0002. They go with the lines when the hearing's key is
-- destroyed, as in 0004.

CREATE TRIGGER line_edits_are_not_changed BEFORE UPDATE ON line_edits
BEGIN SELECT RAISE(ABORT, 'edits are append-only'); END;

CREATE TRIGGER line_edits_are_not_deleted BEFORE DELETE ON line_edits
WHEN NOT EXISTS (SELECT 1 FROM hearing_keys WHERE hearing = OLD.hearing AND destroyed_us IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'edits are append-only'); END;
