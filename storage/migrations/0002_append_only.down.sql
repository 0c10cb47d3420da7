DROP TRIGGER packages_are_not_deleted;
DROP TRIGGER packages_are_not_changed;
DROP TRIGGER draft_lines_are_not_deleted;
DROP TRIGGER draft_lines_are_not_changed;
DROP TRIGGER events_have_no_gap;
DROP TRIGGER events_are_not_deleted;
DROP TRIGGER events_are_not_changed;
