/** How often a condition is looked at. */
const LOOK_MS = 100;

/** Waits until `condition` gives something truthy, and gives it back; fails with `what` after `ms`. */
export async function until(what, condition, ms = 30_000) {
  const deadline = Date.now() + ms;
  let last;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value;
      last = undefined;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) {
      throw new Error(`waited ${ms} ms in vain: ${what}`, { cause: last });
    }
    await new Promise((done) => setTimeout(done, LOOK_MS));
  }
}

export const pause = (ms) => new Promise((done) => setTimeout(done, ms));
