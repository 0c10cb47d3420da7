import type { HearingState } from "../wire/HearingState";
import type { Language } from "../wire/Language";
import type { Place } from "../wire/Place";
import type { Role } from "../wire/Role";
import { postJson } from "./http";

/** The hearing as an invitation names it. `scheduled_at` is RFC 3339 with the court's offset. */
export type InvitedHearing = {
  id: string;
  case_number: string;
  case_title: string;
  court: string;
  courtroom: string;
  scheduled_at: string;
  state: HearingState;
};

/** A seat taken by opening its invitation link. The cookie that proves it is not readable here. */
export type Seat = {
  participant_id: string;
  name: string;
  role: Role;
  place: Place;
  language: Language;
  hearing: InvitedHearing;
};

/** Opens an invitation link in this browser. Doing it again in the same browser is harmless. */
export function redeemInvitation(token: string): Promise<Seat> {
  return postJson<Seat>(`/api/v1/invitations/${encodeURIComponent(token)}`, { client: "browser" });
}
