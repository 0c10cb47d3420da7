import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Court } from "./support/court.mjs";
import { explainsItself } from "./support/languages.mjs";
import { Person } from "./support/person.mjs";
import { until } from "./support/wait.mjs";

let court;
let clerk;
let stranger;

before(async () => {
  court = await Court.open();
  [clerk, stranger] = await Promise.all([Person.arrive(), Person.arrive()]);
});

after(async () => {
  await Promise.all([clerk?.leave(), stranger?.leave()]);
  await court?.close();
});

test("a wrong link says so", async () => {
  await stranger.page.goto(`${court.url}/j/wrong-wrong-wrong`);
  await explainsItself(stranger, "error-link_unknown");
});

test("a link that another browser has opened says so", async () => {
  await clerk.takeSeat(court.seats.clerk);
  await clerk.sees("hearing-room");
  await stranger.page.goto(court.seats.clerk.link);
  await explainsItself(stranger, "error-link_in_use");
});

test("a renewed link works, and the old one says that it was replaced", async () => {
  const { participant_id: id, link } = court.seats.witness;
  await clerk.press(`renew-${id}`);
  await clerk.press("renew-confirm");
  await clerk.sees("new-link");
  const fresh = await clerk.by("new-link").inputValue();
  assert.notEqual(fresh, link);
  await clerk.page.keyboard.press("Escape");
  await stranger.page.goto(link);
  await explainsItself(stranger, "error-link_replaced");
  await stranger.page.goto(fresh);
  await stranger.sees("self-test");
});

test("somebody who is in the hearing is told when their link is renewed", async () => {
  const { participant_id: id } = court.seats.witness;
  await stranger.press("ready");
  await stranger.sees("waiting");
  await clerk.press(`renew-${id}`);
  await clerk.press("renew-confirm");
  await clerk.sees("new-link");
  await clerk.page.keyboard.press("Escape");
  await explainsItself(stranger, "error-link_replaced");
});

test("a refused camera and microphone say what to do, and one may go on without", async () => {
  await withoutDevices("refused", court.seats.defendant, async (person) => {
    await person.press("ready");
    await person.sees("waiting");
  });
});

test("a missing camera and microphone say what to do, and one may go on without", async () => {
  await withoutDevices("missing", court.seats.judge, async (person) => {
    await person.press("ready");
    await person.sees("hearing-room");
  });
});

async function withoutDevices(problem, seat, goOn) {
  // Without its fake devices the browser finds none on a machine that has none; refusing is an
  // answer of the page's user, which no flag gives.
  const person = await Person.arrive({ devices: problem !== "missing" });
  try {
    if (problem === "refused") await person.context.addInitScript(refuseAll);
    await person.page.goto(seat.link);
    await explainsItself(person, `camera-${problem}`);
    await explainsItself(person, `microphone-${problem}`);
    await goOn(person);
  } finally {
    await person.leave();
  }
}

function refuseAll() {
  MediaDevices.prototype.getUserMedia = () => Promise.reject(new DOMException("refused", "NotAllowedError"));
}

test("a closed hearing says that it is over", async () => {
  await clerk.closesHearing();
  await stranger.page.goto(court.seats.judge.link);
  await explainsItself(stranger, "error-hearing_closed");
});
