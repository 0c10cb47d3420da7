import { useCallback, useEffect, useState } from "react";
import { failureCode, type FailureCode } from "../api/http";
import { signIn, takeKeyFromAddress } from "./api";

/** What a page of the registry shows: nothing yet, the data, or why there is none. */
export type Loaded<T> =
  | { state: "loading" }
  | { state: "ready"; data: T }
  | { state: "failed"; code: FailureCode };

/** Keys in the address are exchanged once, whichever component asks first. */
let exchange: Promise<void> | null = null;

function exchangeKeyOfAddress(): Promise<void> {
  const key = takeKeyFromAddress();
  if (key !== null) exchange = signIn(key).catch(() => undefined);
  return exchange ?? Promise.resolve();
}

/** Loads something of the registry, after signing in with the key of the address if there is one. */
export function useRegistry<T>(load: () => Promise<T>): [Loaded<T>, () => void] {
  const [loaded, setLoaded] = useState<Loaded<T>>({ state: "loading" });
  const [attempt, setAttempt] = useState(0);

  useEffect(() => {
    let shown = true;
    exchangeKeyOfAddress()
      .then(load)
      .then(
        (data) => shown && setLoaded({ state: "ready", data }),
        (error: unknown) => shown && setLoaded({ state: "failed", code: failureCode(error) }),
      );
    return () => {
      shown = false;
    };
  }, [load, attempt]);

  const again = useCallback(() => {
    setLoaded({ state: "loading" });
    setAttempt((last) => last + 1);
  }, []);
  return [loaded, again];
}
