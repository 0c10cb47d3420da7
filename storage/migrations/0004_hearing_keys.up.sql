-- The key of each hearing, wrapped by the master key: the same line as in the hearing's folder.
-- When the key is destroyed, the line says so instead.

CREATE TABLE hearing_keys (
    hearing      TEXT NOT NULL PRIMARY KEY REFERENCES hearings (id),
    wrapped      TEXT NOT NULL,
    destroyed_us BIGINT
);

-- Who agreed that a hearing's key be destroyed.
CREATE TABLE key_approvals (
    hearing     TEXT   NOT NULL REFERENCES hearings (id),
    person      TEXT   NOT NULL,
    approved_us BIGINT NOT NULL,
    PRIMARY KEY (hearing, person)
);

-- In SQLite's own dialect, as 0002. A key changes once, when it is destroyed, and what was said in
-- the hearing goes with it.

CREATE TRIGGER hearing_keys_are_not_deleted BEFORE DELETE ON hearing_keys
BEGIN SELECT RAISE(ABORT, 'a key is destroyed, not deleted'); END;

CREATE TRIGGER hearing_keys_change_once BEFORE UPDATE ON hearing_keys
WHEN OLD.destroyed_us IS NOT NULL OR NEW.destroyed_us IS NULL OR NEW.hearing <> OLD.hearing
BEGIN SELECT RAISE(ABORT, 'a key is destroyed, not changed'); END;

CREATE TRIGGER key_approvals_are_not_changed BEFORE UPDATE ON key_approvals
BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END;

CREATE TRIGGER key_approvals_are_not_deleted BEFORE DELETE ON key_approvals
BEGIN SELECT RAISE(ABORT, 'approvals are append-only'); END;

DROP TRIGGER draft_lines_are_not_deleted;
CREATE TRIGGER draft_lines_are_not_deleted BEFORE DELETE ON draft_lines
WHEN NOT EXISTS (SELECT 1 FROM hearing_keys WHERE hearing = OLD.hearing AND destroyed_us IS NOT NULL)
BEGIN SELECT RAISE(ABORT, 'the text of the machine is never overwritten'); END;
