-- Plain SQL that SQLite and PostgreSQL both take: identifiers and digests are TEXT, times are
-- microseconds since 1970 in BIGINT, JSON is TEXT that only the code above reads.

CREATE TABLE hearings (
    id             TEXT    NOT NULL PRIMARY KEY,
    case_number    TEXT    NOT NULL,
    case_title     TEXT    NOT NULL,
    court          TEXT    NOT NULL,
    court_names    TEXT    NOT NULL,
    courtroom      TEXT    NOT NULL,
    language       TEXT    NOT NULL,
    scheduled_us   BIGINT  NOT NULL,
    offset_seconds INTEGER NOT NULL,
    closed_us      BIGINT,
    state          TEXT
);

CREATE TABLE participants (
    id       TEXT    NOT NULL PRIMARY KEY,
    hearing  TEXT    NOT NULL REFERENCES hearings (id),
    name     TEXT    NOT NULL,
    role     TEXT    NOT NULL,
    place    TEXT    NOT NULL,
    language TEXT    NOT NULL,
    ordinal  INTEGER NOT NULL
);
CREATE INDEX participants_of_hearing ON participants (hearing, ordinal);

-- Only the SHA-256 of a token is kept: who reads the database cannot join a hearing with it.
CREATE TABLE invitations (
    token_hash  TEXT   NOT NULL PRIMARY KEY,
    participant TEXT   NOT NULL REFERENCES participants (id),
    created_us  BIGINT NOT NULL,
    replaced_us BIGINT
);
CREATE UNIQUE INDEX one_current_invitation ON invitations (participant) WHERE replaced_us IS NULL;

CREATE TABLE seats (
    participant TEXT   NOT NULL PRIMARY KEY REFERENCES participants (id),
    secret_hash TEXT   NOT NULL,
    client      TEXT   NOT NULL,
    taken_us    BIGINT NOT NULL
);

CREATE TABLE events (
    hearing TEXT   NOT NULL REFERENCES hearings (id),
    seq     BIGINT NOT NULL,
    kind    TEXT   NOT NULL,
    hash    TEXT   NOT NULL,
    line    TEXT   NOT NULL,
    PRIMARY KEY (hearing, seq)
);

CREATE TABLE draft_lines (
    id          TEXT             NOT NULL PRIMARY KEY,
    hearing     TEXT             NOT NULL REFERENCES hearings (id),
    participant TEXT             NOT NULL REFERENCES participants (id),
    segment     TEXT             NOT NULL,
    start_ms    BIGINT           NOT NULL,
    end_ms      BIGINT           NOT NULL,
    text        TEXT             NOT NULL,
    language    TEXT             NOT NULL,
    confidence  DOUBLE PRECISION NOT NULL,
    weak        BOOLEAN          NOT NULL,
    words       TEXT             NOT NULL,
    model       TEXT             NOT NULL
);
CREATE INDEX draft_lines_of_hearing ON draft_lines (hearing, start_ms);

CREATE TABLE jobs (
    id              TEXT    NOT NULL PRIMARY KEY,
    kind            TEXT    NOT NULL,
    dedup_key       TEXT    NOT NULL,
    hearing         TEXT    REFERENCES hearings (id),
    payload         TEXT    NOT NULL,
    state           TEXT    NOT NULL CHECK (state IN ('waiting', 'leased', 'done', 'failed')),
    attempts        INTEGER NOT NULL,
    due_us          BIGINT  NOT NULL,
    leased_until_us BIGINT,
    last_error      TEXT,
    UNIQUE (kind, dedup_key)
);
CREATE INDEX jobs_due ON jobs (state, due_us);

CREATE TABLE deliveries (
    hearing         TEXT   NOT NULL PRIMARY KEY REFERENCES hearings (id),
    idempotency_key TEXT   NOT NULL UNIQUE,
    state           TEXT   NOT NULL CHECK (state IN ('pending', 'sent', 'acknowledged', 'rejected')),
    reason          TEXT,
    receipt         TEXT,
    changed_us      BIGINT NOT NULL
);

CREATE TABLE registry_cases (
    number TEXT NOT NULL PRIMARY KEY,
    title  TEXT NOT NULL,
    kind   TEXT NOT NULL,
    court  TEXT NOT NULL
);

CREATE TABLE registry_parties (
    case_number TEXT    NOT NULL REFERENCES registry_cases (number),
    ordinal     INTEGER NOT NULL,
    name        TEXT    NOT NULL,
    role        TEXT    NOT NULL,
    PRIMARY KEY (case_number, ordinal)
);

CREATE TABLE registry_sittings (
    case_number  TEXT    NOT NULL REFERENCES registry_cases (number),
    ordinal      INTEGER NOT NULL,
    hearing      TEXT    NOT NULL,
    courtroom    TEXT    NOT NULL,
    scheduled_us BIGINT  NOT NULL,
    PRIMARY KEY (case_number, ordinal)
);

CREATE TABLE registry_packages (
    idempotency_key TEXT   NOT NULL PRIMARY KEY,
    package_id      TEXT   NOT NULL UNIQUE,
    case_number     TEXT   NOT NULL REFERENCES registry_cases (number),
    manifest        TEXT   NOT NULL,
    received_us     BIGINT NOT NULL
);
CREATE INDEX registry_packages_of_case ON registry_packages (case_number, received_us);
