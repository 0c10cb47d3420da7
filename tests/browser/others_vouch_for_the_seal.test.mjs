import assert from "node:assert/strict";
import { after, before } from "node:test";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { TimeStampAuthority, Witness } from "./support/attestors.mjs";
import { withTurnedBit } from "./support/bundle.mjs";
import { Court } from "./support/court.mjs";
import { OTYRYS, run } from "./support/program.mjs";
import { step } from "./support/step.mjs";
import { pause, until } from "./support/wait.mjs";

/** A hearing's log is signed each minute. */
const SIGNED_MS = 90_000;
/** Of the story that is played: of some 34 s each, longer than the log is signed twice. */
const ROUNDS = "5";
const CLOSED_MS = 180_000;
const DELIVERED_MS = 120_000;
/** So long the sealed record is watched while nobody answers. */
const WAITS_MS = 8_000;

/** What the log says then. */
const WAITS = /job="attach".*time-stamping authority.*witness witness\.test/;

let court;
let courtKey;
let authority;
let witness;
let natives;

const packages = async () =>
  (await court.registry(`/cases/${encodeURIComponent(court.hearing.case_number)}`)).packages.length;

before(async () => {
  court = await Court.open({ OTYRYS_DRAFT__ENABLED: "false", OTYRYS_ROOM_FILE__ENABLED: "false" });
  await court.stop();
  const printed = await run(OTYRYS, ["key"], { env: { OTYRYS_SERVER__DATA_DIR: court.dataDir } });
  assert.equal(printed.code, 0, printed.output);
  courtKey = printed.output.trim();
  authority = await TimeStampAuthority.found(join(court.dir, "authority"));
  witness = await Witness.found(join(court.dir, "witness"), courtKey);
  await witness.start();
  await writeFile(
    join(court.dir, "otyrys.toml"),
    [
      `[seal.time_stamp]\nurl = "${authority.url}"\nauthority_file = "${authority.roots}"`,
      `[[seal.witness]]\nurl = "${witness.url}"\nkey = "${witness.key}"\ntrust = "${witness.trust}"\n`,
    ].join("\n"),
  );
  await court.start();
});

after(async () => {
  await natives?.stop();
  if (step.hasFailed) process.stderr.write(`${court?.program.output}\n${natives?.output}\n${witness?.program.output}\n`);
  await court?.close();
  await witness?.program.stop();
  await authority?.stop();
});

step("a witness signs the log of a hearing while it is held, also after a power cut", { timeout: 300_000 }, async () => {
  natives = court.rehearse(["judge", "clerk", "defendant", "witness"], "--no-picture", "--rounds", ROUNDS);
  const signed = () => court.program.lines().filter((line) => line.includes("the log of a hearing was signed")).length;
  await until("the log is signed", () => signed() >= 1, SIGNED_MS);
  await pause(1_000);
  await witness.program.kill();
  await witness.start();
  await until("the log is signed again", () => signed() >= 2, SIGNED_MS);
  await pause(1_000);
  assert.doesNotMatch(court.program.output, /a witness did not sign/);
});

step("a sealed record waits for who is to vouch for it, also over a power cut", { timeout: 400_000 }, async () => {
  await witness.program.stop();
  assert.equal((await natives.ended).code, 0, natives.output);
  await until("somebody did not vouch", () => WAITS.test(court.program.output), CLOSED_MS);
  await pause(WAITS_MS);
  assert.equal(await packages(), 0, "nothing is delivered");
  await court.kill();
  await court.start();
  await witness.start();
  await authority.start();
  await until("the record is delivered", async () => (await packages()) === 1, DELIVERED_MS);
});

step("whoever has their keys can tell offline that they vouch, and what was changed", { timeout: 60_000 }, async () => {
  const demands = ["--authority", authority.roots, "--witness", witness.key];
  const keyFile = join(court.dir, "court.key");
  await writeFile(keyFile, courtKey);
  assert.equal((await court.export()).code, 0);
  const verify = (dir, ...more) => run(OTYRYS, ["verify", dir, "--key", keyFile, ...more]);
  const whole = await verify(court.bundleDir, ...demands);
  process.stdout.write(`# ${whole.output.replaceAll("\n", "\n# ")}\n`);
  assert.equal(whole.code, 0, whole.output);
  const [seal, stamp] = ["seal.txt", "seal.tsr"].map((name) => join(court.bundleDir, name));
  assert.ok(await authority.vouchesFor(seal, stamp), "OpenSSL says so too");

  for (const path of ["seal.tsr", "seal.txt"]) {
    const turned = await withTurnedBit(court.bundleDir, path, (copy) => verify(copy, ...demands));
    assert.notEqual(turned.code, 0, turned.output);
    assert.ok(turned.output.includes(path), turned.output);
  }
  const another = await TimeStampAuthority.found(join(court.dir, "another"));
  const stranger = await Witness.found(join(court.dir, "stranger"), courtKey);
  await stranger.start();
  await stranger.program.stop();
  for (const demand of [
    ["--authority", another.roots],
    ["--witness", stranger.key],
  ]) {
    const refused = await verify(court.bundleDir, ...demand);
    assert.notEqual(refused.code, 0, refused.output);
  }
});
