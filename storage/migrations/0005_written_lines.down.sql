ALTER TABLE draft_lines DROP COLUMN written;
