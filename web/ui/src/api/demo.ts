import type { Place } from "../wire/Place";
import type { Role } from "../wire/Role";
import { requestJson, RequestError } from "./http";
import type { InvitedHearing } from "./invitations";

/** A seat of the demonstration hearing with its invitation link. */
export type DemoSeat = {
  participant_id: string;
  name: string;
  role: Role;
  place: Place;
  link: string;
  rehearsal: boolean;
};

/** What a server started for demonstration shows on its front page. */
export type Demo = {
  hearing: InvitedHearing;
  seats: DemoSeat[];
  registry_link: string;
};

/** The demonstration, or `null` on a server that runs none. */
export async function loadDemo(): Promise<Demo | null> {
  try {
    return await requestJson<Demo>("/api/v1/demo");
  } catch (error) {
    if (error instanceof RequestError && error.code === "not_found") return null;
    throw error;
  }
}
