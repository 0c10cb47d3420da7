import type { Act } from "../wire/Act";
import type { ByeReason } from "../wire/ByeReason";
import type { ClientMessage } from "../wire/ClientMessage";
import type { ErrorCode } from "../wire/ErrorCode";
import type { Language } from "../wire/Language";
import type { ServerMessage } from "../wire/ServerMessage";

/** The protocol version that this client speaks (`wire.rs`, `PROTOCOL_VERSION`). */
export const PROTOCOL_VERSION = 1;

/** First wait before connecting again; doubles up to {@link RETRY_MAX_MS}. */
export const RETRY_FIRST_MS = 500;
/** Longest wait between attempts: a person looking at the banner should not wait longer. */
export const RETRY_MAX_MS = 5_000;
/** An attempt that shows no sign of life for this long is given up. */
export const WELCOME_TIMEOUT_MS = 10_000;
/** How long the outcome of an act is waited for. */
export const ACT_TIMEOUT_MS = 8_000;

/** The part of `WebSocket` that is used, so that tests can stand in for it. */
export type SocketLike = {
  readonly readyState: number;
  onopen: (() => void) | null;
  onclose: (() => void) | null;
  onerror: (() => void) | null;
  onmessage: ((event: { data: unknown }) => void) | null;
  send: (data: string) => void;
  close(): void;
};

/** Why a connection is over for good. */
export type EndReason = { bye: ByeReason } | { error: ErrorCode } | { left: true };

/** Outcome of an act: `error` is `null` when it was done. */
export type ActOutcome = { error: ErrorCode | null; link: string | null };

/** Where the connection stands. */
export type ConnectionState = "connecting" | "open" | "reconnecting" | "ended";

export type SeatConnectionEvents = {
  onState: (state: ConnectionState) => void;
  onMessage: (message: ServerMessage) => void;
  onEnd: (reason: EndReason) => void;
};

export type SeatConnectionOptions = {
  open: () => SocketLike;
  language: () => Language;
  /**
   * Asks why the server refuses the socket, which a browser does not tell: the code that ends the
   * connection for good, or `null` to go on trying.
   */
  refusal: () => Promise<ErrorCode | null>;
  events: SeatConnectionEvents;
};

const OPEN = 1;

const FINAL_BYES: ReadonlySet<ByeReason> = new Set<ByeReason>([
  "replaced",
  "seat_taken",
  "link_replaced",
  "hearing_closed",
  "protocol",
]);

type PendingAct = {
  resolve(outcome: ActOutcome): void;
  timer: ReturnType<typeof setTimeout>;
};

/**
 * The signalling connection of one seat: says hello, comes back after a lost line with growing
 * waits, and stops only when the server's word is final or the person leaves.
 */
export class SeatConnection {
  private readonly options: SeatConnectionOptions;
  private socket: SocketLike | null = null;
  private state: ConnectionState = "connecting";
  private attempt = 0;
  private retryTimer: ReturnType<typeof setTimeout> | null = null;
  private welcomeTimer: ReturnType<typeof setTimeout> | null = null;
  private nextActId = 1;
  private readonly pendingActs = new Map<number, PendingAct>();

  constructor(options: SeatConnectionOptions) {
    this.options = options;
  }

  /** Connects for the first time. */
  start(): void {
    this.connect();
  }

  /** Sends a message now, or says `false`: nothing is kept for later, the next welcome restates all. */
  send(message: ClientMessage): boolean {
    if (this.state !== "open" || this.socket?.readyState !== OPEN) return false;
    this.socket.send(JSON.stringify(message));
    return true;
  }

  /** Asks for an act and waits for its outcome; a lost line gives `unavailable`. */
  act(act: Act): Promise<ActOutcome> {
    const id = this.nextActId++;
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.pendingActs.delete(id);
        resolve({ error: "unavailable", link: null });
      }, ACT_TIMEOUT_MS);
      this.pendingActs.set(id, { resolve, timer });
      if (!this.send({ type: "act", id, act })) this.settleAct(id, { error: "unavailable", link: null });
    });
  }

  /** Leaves on purpose. */
  leave(): void {
    this.send({ type: "leave" });
    this.end({ left: true });
  }

  /** Gives the present socket up and connects anew at once: the network changed under it. */
  reconnectNow(): void {
    if (this.state === "ended") return;
    this.dropSocket();
    this.attempt = 0;
    this.connect();
  }

  /** Stops without a word to anybody, for when the page goes away. */
  dispose(): void {
    this.state = "ended";
    this.clearTimers();
    this.dropSocket();
    this.failActs();
  }

  private connect(): void {
    this.clearTimers();
    const socket = this.options.open();
    this.socket = socket;
    this.welcomeTimer = setTimeout(() => this.lost(socket), WELCOME_TIMEOUT_MS);
    socket.onopen = () => {
      const hello: ClientMessage = {
        type: "hello",
        protocol: PROTOCOL_VERSION,
        language: this.options.language(),
      };
      socket.send(JSON.stringify(hello));
    };
    socket.onmessage = (event) => this.receive(socket, event.data);
    socket.onclose = () => this.lost(socket);
    socket.onerror = () => this.lost(socket);
  }

  private receive(socket: SocketLike, data: unknown): void {
    if (socket !== this.socket || typeof data !== "string") return;
    let message: ServerMessage;
    try {
      message = JSON.parse(data) as ServerMessage;
    } catch {
      return;
    }
    if (message.type === "welcome") {
      if (this.welcomeTimer !== null) clearTimeout(this.welcomeTimer);
      this.welcomeTimer = null;
      this.attempt = 0;
      this.setState("open");
    }
    if (message.type === "result") {
      this.settleAct(message.id, { error: message.error ?? null, link: message.link ?? null });
    }
    if (message.type === "error" && this.state !== "open" && message.error === "protocol_version") {
      this.end({ error: message.error });
      return;
    }
    this.options.events.onMessage(message);
    if (message.type === "bye") {
      if (FINAL_BYES.has(message.reason)) this.end({ bye: message.reason });
      else this.lost(socket);
    }
  }

  private lost(socket: SocketLike): void {
    if (socket !== this.socket || this.state === "ended") return;
    const refusedBeforeWelcome = this.welcomeTimer !== null;
    this.clearTimers();
    this.dropSocket();
    this.failActs();
    this.setState("reconnecting");
    const wait = Math.min(RETRY_MAX_MS, RETRY_FIRST_MS * 2 ** this.attempt);
    this.attempt += 1;
    this.retryTimer = setTimeout(() => this.retry(refusedBeforeWelcome), wait);
  }

  private retry(askWhy: boolean): void {
    this.retryTimer = null;
    if (!askWhy) {
      this.connect();
      return;
    }
    const attempt = this.attempt;
    const goOn = (code: ErrorCode | null) => {
      // Something else connected or ended it in the meantime.
      if (this.state === "ended" || this.socket !== null || attempt !== this.attempt) return;
      if (code === null) this.connect();
      else this.end({ error: code });
    };
    this.options.refusal().then(goOn, () => goOn(null));
  }

  private end(reason: EndReason): void {
    if (this.state === "ended") return;
    this.clearTimers();
    this.dropSocket();
    this.failActs();
    this.setState("ended");
    this.options.events.onEnd(reason);
  }

  private setState(state: ConnectionState): void {
    if (this.state === state) return;
    this.state = state;
    this.options.events.onState(state);
  }

  private settleAct(id: number, outcome: ActOutcome): void {
    const pending = this.pendingActs.get(id);
    if (pending === undefined) return;
    clearTimeout(pending.timer);
    this.pendingActs.delete(id);
    pending.resolve(outcome);
  }

  private failActs(): void {
    for (const id of [...this.pendingActs.keys()]) {
      this.settleAct(id, { error: "unavailable", link: null });
    }
  }

  private dropSocket(): void {
    const socket = this.socket;
    this.socket = null;
    if (socket === null) return;
    socket.onopen = null;
    socket.onclose = null;
    socket.onerror = null;
    socket.onmessage = null;
    socket.close();
  }

  private clearTimers(): void {
    if (this.retryTimer !== null) clearTimeout(this.retryTimer);
    if (this.welcomeTimer !== null) clearTimeout(this.welcomeTimer);
    this.retryTimer = null;
    this.welcomeTimer = null;
  }
}
