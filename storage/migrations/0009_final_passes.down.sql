DROP TABLE replaced_lines;
DROP TABLE final_passes;
