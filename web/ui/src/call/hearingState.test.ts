import type { ServerMessage } from "../wire/ServerMessage";
import { describe, expect, it } from "vitest";
import type { DraftLine } from "../wire/DraftLine";
import type { HearingView } from "../wire/HearingView";
import type { ParticipantView } from "../wire/ParticipantView";
import { HearingStore } from "./HearingStore";
import {
  afterMessage,
  arrivals,
  EMPTY_HEARING,
  type HearingSnapshot,
  interpretable,
  interpretedBy,
  recordClock,
  shownPictures,
  stagedParticipant,
  withLine,
} from "./hearingState";

function person(id: string, change: Partial<ParticipantView> = {}): ParticipantView {
  return {
    id,
    name: id,
    role: "witness",
    place: "browser",
    presence: "admitted",
    microphone: true,
    camera: true,
    muted: false,
    recorded: false,
    rehearsal: false,
    interprets: null,
    ...change,
  };
}

function hearing(change: Partial<HearingView> = {}): HearingView {
  return {
    id: "h",
    case_number: "1",
    case_title: "",
    court: "",
    courtroom: "",
    language: "kk",
    scheduled_at: "2026-11-23T10:00:00+05:00",
    state: "in_session",
    on_record: false,
    record_ms: 0,
    record_fault: null,
    faulty_track: null,
    backup_fault: false,
    stage: null,
    participants: [],
    ...change,
  };
}

function line(id: string, start_ms: number, text = id): DraftLine {
  return { id, participant: "p", start_ms, end_ms: start_ms + 500, text, language: "kk", confidence: 0.9, weak: false, words: [], written: [], edited: null, interprets: null };
}

function inHearing(change: Partial<HearingView>, state: Partial<HearingSnapshot> = {}): HearingSnapshot {
  return { ...EMPTY_HEARING, you: "me", hearing: hearing(change), ...state };
}

describe("the hearing's snapshot", () => {
  it("replaces the whole view with each message", () => {
    const welcome: ServerMessage = {
      type: "welcome",
      protocol: 1,
      you: "me",
      hearing: hearing({ participants: [person("a")] }),
      ice_servers: [],
      resumes_media: false,
    };
    const first = afterMessage(EMPTY_HEARING, welcome, 10);
    const second = afterMessage(first, { type: "hearing", hearing: hearing({ participants: [person("b")] }) }, 20);
    expect(second.you).toBe("me");
    expect(second.hearing?.participants.map(({ id }) => id)).toEqual(["b"]);
    expect(first.hearing?.participants.map(({ id }) => id)).toEqual(["a"]);
  });

  it("puts lines in by their start and replaces a line of the same id", () => {
    let lines: readonly DraftLine[] = [];
    for (const next of [line("a", 1_000), line("c", 3_000), line("b", 2_000), line("a", 1_000, "better")]) {
      lines = withLine(lines, next);
    }
    expect(lines.map(({ text }) => text)).toEqual(["better", "b", "c"]);
  });

  it("moves a line that was given another start", () => {
    const lines = withLine(withLine(withLine([], line("a", 1_000)), line("b", 2_000)), line("a", 3_000));
    expect(lines.map(({ id }) => id)).toEqual(["b", "a"]);
  });

  it("shows what is learnt as it was told last", () => {
    const learnt = (applied: boolean): ServerMessage => ({
      type: "corrections",
      corrections: [{ language: "ru", heard: "ахмедов", written: "Ахметов", lines: 2, applied }],
    });
    const state = [learnt(true), learnt(false)].reduce((s, message) => afterMessage(s, message, 0), EMPTY_HEARING);
    expect(state.corrections.map(({ applied }) => applied)).toEqual([false]);
  });

  it("runs the record's clock from what the server said, and stands before it began", () => {
    const running = inHearing({ on_record: true, record_ms: 5_000 }, { recordReadAt: 100 });
    expect(recordClock(running, 1_100)).toBe(6_000);
    expect(recordClock(inHearing({ record_ms: 0 }, { recordReadAt: 100 }), 9_000)).toBe(0);
    expect(recordClock(inHearing({ record_ms: 7_000, state: "closed" }, { recordReadAt: 0 }), 9_000)).toBe(7_000);
  });

  it("ignores what a newer server says", () => {
    const state = inHearing({});
    expect(afterMessage(state, { type: "fanfare" } as never, 0)).toBe(state);
  });
});

describe("the stage", () => {
  const participants = [person("me", { role: "clerk" }), person("judge", { role: "judge" }), person("witness")];

  it("shows the judge until somebody speaks, then keeps the last speaker", () => {
    const quiet = inHearing({ participants });
    expect(stagedParticipant(quiet)).toBe("judge");
    const spoken = afterMessage(quiet, { type: "speaking", participants: ["me", "witness"] }, 0);
    expect(stagedParticipant(spoken)).toBe("witness");
    expect(stagedParticipant(afterMessage(spoken, { type: "speaking", participants: [] }, 0))).toBe("witness");
  });

  it("does not stay on somebody who lost the line or was sent back", () => {
    const gone = participants.map((p) => (p.id === "witness" ? { ...p, presence: "waiting" as const } : p));
    expect(stagedParticipant(inHearing({ participants: gone }, { lastSpeaker: "witness" }))).toBe("judge");
  });

  it("shows oneself when alone", () => {
    expect(stagedParticipant(inHearing({ participants: [person("me")] }))).toBe("me");
  });
});

describe("interpreters", () => {
  const interpreter = person("i", { role: "interpreter", interprets: "a" });

  it("interpret for anybody but an interpreter", () => {
    const other = person("j", { role: "interpreter" });
    const people = [person("judge", { role: "judge" }), interpreter, other, person("a", { presence: "waiting" })];
    expect(interpretable(hearing({ participants: people })).map(({ id }) => id)).toEqual(["judge", "a"]);
  });

  it("show for whom, as far as that is set and to be seen", () => {
    const a = person("a");
    expect(interpretedBy(hearing({ participants: [a, interpreter] }), interpreter)).toBe(a);
    expect(interpretedBy(hearing({ participants: [interpreter] }), interpreter)).toBeUndefined();
    expect(interpretedBy(hearing({ participants: [a, interpreter] }), a)).toBeUndefined();
  });
});

describe("announcements", () => {
  it("names who came to wait and who came in, but not oneself", () => {
    const before = hearing({ participants: [person("me", { presence: "waiting" }), person("a", { presence: "waiting" })] });
    const after = hearing({ participants: [person("me"), person("a"), person("b", { presence: "waiting" })] });
    expect(arrivals(before, after, "me").map(({ person: { id }, to }) => [id, to])).toEqual([
      ["a", "admitted"],
      ["b", "waiting"],
    ]);
    expect(arrivals(null, after, "me")).toEqual([]);
  });
});

describe("HearingStore", () => {
  it("gives a new snapshot only when something changed, and tells its listeners", () => {
    const store = new HearingStore(() => 0);
    let calls = 0;
    const stop = store.subscribe(() => (calls += 1));
    const before = store.getSnapshot();
    store.receive({ type: "slots", slots: [] });
    expect(store.getSnapshot()).toBe(before);
    store.receive({ type: "draft", draft: { state: "running", behind_ms: 0 } });
    expect(store.getSnapshot()).not.toBe(before);
    stop();
    store.receive({ type: "draft", draft: { state: "off", reason: "failed" } });
    expect(calls).toBe(1);
  });
});

describe("shownPictures", () => {
  const picture = {} as MediaStream;
  const people = [person("judge", { role: "judge" }), person("witness"), person("you")];
  const state = inHearing(
    { participants: people },
    {
      you: "you",
      lastSpeaker: "witness",
      streams: new Map([
        ["judge", { camera: picture, microphone: picture }],
        ["witness", { camera: picture }],
      ]),
    },
  );

  it("shows the speaker large and the others small", () => {
    expect(shownPictures(state, false).map(({ track, view }) => [track.participant, track.source, view])).toEqual([
      ["judge", "camera", "tile"],
      ["witness", "camera", "stage"],
    ]);
  });

  it("shows nothing of a page that nobody sees", () => {
    expect(shownPictures(state, true).map(({ view }) => view)).toEqual(["hidden", "hidden"]);
  });
});

it("keeps an edit when the line from before it comes later", () => {
  const edited = (revision: number, text: string | null) => ({
    ...line("a", 1),
    edited: { text, by: "clerk", at: "2026-11-23T05:00:00Z", revision },
  });
  const [corrected, undone] = [edited(1, "corrected"), edited(2, null)];
  expect(withLine([corrected], line("a", 1))).toEqual([corrected]);
  expect(withLine([undone], corrected)).toEqual([undone]);
  expect(withLine([corrected], undone)).toEqual([undone]);
});
