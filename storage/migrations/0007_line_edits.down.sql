DROP TABLE line_edits;
