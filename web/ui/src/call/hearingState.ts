import type { DraftGuess } from "../wire/DraftGuess";
import type { DraftLine } from "../wire/DraftLine";
import type { DraftState } from "../wire/DraftState";
import type { ErrorCode } from "../wire/ErrorCode";
import type { HearingView } from "../wire/HearingView";
import type { LearntCorrection } from "../wire/LearntCorrection";
import type { LineQuality } from "../wire/LineQuality";
import type { ParticipantView } from "../wire/ParticipantView";
import type { Role } from "../wire/Role";
import type { ServerMessage } from "../wire/ServerMessage";
import type { ShownPicture } from "../wire/ShownPicture";
import type { TrackSource } from "../wire/TrackSource";
import type { RemoteStreams, MediaState } from "./MediaSession";
import type { ConnectionState, EndReason } from "./SeatConnection";

/** Everything that the pages of one seat show. Replaced whole at each change, never mutated. */
export type HearingSnapshot = {
  connection: ConnectionState;
  media: MediaState;
  end: EndReason | null;
  you: string | null;
  hearing: HearingView | null;
  /** `performance.now()` when `hearing.record_ms` was current, for the running clock. */
  recordReadAt: number;
  speaking: readonly string[];
  /** Who was heard last, besides this person: stays on the stage until somebody else speaks. */
  lastSpeaker: string | null;
  streams: ReadonlyMap<string, RemoteStreams>;
  lines: readonly DraftLine[];
  /** What people are saying, as far as the machine makes it out, by person. */
  guesses: ReadonlyMap<string, DraftGuess>;
  draft: DraftState | null;
  /** What the court's dictionary learnt, as far as it concerns this hearing. */
  corrections: readonly LearntCorrection[];
  /** How good lines are: this person's own, for the bench everybody's. */
  quality: ReadonlyMap<string, LineQuality>;
  /** This person's line is too narrow for pictures. */
  soundOnly: boolean;
  /** The last act or message that failed, until it is dismissed. */
  problem: ErrorCode | null;
};

export const EMPTY_HEARING: HearingSnapshot = {
  connection: "connecting",
  media: "idle",
  end: null,
  you: null,
  hearing: null,
  recordReadAt: 0,
  speaking: [],
  lastSpeaker: null,
  streams: new Map(),
  lines: [],
  guesses: new Map(),
  draft: null,
  corrections: [],
  quality: new Map(),
  soundOnly: false,
  problem: null,
};

/** The snapshot after a message of the server that was received at `nowMs` (`performance.now()`). */
export function afterMessage(
  state: HearingSnapshot,
  message: ServerMessage,
  nowMs: number,
): HearingSnapshot {
  switch (message.type) {
    case "welcome":
      // The server tells anew of a line that carries sound alone, and of what is being said.
      return { ...state, soundOnly: false, guesses: new Map(), problem: null, you: message.you, hearing: message.hearing, recordReadAt: nowMs };
    case "hearing":
      return { ...state, hearing: message.hearing, recordReadAt: nowMs };
    case "speaking": {
      const loudestOther = message.participants.find((id) => id !== state.you);
      return {
        ...state,
        speaking: message.participants,
        lastSpeaker: loudestOther ?? state.lastSpeaker,
      };
    }
    case "line":
      return { ...state, lines: withLine(state.lines, message.line) };
    case "guess": {
      const guesses = new Map(state.guesses);
      if (message.guess === null) guesses.delete(message.participant);
      else guesses.set(message.participant, message.guess);
      return { ...state, guesses };
    }
    case "corrections":
      return { ...state, corrections: message.corrections };
    case "draft":
      return { ...state, draft: message.draft };
    case "line_quality":
      return { ...state, quality: new Map(state.quality).set(message.quality.participant, message.quality) };
    case "sound_only":
      return { ...state, soundOnly: message.sound_only };
    case "error":
      return { ...state, problem: message.error };
    case "answer":
    case "slots":
    case "slots_needed":
    case "layers_watched":
    case "result":
    case "bye":
      return state;
    default:
      // A newer server may say more than this client knows.
      return state;
  }
}

/** The lines with this one put in by its start, replacing an earlier one of the same id, but never a later edit of it. */
export function withLine(lines: readonly DraftLine[], line: DraftLine): readonly DraftLine[] {
  // The stored lines come bit by bit to who joins late: an edit made meanwhile overtakes them.
  const there = lines.find(({ id }) => id === line.id);
  if ((there?.edited?.revision ?? 0) > (line.edited?.revision ?? 0)) return lines;
  const others = lines.filter(({ id }) => id !== line.id);
  let at = others.length;
  while (at > 0 && startsAfter(others[at - 1], line)) at -= 1;
  return [...others.slice(0, at), line, ...others.slice(at)];
}

function startsAfter(first: DraftLine | undefined, second: DraftLine): boolean {
  if (first === undefined) return false;
  if (first.start_ms !== second.start_ms) return first.start_ms > second.start_ms;
  return first.id > second.id;
}

/** This person's own row, once the server said who they are. */
export function ownView(state: HearingSnapshot): ParticipantView | null {
  return state.hearing?.participants.find(({ id }) => id === state.you) ?? null;
}

/** Milliseconds on the record's clock at `nowMs`. Once begun it runs on, also off the record. */
export function recordClock(state: HearingSnapshot, nowMs: number): number {
  const { hearing, recordReadAt } = state;
  if (hearing === null) return 0;
  const runs = (hearing.on_record || hearing.record_ms > 0) && hearing.state !== "closed";
  return hearing.record_ms + (runs ? Math.max(0, nowMs - recordReadAt) : 0);
}

/** Whether the role runs the hearing (`Role::conducts` on the server, which decides). */
export function conducts(role: Role): boolean {
  return role === "judge" || role === "clerk";
}

/** Whether the role sees the draft (`Role::reads_draft` on the server). */
export function readsDraft(role: Role): boolean {
  return conducts(role) || role === "panel_judge";
}

/** Whether the role may send sound and picture (`Role::publishes` on the server). */
export function publishes(role: Role): boolean {
  return role !== "observer" && role !== "technical_officer";
}

/** The people in the room: admitted, or admitted with a lost line. */
export function peopleInRoom(hearing: HearingView): readonly ParticipantView[] {
  return hearing.participants.filter(
    ({ presence }) => presence === "admitted" || presence === "disconnected",
  );
}

/** Whom a person of the hearing interprets for; absent where that is not set or not to be seen. */
export function interpretedBy(hearing: HearingView, { interprets }: ParticipantView): ParticipantView | undefined {
  return hearing.participants.find(({ id }) => id === interprets);
}

/** For whom one may interpret: for everybody but interpreters (`Act::SetInterpretation` on the server, which decides). */
export function interpretable(hearing: HearingView): readonly ParticipantView[] {
  return hearing.participants.filter(({ role }) => role !== "interpreter");
}

/** Who is shown large: the last speaker, else the judge, else anybody else, else oneself. */
export function stagedParticipant(state: HearingSnapshot): string | null {
  if (state.hearing === null) return null;
  const room = peopleInRoom(state.hearing).filter(({ presence }) => presence === "admitted");
  const others = room.filter(({ id }) => id !== state.you);
  const screen = others.find(({ id }) => state.streams.get(id)?.screen !== undefined);
  const chosen =
    screen ??
    others.find(({ id }) => id === state.lastSpeaker) ??
    others.find(({ role }) => role === "judge") ??
    others[0] ??
    room[0];
  return chosen?.id ?? null;
}

const PICTURES: readonly TrackSource[] = ["camera", "screen"];

/** What the page does with each picture that arrives; nothing is seen of a page that is `hidden`. */
export function shownPictures(state: HearingSnapshot, hidden: boolean): ShownPicture[] {
  const staged = stagedParticipant(state);
  return [...state.streams].flatMap(([participant, streams]) =>
    PICTURES.filter((source) => streams[source] !== undefined).map((source) => ({
      track: { participant, source },
      view: hidden ? ("hidden" as const) : participant === staged ? ("stage" as const) : ("tile" as const),
      pinned: false,
    })),
  );
}

/** Who came into the waiting room or into the hearing between two views, for announcements. */
export function arrivals(
  before: HearingView | null,
  after: HearingView,
  you: string | null,
): readonly { person: ParticipantView; to: "waiting" | "admitted" }[] {
  if (before === null) return [];
  const earlier = new Map(before.participants.map(({ id, presence }) => [id, presence]));
  return after.participants.flatMap((person) => {
    const { id, presence } = person;
    if (id === you || earlier.get(id) === presence) return [];
    return presence === "waiting" || presence === "admitted" ? [{ person, to: presence }] : [];
  });
}
