-- The Merkle log of each hearing: which lines became leaves in which order, and what was signed.
-- The lines themselves are in `events` and in the record's files, and nowhere else.

CREATE TABLE log_runs (
    hearing    TEXT   NOT NULL REFERENCES hearings (id),
    first_leaf BIGINT NOT NULL,
    source     TEXT   NOT NULL,
    first_line BIGINT NOT NULL,
    lines      BIGINT NOT NULL CHECK (lines > 0),
    PRIMARY KEY (hearing, first_leaf)
);

CREATE TABLE checkpoints (
    hearing TEXT   NOT NULL REFERENCES hearings (id),
    size    BIGINT NOT NULL,
    note    TEXT   NOT NULL,
    PRIMARY KEY (hearing, size)
);

-- Append-only, in SQLite's own dialect, as 0002.

CREATE TRIGGER log_runs_are_not_changed BEFORE UPDATE ON log_runs
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER log_runs_are_not_deleted BEFORE DELETE ON log_runs
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER log_runs_have_no_gap BEFORE INSERT ON log_runs
WHEN NEW.first_leaf <> COALESCE((SELECT first_leaf + lines FROM log_runs WHERE hearing = NEW.hearing ORDER BY first_leaf DESC LIMIT 1), 0)
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER checkpoints_are_not_changed BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER checkpoints_are_not_deleted BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER checkpoints_are_over_all_leaves_once BEFORE INSERT ON checkpoints
WHEN NEW.size <> COALESCE((SELECT first_leaf + lines FROM log_runs WHERE hearing = NEW.hearing ORDER BY first_leaf DESC LIMIT 1), 0)
  OR EXISTS (SELECT 1 FROM checkpoints WHERE hearing = NEW.hearing AND size = NEW.size)
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
