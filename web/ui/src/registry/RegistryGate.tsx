import { type FormEvent, type ReactNode, useState } from "react";
import { useTranslation } from "react-i18next";
import { Button, Input, Label, TextField } from "react-aria-components";
import { failureCode, type FailureCode } from "../api/http";
import { Icon } from "../components/Icon";
import { signIn } from "./api";
import type { Loaded } from "./useRegistry";

type Props<T> = { loaded: Loaded<T>; onAgain: () => void; children: (data: T) => ReactNode };

/** Shows the data, or what stands in the way of it: signing in, loading, a fault. */
export function RegistryGate<T>({ loaded, onAgain, children }: Props<T>) {
  const { t } = useTranslation();
  switch (loaded.state) {
    case "loading":
      return <p role="status">{t("app.loading")}</p>;
    case "ready":
      return children(loaded.data);
    case "failed":
      if (loaded.code === "not_signed_in") return <SignIn onSignedIn={onAgain} />;
      return (
        <section className="card notice-card" role="alert" data-testid={`error-${loaded.code}`}>
          <p className="lead">{loaded.code === "not_found" ? t("registry.notFound") : t("registry.failed")}</p>
          <Button className="button" onPress={onAgain}>
            {t("failure.retry")}
          </Button>
        </section>
      );
  }
}

function SignIn({ onSignedIn }: { onSignedIn: () => void }) {
  const { t } = useTranslation();
  const [key, setKey] = useState("");
  const [failure, setFailure] = useState<FailureCode | null>(null);
  const [busy, setBusy] = useState(false);

  const submit = async (event: FormEvent) => {
    event.preventDefault();
    setBusy(true);
    setFailure(null);
    try {
      await signIn(key.trim());
      onSignedIn();
    } catch (error) {
      setFailure(failureCode(error));
      setBusy(false);
    }
  };

  const outage = failure === "network" || failure === "unavailable" || failure === "internal";
  return (
    <form className="card sign-in" data-testid="registry-sign-in" onSubmit={(event) => void submit(event)}>
      <h2>{t("registry.signInTitle")}</h2>
      <p>{t("registry.signInLead")}</p>
      <TextField className="field" type="password" value={key} onChange={setKey} isRequired autoComplete="off">
        <Label>{t("registry.key")}</Label>
        <Input data-testid="registry-key" />
      </TextField>
      {failure !== null && (
        <p className="field-error" role="alert">
          {outage ? t("registry.failed") : t("registry.wrongKey")}
        </p>
      )}
      <Button className="button primary" type="submit" isDisabled={busy || key.trim() === ""}>
        <Icon name="check" />
        {t("registry.signIn")}
      </Button>
    </form>
  );
}
