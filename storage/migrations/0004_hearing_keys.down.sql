DROP TRIGGER draft_lines_are_not_deleted;
CREATE TRIGGER draft_lines_are_not_deleted BEFORE DELETE ON draft_lines
BEGIN SELECT RAISE(ABORT, 'the text of the machine is never overwritten'); END;
DROP TABLE key_approvals;
DROP TABLE hearing_keys;
