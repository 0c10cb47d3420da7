import { useTranslation } from "react-i18next";

const KNOWN_KINDS = ["criminal", "civil", "administrative", "administrative_offence"] as const;

/** The kind of a case in words; a kind that only the registry knows, as the registry calls it. */
export function CaseKind({ kind }: { kind: string }) {
  const { t } = useTranslation();
  const known = KNOWN_KINDS.find((candidate) => candidate === kind);
  return known === undefined ? kind : t(`registry.kindName.${known}`);
}
