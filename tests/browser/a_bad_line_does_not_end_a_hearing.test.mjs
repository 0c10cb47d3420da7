import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { join } from "node:path";
import { BadLine, THROUGH_A_BAD_LINE } from "./support/bad_line.mjs";
import { Court } from "./support/court.mjs";
import { writeFilm } from "./support/film.mjs";
import { FirefoxPerson } from "./support/firefox.mjs";
import { look, meet, Person } from "./support/person.mjs";
import { receptionDuring, receptionOf, told } from "./support/reception.mjs";
import { russian, writeWav } from "./support/speech.mjs";
import { pause, until } from "./support/wait.mjs";

/** How long a picture is watched while it recovers. */
const RECOVERY_MS = 30_000;

const report = (text) => process.stdout.write(`# ${text}\n`);

let court;
let line;
let clerk;
let witness;
let hasFailed = false;
/** Each with a line of their own, which are alike. */
const everybody = () => [
  ["Chromium", clerk],
  ["Firefox", witness],
];

/** A test that leaves a good line to the next one. */
function onTheLine(name, options, body) {
  test(name, options, async () => {
    try {
      await body();
    } catch (error) {
      hasFailed = true;
      throw error;
    } finally {
      await line.mends();
    }
  });
}

/** What both receive in the next `seconds`, reported. */
async function bothDuring(what, seconds) {
  const receptions = await Promise.all(everybody().map(([, person]) => receptionDuring(person, seconds)));
  everybody().forEach(([name], at) => report(`${what}, ${name}: ${told(receptions[at])}`));
  return receptions;
}

/**
 * `share` of the frames that the other one sends are seen: two browsers on two cores send what they
 * get round to (measured: 9 to 25 a second).
 */
function assertSeen(receptions, share) {
  receptions.forEach(({ framesPerSecond }, at) => {
    const { sentFramesPerSecond } = receptions[1 - at];
    assert.ok(framesPerSecond > 4, "the picture moves");
    assert.ok(framesPerSecond > share * sentFramesPerSecond, `${framesPerSecond} frames/s of ${sentFramesPerSecond}`);
  });
}

/** Chromium sends Opus with in-band FEC, which mends what is lost alone. */
function assertRepaired(reception) {
  assert.ok(reception.concealed < 0.7 * reception.soundLoss, "much of what Chromium's sound lost was mended");
}

/** Milliseconds until everybody has seen five more pictures and heard 0.2 s more. */
async function untilAllIsBack(what, ms) {
  const began = Date.now();
  const took = {};
  await Promise.all(
    everybody().map(async ([name, person]) => {
      const { connections } = await receptionOf(person);
      let from = await receptionOf(person);
      await until(
        `${what}: ${name} sees and hears again`,
        async () => {
          const now = await receptionOf(person);
          // Counters begin anew with a new connection, which may be there before the old one is gone.
          if (now.connections !== from.connections || now.soundPackets < from.soundPackets) {
            from = { ...now, frames: 0, energy: 0, soundPackets: 0 };
          }
          const moves = now.frames >= from.frames + 5;
          const sounds = now.energy > from.energy && now.soundPackets >= from.soundPackets + 10;
          return moves && sounds && now.states.includes("connected");
        },
        ms,
      );
      took[name] = Date.now() - began;
      const anew = (await receptionOf(person)).connections - connections;
      report(`${what}: ${name} is back after ${(took[name] / 1_000).toFixed(1)} s, with ${anew} new connections`);
    }),
  );
  return took;
}

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false", ...THROUGH_A_BAD_LINE });
  line = await BadLine.lay(court, { seed: 5 });
  const spoken = await russian(303, 304, 306, 307, 308, 310, 314, 316, 319, 320);
  // Speech for longer than the test takes.
  const wav = await writeWav(join(court.dir, "clerk.wav"), Array(8).fill(spoken).flat(), { lead: 1, gap: 0.3 });
  const again = await writeWav(join(court.dir, "witness.wav"), spoken.slice(5), { gap: 0.3 });
  const film = await writeFilm(join(court.dir, "clerk.y4m"));
  [clerk, witness] = await Promise.all([Person.arrive({ wav, film }), FirefoxPerson.arrive({ wav: again })]);
  await meet(clerk, witness, court.seats);
});

after(async () => {
  if (hasFailed) await look({ clerk, witness }, [court?.program.output, line?.program.output]);
  await Promise.all([clerk?.leave(), witness?.leave()]);
  await line?.close();
  await court?.close();
});

onTheLine("on a good line everything arrives", { timeout: 180_000 }, async () => {
  await untilAllIsBack("at first", 90_000);
  await pause(5_000);
  // Two browsers that have just been started may have all of two cores to themselves for a while.
  let both;
  for (let tries = 3; tries > 0; tries -= 1) {
    both = await bothDuring("good line", 10);
    if (both.every(({ framesPerSecond }, at) => framesPerSecond > 0.7 * both[1 - at].sentFramesPerSecond)) break;
  }
  assertSeen(both, 0.7);
  for (const reception of both) {
    assert.equal(reception.soundLoss, 0, "no sound is lost");
    assert.ok(reception.energy > 1e-4, "there is sound");
  }
});

onTheLine("with 5 % loss both ways picture and sound go on", { timeout: 180_000 }, async () => {
  await line.becomes({ both: { loss: 0.05, delay_ms: 20 } });
  await pause(5_000);
  const both = await bothDuring("5 % loss both ways", 20);
  assertSeen(both, 0.5);
  for (const reception of both) {
    assert.equal(reception.connections, 0, "no connection was lost");
    // On a machine with two cores two browsers also freeze for want of them (measured: 5 to 27 %).
    assert.ok(reception.frozen < 0.4, "it moves most of the time");
    assert.ok(reception.energy > 1e-4, "there is sound");
    // 9.75 % are lost on two such lines. What conceals a lost packet lasts up to twice as long; FEC
    // of Firefox's own sound mends nothing here (measured: 10 to 16 % concealed).
    assert.ok(reception.concealed < 0.25, "most of the sound is as it was spoken");
  }
  assertRepaired(both[1]);
});

onTheLine("with 20 % loss both ways people without pictures still hear each other", { timeout: 180_000 }, async () => {
  for (const [, person] of everybody()) await person.press("camera");
  await line.becomes({ both: { loss: 0.2, delay_ms: 20 } });
  await pause(8_000);
  const both = await bothDuring("20 % loss both ways, sound only", 20);
  for (const reception of both) {
    assert.equal(reception.connections, 0, "no connection was lost");
    assert.ok(reception.energy > 1e-4, "there is sound");
    // Of 100 packets 36 are lost on two such lines.
    assert.ok(reception.concealed < 0.6, "a good part of the sound is as it was spoken");
  }
  assertRepaired(both[1]);
  await line.mends();
  for (const [, person] of everybody()) await person.press("camera");
  await untilAllIsBack("after 20 % loss", 60_000);
});

onTheLine("after a line was cut for 10 s everybody is back by themselves", { timeout: 180_000 }, async () => {
  await line.becomes({ both: { cut: true } });
  await pause(10_000);
  await line.mends();
  const took = await untilAllIsBack("after a cut of 10 s", 60_000);
  for (const [name, ms] of Object.entries(took)) assert.ok(ms < 15_000, `${name} took ${ms} ms`);
  await pause(3_000);
  const both = await bothDuring("after the cut", 10);
  assertSeen(both, 0.5);
  for (const reception of both) assert.equal(reception.soundLoss, 0, "no sound is lost");
});

/** How long a person's picture took to be as large and as smooth as `before`, in words. */
async function recoveryOf(person, before) {
  const began = Date.now();
  while (Date.now() - began < RECOVERY_MS) {
    const now = await receptionDuring(person, 2);
    if (now.height >= before.height && now.framesPerSecond > 0.7 * before.framesPerSecond) {
      return `the picture is as before after ${((Date.now() - began) / 1_000).toFixed(0)} s`;
    }
  }
  return `the picture is not as before after ${RECOVERY_MS / 1_000} s`;
}

/** Both people's lines fall, and recover; what was received before, meanwhile and after. */
async function fallAndRise(what, narrow) {
  const wide = { both: { rate_bps: 4_000_000, delay_ms: 20 } };
  await line.becomes(wide);
  await pause(8_000);
  const before = await bothDuring(`${what}, 4 Mbit/s`, 8);
  await line.becomes(narrow);
  await pause(10_000);
  const meanwhile = await bothDuring(`${what}, 0.4 Mbit/s`, 20);
  await line.becomes(wide);
  const took = await untilAllIsBack(`${what}, 4 Mbit/s again`, 60_000);
  report(`${what}: ${await recoveryOf(witness, before[1])}`);
  await bothDuring(`${what}, 4 Mbit/s again`, 8);
  for (const [name, ms] of Object.entries(took)) assert.ok(ms < 30_000, `${name} took ${ms} ms`);
  for (const reception of meanwhile) {
    assert.equal(reception.connections, 0, "no connection was lost");
    assert.ok(reception.energy > 1e-4, "there is sound");
    assert.ok(reception.pictureBps < 400_000, "no more than the line carries");
  }
  return meanwhile;
}

onTheLine("lines that fall from 4 to 0.4 Mbit/s and rise again keep the sound and the connection", { timeout: 240_000 }, async () => {
  const [, atFirefox] = await fallAndRise("both ways", { both: { rate_bps: 400_000, delay_ms: 20 } });
  // Chromium's own sound, which is repaired by FEC.
  assert.ok(atFirefox.concealed < 0.2, "little of the sound is made up");
});
