-- The one part in SQLite's own dialect: what is written here once is never changed, whoever asks.

CREATE TRIGGER events_are_not_changed BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER events_are_not_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER events_have_no_gap BEFORE INSERT ON events
WHEN NEW.seq <> (SELECT COALESCE(MAX(seq), 0) + 1 FROM events WHERE hearing = NEW.hearing)
BEGIN SELECT RAISE(ABORT, 'events are append-only'); END;

CREATE TRIGGER draft_lines_are_not_changed BEFORE UPDATE ON draft_lines
BEGIN SELECT RAISE(ABORT, 'the text of the machine is never overwritten'); END;

CREATE TRIGGER draft_lines_are_not_deleted BEFORE DELETE ON draft_lines
BEGIN SELECT RAISE(ABORT, 'the text of the machine is never overwritten'); END;

CREATE TRIGGER packages_are_not_changed BEFORE UPDATE ON registry_packages
BEGIN SELECT RAISE(ABORT, 'a package that was received is never changed'); END;

CREATE TRIGGER packages_are_not_deleted BEFORE DELETE ON registry_packages
BEGIN SELECT RAISE(ABORT, 'a package that was received is never changed'); END;
