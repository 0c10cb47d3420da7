import { after, before } from "node:test";
import { Court } from "./support/court.mjs";
import { explainsItself } from "./support/languages.mjs";
import { look, Person } from "./support/person.mjs";
import { receptionOf } from "./support/reception.mjs";
import { step } from "./support/step.mjs";
import { until } from "./support/wait.mjs";

let court;
let clerk;
let witness;

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false", OTYRYS_LIMITS__SESSIONS: "1" });
  [clerk, witness] = await Promise.all([Person.arrive(), Person.arrive()]);
});

after(async () => {
  if (step.hasFailed) await look({ clerk, witness }, [court?.program.output]);
  await Promise.all([clerk?.leave(), witness?.leave()]);
  await court?.close();
});

step("who finds no room waits and is told why, in each language", { timeout: 60_000 }, async () => {
  await clerk.takeSeat(court.seats.clerk);
  await clerk.sees("hearing-room");
  await until("the clerk is connected", async () => (await receptionOf(clerk)).states.includes("connected"), 20_000);
  await witness.takeSeat(court.seats.witness);
  await witness.sees("waiting");
  await explainsItself(witness, "problem-overloaded");
});

step("and is connected as soon as there is room", { timeout: 60_000 }, async () => {
  await clerk.leave();
  clerk = undefined;
  await until("the witness is connected", async () => (await receptionOf(witness)).states.includes("connected"), 30_000);
  await until("nothing is wrong any more", async () => (await witness.by("problem-overloaded").count()) === 0);
});
