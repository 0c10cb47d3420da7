import { useEffect, useLayoutEffect, useRef, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import { textOf } from "../call/writtenLine";
import { formatClock } from "../i18n/format";
import type { CorrectionChoice } from "../wire/CorrectionChoice";
import type { DraftGuess } from "../wire/DraftGuess";
import type { DraftLine } from "../wire/DraftLine";
import type { DraftState } from "../wire/DraftState";
import type { Language } from "../wire/Language";
import type { LearntCorrection } from "../wire/LearntCorrection";
import type { ParticipantView } from "../wire/ParticipantView";
import { Icon } from "./Icon";
import { LearntCorrections } from "./LearntCorrections";
import { LineLanguage } from "./LineLanguage";
import { LineEditor } from "./LineEditor";
import { LineText } from "./LineText";

/** Less behind than this is up to date for a reader, in milliseconds. */
const BEHIND_WORTH_SAYING_MS = 4_000;
/** Closer to the end than this counts as being at the end, in CSS pixels. */
const AT_END_PX = 40;

type Props = {
  lines: readonly DraftLine[];
  /** What people are saying, by person. */
  guesses: ReadonlyMap<string, DraftGuess>;
  draft: DraftState | null;
  corrections: readonly LearntCorrection[];
  people: readonly ParticipantView[];
  /** Language of the proceedings. */
  language: Language;
  /** Plays the record from a moment on. */
  onListen: (ms: number) => void;
  /** Corrects a line, or takes that back; whether it was done. Absent: this person may not. */
  onEdit?: ((line: string, text: string | null) => Promise<boolean>) | undefined;
  onChoose: (choice: CorrectionChoice) => Promise<boolean>;
};

/** The draft protocol while it grows. It follows the newest line until the reader scrolls up. */
export function DraftPanel(props: Props) {
  const { lines, guesses, draft, corrections, people, language, onListen, onEdit, onChoose } = props;
  const { t } = useTranslation();
  const list = useRef<HTMLOListElement>(null);
  const [following, setFollowing] = useState(true);
  const byId = new Map(people.map((person) => [person.id, person]));

  useLayoutEffect(() => {
    if (following && list.current !== null) list.current.scrollTop = list.current.scrollHeight;
  }, [lines, guesses, following]);

  // A banner that appears, a turned phone or its tabs change the height; the newest line stays in sight.
  useEffect(() => {
    const element = list.current;
    if (!following || element === null) return;
    const observer = new ResizeObserver(() => {
      element.scrollTop = element.scrollHeight;
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, [following]);

  const scrolled = () => {
    const element = list.current;
    if (element === null) return;
    setFollowing(element.scrollHeight - element.scrollTop - element.clientHeight < AT_END_PX);
  };

  return (
    <section className="panel draft-panel" aria-label={t("room.draft")}>
      <header className="draft-head">
        <h2>{t("draft.title")}</h2>
        <DraftStatus draft={draft} />
      </header>
      <p className="quiet">{t("draft.machine")}</p>
      <LearntCorrections corrections={corrections} onChoose={onChoose} />
      <ol className="lines" ref={list} onScroll={scrolled} tabIndex={0} aria-label={t("draft.title")}>
        {lines.length + guesses.size === 0 && <li className="quiet">{t("draft.empty")}</li>}
        {inOrder(lines, guesses).map((entry) =>
          "line" in entry ? (
            <Line
              key={entry.line.id}
              line={entry.line}
              person={byId.get(entry.line.participant)}
              editor={byId.get(entry.line.edited?.by ?? "")}
              interpreted={byId.get(entry.line.interprets ?? "")}
              proceedings={language}
              onListen={onListen}
              onEdit={onEdit}
            />
          ) : (
            <Guess
              key={entry.participant}
              guess={entry.guess}
              person={byId.get(entry.participant)}
              interpreted={byId.get(entry.guess.interprets ?? "")}
            />
          ),
        )}
      </ol>
      {!following && (
        <Button className="button small to-end" onPress={() => setFollowing(true)}>
          <Icon name="down" size={16} />
          {t("draft.toEnd")}
        </Button>
      )}
    </section>
  );
}

type Entry = { line: DraftLine } | { participant: string; guess: DraftGuess };

/** Lines, and what is being said, by where they begin. */
function inOrder(lines: readonly DraftLine[], guesses: ReadonlyMap<string, DraftGuess>): Entry[] {
  const entries: Entry[] = lines.map((line) => ({ line }));
  for (const [participant, guess] of guesses) {
    const after = entries.findLastIndex((entry) => startOf(entry) <= guess.start_ms);
    entries.splice(after + 1, 0, { participant, guess });
  }
  return entries;
}

function startOf(entry: Entry): number {
  return "line" in entry ? entry.line.start_ms : entry.guess.start_ms;
}

function DraftStatus({ draft }: { draft: DraftState | null }) {
  const { t } = useTranslation();
  if (draft === null) return <p className="draft-status">{t("draft.unknown")}</p>;
  if (draft.state === "off") {
    return (
      <p className="draft-status off" role="status" data-testid="draft-off">
        {t(`draft.off.${draft.reason}`)}
      </p>
    );
  }
  const late = draft.behind_ms >= BEHIND_WORTH_SAYING_MS;
  return (
    <p className={late ? "draft-status late" : "draft-status"} data-testid="draft-state">
      {late ? t("draft.behind", { seconds: Math.round(draft.behind_ms / 1000) }) : t("draft.upToDate")}
    </p>
  );
}

type LineProps = {
  line: DraftLine;
  person: ParticipantView | undefined;
  /** Who corrected it. */
  editor: ParticipantView | undefined;
  /** Whom it interprets. */
  interpreted: ParticipantView | undefined;
  proceedings: Language;
  onListen: (ms: number) => void;
  onEdit: Props["onEdit"];
};

function Line({ line, person, editor, interpreted, proceedings, onListen, onEdit }: LineProps) {
  const { t } = useTranslation();
  const [editing, setEditing] = useState(false);
  const edited = typeof line.edited?.text === "string";
  return (
    <li
      className="line"
      data-testid={`line-${line.id}`}
      data-participant={line.participant}
      data-start-ms={line.start_ms}
      data-end-ms={line.end_ms}
    >
      <p className="line-head">
        <button
          type="button"
          className="line-button"
          aria-label={t("registry.playLine", { time: formatClock(line.start_ms) })}
          data-testid={`listen-${line.id}`}
          onClick={() => onListen(line.start_ms)}
        >
          <time>{formatClock(line.start_ms)}</time>
        </button>
        <strong>{person?.name ?? t("draft.unknownSpeaker")}</strong>
        {person !== undefined && <span>{t(`role.${person.role}`)}</span>}
        <Interpretation of={line.interprets} interpreted={interpreted} testId={`interprets-${line.id}`} />
        <LineLanguage language={line.language} proceedings={proceedings} />
        {edited && (
          <b className="tag" data-testid={`edited-${line.id}`}>
            {t("draft.edit.edited", { name: editor?.name ?? t("draft.unknownSpeaker") })}
          </b>
        )}
        {line.weak && !edited && (
          <b className="tag warn" title={t("draft.weakHint")}>
            {t("draft.weak")}
          </b>
        )}
        {onEdit !== undefined && !editing && (
          <Button
            className="line-button edit"
            aria-label={t("draft.edit.start", { time: formatClock(line.start_ms) })}
            data-testid={`edit-${line.id}`}
            onPress={() => setEditing(true)}
          >
            {t("draft.edit.correct")}
          </Button>
        )}
      </p>
      {onEdit !== undefined && editing ? (
        <LineEditor
          line={line}
          text={textOf(line)}
          onSave={(text) => onEdit(line.id, text)}
          onClose={() => setEditing(false)}
        />
      ) : (
        <LineText line={line} />
      )}
    </li>
  );
}

type InterpretationProps = { of: string | null; interpreted: ParticipantView | undefined; testId: string };

/** Says whom an interpreter interprets, where that was set. */
function Interpretation({ of, interpreted, testId }: InterpretationProps) {
  const { t } = useTranslation();
  if (of === null) return null;
  return (
    <b className="tag" data-testid={testId}>
      {t("draft.interpretation", { name: interpreted?.name ?? t("draft.unknownSpeaker") })}
    </b>
  );
}

/** How a guess ends when the sentence does not: the recogniser ends each with a full stop. */
const ENDS = /\.+$/u;

type GuessProps = {
  guess: DraftGuess;
  person: ParticipantView | undefined;
  /** Whom it interprets. */
  interpreted: ParticipantView | undefined;
};

/** What somebody is saying: the line that comes of it takes its place. */
function Guess({ guess, person, interpreted }: GuessProps) {
  const { t } = useTranslation();
  const { start_ms: startMs, language, agreed, rest, interprets } = guess;
  return (
    <li className="line guess" data-testid={`guess-${person?.id}`}>
      <p className="line-head">
        <time>{formatClock(startMs)}</time>
        <strong>{person?.name ?? t("draft.unknownSpeaker")}</strong>
        {person !== undefined && <span>{t(`role.${person.role}`)}</span>}
        <Interpretation of={interprets} interpreted={interpreted} testId={`guess-interprets-${person?.id}`} />
        <b className="tag">{t("draft.speaking")}</b>
      </p>
      <p className="line-text" lang={language}>
        {agreed} <i>{rest.replace(ENDS, "")}…</i>
      </p>
    </li>
  );
}
