-- Recognisers in processes of their own (`otyrys worker`). Which files of the record they read are jobs
-- of the kind `draft`.

CREATE TABLE workers (
    id           TEXT   NOT NULL PRIMARY KEY,
    model        TEXT   NOT NULL,
    model_sha256 TEXT   NOT NULL,
    waiting_ms   BIGINT NOT NULL,
    seen_us      BIGINT NOT NULL
);

-- What somebody is saying in such a file. It is gone when they have said it.
CREATE TABLE draft_guesses (
    segment     TEXT   NOT NULL PRIMARY KEY,
    hearing     TEXT   NOT NULL REFERENCES hearings (id),
    participant TEXT   NOT NULL REFERENCES participants (id),
    guess       TEXT   NOT NULL,
    guessed_us  BIGINT NOT NULL
);

CREATE INDEX draft_lines_of_segment ON draft_lines (segment, start_ms);
