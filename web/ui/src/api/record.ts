import type { Listen } from "../wire/Listen";
import type { ListeningId } from "../wire/ListeningId";
import type { Loudness } from "../wire/Loudness";
import type { RecordList } from "../wire/RecordList";
import { postJson, refusal, requestJson, RequestError } from "./http";

/** A piece of sound that plays by itself, and where it lies on the record's clock. */
export type SoundPiece = { bytes: ArrayBuffer; fromMs: number; toMs: number };

/** The record as one seat may listen to it. */
export class RecordApi {
  private readonly base: string;

  constructor(participantId: string) {
    this.base = `/api/v1/seats/${encodeURIComponent(participantId)}`;
  }

  list(): Promise<RecordList> {
    return requestJson(`${this.base}/record`);
  }

  /** Says that this person listens from here on; without it no sound is given. */
  async listen(wish: Listen): Promise<number> {
    const { listening } = await postJson<ListeningId>(`${this.base}/listenings`, wish);
    return listening;
  }

  /** Says that this person has listened enough, also when the page is about to go. */
  async stop(listening: number): Promise<void> {
    await requestJson(`${this.base}/listenings/${listening}`, { method: "DELETE", keepalive: true });
  }

  /** The sound of a file from a moment on; `null` while there is none yet. */
  async sound(segment: string, listening: number, fromMs: number): Promise<SoundPiece | null> {
    const path = `${this.base}/record/${segment}/sound?listening=${listening}&from_ms=${Math.floor(fromMs)}`;
    let response: Response;
    try {
      response = await fetch(path, { credentials: "same-origin", cache: "no-store" });
    } catch {
      throw new RequestError("network");
    }
    if (!response.ok) throw await refusal(response);
    if (response.status === 204) return null;
    const ms = (name: string) => Number(response.headers.get(name));
    return { bytes: await response.arrayBuffer(), fromMs: ms("otyrys-from-ms"), toMs: ms("otyrys-to-ms") };
  }

  loudness(segment: string, from: number): Promise<Loudness> {
    return requestJson(`${this.base}/record/${segment}/loudness?from=${from}`);
  }
}
