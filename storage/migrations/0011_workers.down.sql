DROP INDEX draft_lines_of_segment;
DROP TABLE draft_guesses;
DROP TABLE workers;
