import { useTranslation } from "react-i18next";
import en from "../i18n/en.json";
import type { Role } from "../wire/Role";

const KNOWN_ROLES = Object.keys(en.role) as Role[];

/** A role in words; one that only the registry knows, as the registry calls it. */
export function RoleName({ role }: { role: string }) {
  const { t } = useTranslation();
  const known = KNOWN_ROLES.find((candidate) => candidate === role);
  return known === undefined ? role : t(`role.${known}`);
}
