import { useTranslation } from "react-i18next";
import { Button } from "react-aria-components";
import type { CallSession } from "../call/CallSession";
import type { ErrorCode } from "../wire/ErrorCode";
import { Icon } from "./Icon";

const PROBLEMS_WITH_WORDS = [
  "not_allowed",
  "wrong_state",
  "unknown_participant",
  "record_fault",
  "unavailable",
  "limit_reached",
  "hearing_full",
  "address_full",
  "overloaded",
  "bad_offer",
] as const;

/** What failed last, in words, until it is dismissed or over. */
export function ProblemBanner({ session, problem }: { session: CallSession; problem: ErrorCode }) {
  const { t } = useTranslation();
  const key = PROBLEMS_WITH_WORDS.find((known) => known === problem) ?? "other";
  return (
    <p className="banner warn" role="alert" data-testid={`problem-${problem}`}>
      <Icon name="warning" />
      {t(`problem.${key}`)}
      <Button className="button small" onPress={() => session.dismissProblem()}>
        {t("app.close")}
      </Button>
    </p>
  );
}
