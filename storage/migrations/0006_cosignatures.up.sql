-- The signatures of witnesses under the checkpoints of a hearing's log: further lines of the notes.

CREATE TABLE cosignatures (
    hearing TEXT   NOT NULL,
    size    BIGINT NOT NULL,
    witness TEXT   NOT NULL,
    line    TEXT   NOT NULL,
    PRIMARY KEY (hearing, size, witness),
    FOREIGN KEY (hearing, size) REFERENCES checkpoints (hearing, size)
);

-- Append-only, in SQLite's own dialect, as 0002.

CREATE TRIGGER cosignatures_are_not_changed BEFORE UPDATE ON cosignatures
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;

CREATE TRIGGER cosignatures_are_not_deleted BEFORE DELETE ON cosignatures
BEGIN SELECT RAISE(ABORT, 'the log is append-only'); END;
