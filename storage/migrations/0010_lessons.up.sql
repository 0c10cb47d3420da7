-- What the courts' dictionaries learn of the edits of lines: for each line what its last edit teaches. It
-- follows from draft_lines and line_edits, and is made anew with each edit.

CREATE TABLE lessons (
    hearing  TEXT    NOT NULL REFERENCES hearings (id),
    line     TEXT    NOT NULL REFERENCES draft_lines (id),
    language TEXT    NOT NULL,
    heard    TEXT    NOT NULL,
    written  TEXT    NOT NULL,
    is_name  BOOLEAN NOT NULL,
    PRIMARY KEY (line, heard, written)
);
CREATE INDEX lessons_of_hearing ON lessons (hearing);

-- What people decided about entries of these dictionaries. The latest counts.
CREATE TABLE correction_choices (
    id        TEXT    NOT NULL PRIMARY KEY,
    hearing   TEXT    NOT NULL REFERENCES hearings (id),
    language  TEXT    NOT NULL,
    heard     TEXT    NOT NULL,
    written   TEXT    NOT NULL,
    applied   BOOLEAN NOT NULL,
    chooser   TEXT    NOT NULL REFERENCES participants (id),
    chosen_us BIGINT  NOT NULL
);
CREATE INDEX correction_choices_of_hearing ON correction_choices (hearing);
