DROP TABLE correction_choices;
DROP TABLE lessons;
