import type { ErrorCode } from "../wire/ErrorCode";

/** What a request can end with besides success: the server's codes, the registry's, or no answer. */
export type FailureCode = ErrorCode | "not_signed_in" | "network";

const KNOWN_CODES: ReadonlySet<string> = new Set<FailureCode>([
  "link_unknown",
  "link_in_use",
  "link_replaced",
  "hearing_closed",
  "not_seated",
  "not_allowed",
  "wrong_state",
  "unknown_participant",
  "record_fault",
  "bad_message",
  "protocol_version",
  "bad_offer",
  "limit_reached",
  "not_found",
  "unavailable",
  "internal",
  "not_signed_in",
]);

/** A request that failed, with a code that the catalogues have words for. */
export class RequestError extends Error {
  readonly code: FailureCode;

  constructor(code: FailureCode) {
    super(code);
    this.name = "RequestError";
    this.code = code;
  }
}

/** The code of anything thrown by {@link requestJson}. */
export function failureCode(error: unknown): FailureCode {
  return error instanceof RequestError ? error.code : "internal";
}

function codeOfStatus(status: number): FailureCode {
  if (status === 404) return "not_found";
  if (status === 429) return "limit_reached";
  if (status === 502 || status === 503 || status === 504) return "unavailable";
  return "internal";
}

/** What an answer that is no success says. */
export async function refusal(response: Response): Promise<RequestError> {
  return new RequestError(await codeOf(response));
}

async function codeOf(response: Response): Promise<FailureCode> {
  try {
    const body = (await response.json()) as { error?: unknown };
    if (typeof body.error === "string" && KNOWN_CODES.has(body.error)) {
      return body.error as FailureCode;
    }
  } catch {
    // A proxy's error page is not JSON: the status says enough.
  }
  return codeOfStatus(response.status);
}

/**
 * Sends a same-origin request and returns the JSON answer (`undefined` when the body is empty).
 *
 * @throws RequestError `network` when no answer came, else the server's code.
 */
export async function requestJson<T>(path: string, init: RequestInit = {}): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, { credentials: "same-origin", cache: "no-store", ...init });
  } catch {
    throw new RequestError("network");
  }
  if (!response.ok) throw await refusal(response);
  const text = await response.text();
  // A history-route fallback answers any path with the page: that is no JSON answer either.
  try {
    return (text === "" ? undefined : JSON.parse(text)) as T;
  } catch {
    throw new RequestError("not_found");
  }
}

/** `POST` with a JSON body. */
export function postJson<T>(path: string, body: unknown): Promise<T> {
  return requestJson<T>(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}
