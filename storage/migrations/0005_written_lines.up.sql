-- Which words of a line a protocol writes otherwise than they were spoken. The machine's own text
-- stays beside them. Lines from before have none.

ALTER TABLE draft_lines ADD COLUMN written TEXT NOT NULL DEFAULT '[]';
