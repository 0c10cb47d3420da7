import { test } from "node:test";

/** A test that needs all earlier ones of its file: after the first that failed, none is tried. */
export function step(name, ...rest) {
  const body = rest.pop();
  test(name, ...rest, async (context) => {
    if (step.hasFailed) throw new Error("an earlier step failed");
    step.hasFailed = true;
    await body(context);
    step.hasFailed = false;
  });
}
step.hasFailed = false;
