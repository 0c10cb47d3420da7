import { postJson, requestJson } from "../api/http";
import type { Language } from "../wire/Language";
import type { Place } from "../wire/Place";
import type { Role } from "../wire/Role";
import type { Stage } from "../wire/Stage";
import type { TrackSource } from "../wire/TrackSource";
import type { Word } from "../wire/Word";
import type { WrittenWords } from "../wire/WrittenWords";

const BASE = "/registry/api/v1";
/** Where a package keeps its protocol for machines. */
export const PROTOCOL_PATH = "documents/protocol.json";

export type CaseRow = { number: string; title: string; kind: string; court: string; packages: number };

export type CaseFile = {
  number: string;
  title: string;
  kind: string;
  court: string;
  parties: { name: string; role: string }[];
  schedule: { hearing_id: string; at: string; courtroom: string }[];
  packages: { key: string; received_at: string; hearing_id: string }[];
};

export type PackageFile = { path: string; size: number; sha256: string };

export type Package = {
  key: string;
  case_number: string;
  received_at: string;
  receipt: string;
  manifest: { files: PackageFile[] };
};

export type ProtocolPerson = { id: string; name: string; role: Role; place: Place };

export type ProtocolLine = {
  id: string;
  participant: string;
  name: string;
  role: Role;
  start_ms: number;
  end_ms: number;
  text: string;
  language: Language;
  confidence: number;
  weak: boolean;
  words: Word[];
  /** Absent where nothing is written otherwise, as in packages from before. */
  written?: WrittenWords[];
  /** Absent where nobody corrected it. */
  edited?: { text: string; by: string; name: string; at: string };
  /** Absent where it interprets nobody, or that was not set. */
  interprets?: { participant: string; name: string };
};

/** One file of the record: `playback` is a copy made for seeking, where there is one. */
export type RecordFile = {
  participant: string;
  name: string;
  source: TrackSource;
  file: string;
  playback?: string | null;
  starts_ms: number;
  ends_ms: number;
};

export type Protocol = {
  hearing: {
    id: string;
    case_number: string;
    case_title: string;
    court: string;
    courtroom: string;
    language: Language;
    opened_at: string | null;
    closed_at: string | null;
    record_started_at: string | null;
  };
  present: ProtocolPerson[];
  absent: ProtocolPerson[];
  stages: { stage: Stage; at_ms: number }[];
  lines: ProtocolLine[];
  record: RecordFile[];
};

/** Exchanges the access key for a session cookie. */
export function signIn(key: string): Promise<void> {
  return postJson(`${BASE}/session`, { key });
}

export function loadCases(): Promise<CaseRow[]> {
  return requestJson(`${BASE}/cases`);
}

export function loadCase(number: string): Promise<CaseFile> {
  // A case number is one path segment even where it has slashes, as in 7527-26-00-1/2.
  return requestJson(`${BASE}/cases/${encodeURIComponent(number)}`);
}

export function loadPackage(key: string): Promise<Package> {
  return requestJson(`${BASE}/packages/${encodeURIComponent(key)}`);
}

export function loadProtocol(key: string): Promise<Protocol> {
  return requestJson(fileUrl(key, PROTOCOL_PATH));
}

/** Address of one file of a package. */
export function fileUrl(key: string, path: string): string {
  return `${BASE}/packages/${encodeURIComponent(key)}/files/${encodeFilePath(path)}`;
}

/** What the film of a session shows when, in milliseconds of the film. */
export type FilmFacts = { duration_ms: number; chapters: { at_ms: number; title: string }[] };

/** Fails with `not_found` where there is no film. */
export function loadFilm(key: string): Promise<FilmFacts> {
  return requestJson(filmUrl(key, "room.json"));
}

/** Address of a file of the film of a package's session. */
export function filmUrl(key: string, name: "room.mp4" | "room.vtt" | "room.json"): string {
  return `${BASE}/packages/${encodeURIComponent(key)}/room/${name}`;
}

function encodeFilePath(path: string): string {
  return path.split("/").map(encodeURIComponent).join("/");
}

/** Takes the access key out of the address, so that it stays in no history and no screenshot. */
export function takeKeyFromAddress(): string | null {
  const key = new URLSearchParams(window.location.hash.slice(1)).get("key");
  if (key === null || key === "") return null;
  window.history.replaceState(null, "", window.location.pathname + window.location.search);
  return key;
}
