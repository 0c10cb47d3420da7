import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { ErrorCode } from "../wire/ErrorCode";
import type { ServerMessage } from "../wire/ServerMessage";
import {
  ACT_TIMEOUT_MS,
  type ConnectionState,
  type EndReason,
  RETRY_FIRST_MS,
  RETRY_MAX_MS,
  SeatConnection,
  type SocketLike,
  WELCOME_TIMEOUT_MS,
} from "./SeatConnection";

class FakeSocket implements SocketLike {
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly sent: unknown[] = [];
  closed = false;

  send(data: string): void {
    this.sent.push(JSON.parse(data));
  }

  close(): void {
    this.closed = true;
  }

  accept(): void {
    this.readyState = 1;
    this.onopen?.();
    this.say(WELCOME);
  }

  say(message: ServerMessage): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  drop(): void {
    this.readyState = 3;
    this.onclose?.();
  }
}

const WELCOME: ServerMessage = {
  type: "welcome",
  protocol: 1,
  you: "p1",
  hearing: {
    id: "h",
    case_number: "1",
    case_title: "",
    court: "",
    courtroom: "",
    language: "kk",
    scheduled_at: "2026-11-23T10:00:00+05:00",
    state: "lobby",
    on_record: false,
    record_ms: 0,
    record_fault: null,
    faulty_track: null,
    backup_fault: false,
    stage: null,
    participants: [],
  },
  ice_servers: [],
  resumes_media: false,
};

function setUp(refusal: ErrorCode | null = null) {
  const sockets: FakeSocket[] = [];
  const states: ConnectionState[] = [];
  const ends: EndReason[] = [];
  const connection = new SeatConnection({
    open: () => {
      const socket = new FakeSocket();
      sockets.push(socket);
      return socket;
    },
    language: () => "kk",
    refusal: () => Promise.resolve(refusal),
    events: {
      onState: (state) => states.push(state),
      onMessage: () => undefined,
      onEnd: (reason) => ends.push(reason),
    },
  });
  connection.start();
  const last = () => {
    const socket = sockets.at(-1);
    if (socket === undefined) throw new Error("no socket");
    return socket;
  };
  return { connection, sockets, states, ends, last };
}

describe("SeatConnection", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("says hello first and is open after the welcome", () => {
    const { last, states } = setUp();
    last().accept();
    expect(last().sent).toEqual([{ type: "hello", protocol: 1, language: "kk" }]);
    expect(states).toEqual(["open"]);
  });

  it("comes back after a lost line and says hello again", () => {
    const { last, sockets, states } = setUp();
    last().accept();
    last().drop();
    expect(states).toEqual(["open", "reconnecting"]);
    vi.advanceTimersByTime(RETRY_FIRST_MS);
    expect(sockets).toHaveLength(2);
    last().accept();
    expect(last().sent).toHaveLength(1);
    expect(states).toEqual(["open", "reconnecting", "open"]);
  });

  it("waits longer after each failure, up to a bound, and starts small again after success", async () => {
    const { last, sockets } = setUp();
    const waits: number[] = [];
    for (let failure = 0; failure < 6; failure += 1) {
      const before = sockets.length;
      last().drop();
      let waited = 0;
      while (sockets.length === before && waited < 60_000) {
        await vi.advanceTimersByTimeAsync(100);
        waited += 100;
      }
      waits.push(waited);
    }
    expect(waits).toEqual([500, 1_000, 2_000, 4_000, RETRY_MAX_MS, RETRY_MAX_MS]);
    last().accept();
    last().drop();
    const before = sockets.length;
    await vi.advanceTimersByTimeAsync(RETRY_FIRST_MS);
    expect(sockets).toHaveLength(before + 1);
  });

  it("gives an attempt up that never gets a welcome", async () => {
    const { sockets } = setUp();
    await vi.advanceTimersByTimeAsync(WELCOME_TIMEOUT_MS + RETRY_FIRST_MS);
    expect(sockets).toHaveLength(2);
    expect(sockets[0]?.closed).toBe(true);
  });

  it("stops when the server says why it refuses", async () => {
    const { last, sockets, ends } = setUp("link_replaced");
    last().drop();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(ends).toEqual([{ error: "link_replaced" }]);
  });

  it.each(["replaced", "seat_taken", "link_replaced", "hearing_closed", "protocol"] as const)(
    "does not come back after bye %s",
    async (reason) => {
      const { last, sockets, ends } = setUp();
      last().accept();
      last().say({ type: "bye", reason });
      await vi.advanceTimersByTimeAsync(60_000);
      expect(sockets).toHaveLength(1);
      expect(ends).toEqual([{ bye: reason }]);
    },
  );

  it("comes back when the server restarts", async () => {
    const { last, sockets, ends } = setUp();
    last().accept();
    last().say({ type: "bye", reason: "restarting" });
    await vi.advanceTimersByTimeAsync(RETRY_FIRST_MS);
    expect(sockets).toHaveLength(2);
    expect(ends).toEqual([]);
  });

  it("pairs the outcome of an act with the act", async () => {
    const { connection, last } = setUp();
    last().accept();
    const first = connection.act({ act: "start" });
    const second = connection.act({ act: "renew_link", participant: "p2" });
    last().say({ type: "result", id: 2, error: null, link: "https://example.kz/j/x" });
    last().say({ type: "result", id: 1, error: "wrong_state", link: null });
    expect(await first).toEqual({ error: "wrong_state", link: null });
    expect(await second).toEqual({ error: null, link: "https://example.kz/j/x" });
  });

  it("tells that an act was lost with the line, and that none came in time", async () => {
    const { connection, last } = setUp();
    last().accept();
    const lost = connection.act({ act: "start" });
    last().drop();
    expect(await lost).toEqual({ error: "unavailable", link: null });
    vi.advanceTimersByTime(RETRY_FIRST_MS);
    last().accept();
    const late = connection.act({ act: "start" });
    vi.advanceTimersByTime(ACT_TIMEOUT_MS);
    expect(await late).toEqual({ error: "unavailable", link: null });
  });

  it("leaves on purpose, once and for all", async () => {
    const { connection, last, sockets, ends } = setUp();
    last().accept();
    connection.leave();
    expect(last().sent.at(-1)).toEqual({ type: "leave" });
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(ends).toEqual([{ left: true }]);
  });

  it("leaves also while the line is down", async () => {
    const { connection, last, sockets, ends } = setUp();
    last().accept();
    last().drop();
    connection.leave();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(sockets).toHaveLength(1);
    expect(ends).toEqual([{ left: true }]);
  });
});
