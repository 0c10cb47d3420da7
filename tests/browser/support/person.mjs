import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";
import { writeWav } from "./speech.mjs";
import { until } from "./wait.mjs";

/** Where screenshots go. */
export const OUTPUT = fileURLToPath(new URL("../output", import.meta.url));

export const CHROMIUM = process.env.OTYRYS_CHROMIUM ?? "/usr/bin/chromium";
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--ignore-certificate-errors",
  "--allow-loopback-in-peer-connection",
  "--autoplay-policy=no-user-gesture-required",
];
/** What a page may take on a machine that also recognises speech. */
export const SLOW_MS = 60_000;

/** Keeps the page's connections where a test can ask for their statistics. */
export function keepConnections() {
  const Native = window.RTCPeerConnection;
  window.keptConnections = [];
  window.RTCPeerConnection = class extends Native {
    constructor(...args) {
      super(...args);
      window.keptConnections.push(this);
    }
  };
}

/** So long somebody waits who pressed a button and sees nothing happen. */
const PRESSED_AGAIN_MS = 3_000;

/** A person with a browser of their own, who speaks what is in a WAV file. */
export class Person {
  /**
   * `wav`: spoken once, from the moment that the page opens the microphone; silent without. `film`: a
   * Y4M file that the camera sees, again and again.
   */
  static async arrive({
    wav,
    film,
    devices = true,
    language = "ru-RU",
    viewport = { width: 1280, height: 800 },
    executable = CHROMIUM,
  } = {}) {
    const person = new Person();
    person.folder = await mkdtemp(join(tmpdir(), "otyrys-person-"));
    // Without a file Chromium's fake microphone beeps each second, which keeps the recogniser from
    // what others say.
    const silence = join(person.folder, "silence.wav");
    await writeWav(silence, [], { lead: 1 });
    person.browser = await chromium.launch({
      executablePath: executable,
      headless: true,
      args: [
        ...FLAGS,
        "--use-fake-ui-for-media-stream",
        ...(devices ? ["--use-fake-device-for-media-stream"] : []),
        `--use-file-for-fake-audio-capture=${wav ?? silence}%noloop`,
        ...(film === undefined ? [] : [`--use-file-for-fake-video-capture=${film}`]),
      ],
    });
    person.context = await person.browser.newContext({ ignoreHTTPSErrors: true, locale: language, viewport });
    await person.context.addInitScript(keepConnections);
    person.page = await person.context.newPage();
    person.page.setDefaultTimeout(SLOW_MS);
    person.faults = [];
    person.page.on("pageerror", (error) => person.faults.push(String(error)));
    return person;
  }

  async leave() {
    await this.browser.close();
    await rm(this.folder, { recursive: true });
  }

  by(testId) {
    return this.page.getByTestId(testId);
  }

  /** Waits until it is on the page. */
  async sees(testId, ms = SLOW_MS) {
    await this.by(testId).first().waitFor({ state: "visible", timeout: ms });
  }

  async press(testId) {
    await this.by(testId).click();
  }

  /** Opens an invitation and passes the self-test, up to the waiting room. */
  async takeSeat(seat) {
    this.id = seat.participant_id;
    await this.page.goto(seat.link);
    await this.press("ready");
    // The page grows while devices are found, and on a busy machine the button may move away between
    // the finger's going down and up: then a person presses again, too.
    let pressed = Date.now();
    await until("the word that the person is ready is taken", async () => {
      const again = Date.now() - pressed > PRESSED_AGAIN_MS;
      if (again) pressed = Date.now();
      return this.page.evaluate((press) => {
        const ready = document.querySelector('[data-testid="ready"]');
        if (ready === null || ready.disabled) return true;
        if (press) ready.click();
        return false;
      }, again);
    });
  }

  /** Frames decoded so far of the picture of each of these people. */
  async framesOf(ids) {
    return this.page.evaluate(async (people) => {
      const decoded = {};
      for (const connection of window.keptConnections) {
        if (connection.connectionState === "closed") continue;
        for (const report of (await connection.getStats()).values()) {
          if (report.type === "inbound-rtp") decoded[report.trackIdentifier] = report.framesDecoded ?? 0;
        }
      }
      return people.map((id) => {
        const video = document.querySelector(`[data-testid="tile-${id}"] video`);
        return decoded[video?.srcObject?.getVideoTracks()[0]?.id] ?? 0;
      });
    }, ids);
  }

  /** Energy of each sound that arrives (W3C WebRTC statistics, `totalAudioEnergy`), the most first. */
  async soundEnergies() {
    return this.page.evaluate(async () => {
      const energies = [];
      for (const connection of window.keptConnections) {
        if (connection.connectionState === "closed") continue;
        for (const report of (await connection.getStats()).values()) {
          if (report.type === "inbound-rtp" && report.kind === "audio") energies.push(report.totalAudioEnergy ?? 0);
        }
      }
      return energies.sort((a, b) => b - a);
    });
  }

  /** How the page's media goes now: the candidates of the pair in use (W3C WebRTC statistics). */
  async path() {
    return this.page.evaluate(async () => {
      for (const connection of window.keptConnections) {
        if (connection.connectionState !== "connected") continue;
        const reports = [...(await connection.getStats()).values()];
        const byId = (id) => reports.find((report) => report.id === id);
        const transport = reports.find(({ type, selectedCandidatePairId }) => type === "transport" && selectedCandidatePairId);
        // Firefox has no statistics of transports: there the pair itself says that it is in use.
        const pair = byId(transport?.selectedCandidatePairId) ?? reports.find(({ selected }) => selected);
        if (pair === undefined) continue;
        const [near, far] = [byId(pair.localCandidateId), byId(pair.remoteCandidateId)];
        return {
          protocol: near.protocol,
          // By what the browser reaches the relay.
          relay: near.candidateType === "relay" ? near.relayProtocol : null,
          near: near.address,
          nearPort: near.port,
          farPort: far.port,
          // Firefox counts for the pair only.
          sent: transport?.bytesSent ?? pair.bytesSent,
          connections: window.keptConnections.length,
        };
      }
      return null;
    });
  }

  /** The attribute of an element, once it is there. */
  async attribute(testId, name) {
    return this.by(testId).first().getAttribute(name);
  }

  async isOnRecord() {
    return (await this.attribute("rec-indicator", "data-on")) === "true";
  }

  /** Admits somebody who waits, and sees them in the room. */
  async admits(seat) {
    await this.press(`admit-${seat.participant_id}`);
    await until(
      `${seat.role} is admitted`,
      async () => (await this.attribute(`person-${seat.participant_id}`, "data-presence")) === "admitted",
      SLOW_MS,
    );
  }

  /** Opens the session and goes on record. */
  async goesOnRecord() {
    await this.press("start-session");
    await this.press("record-on");
    await until("the session is on record", () => this.isOnRecord(), SLOW_MS);
  }

  async closesHearing() {
    await this.press("close-hearing");
    await this.press("close-confirm");
    await this.sees("hearing-over");
  }

  async corrects(line, text) {
    await this.by(`edit-${line}`).click();
    await this.by("edited-text").fill(text);
    await this.by("save-edit").click();
    // Everybody is told before the answer closes the editor, or after it.
    await this.by("edited-text").waitFor({ state: "detached" });
    await until("the line says who corrected it", () => this.by(`edited-${line}`).count());
  }

  /** The draft as the page shows it. */
  async lines() {
    return this.page.locator("[data-testid^='line-']").evaluateAll((lines) =>
      lines.map((line) => ({
        id: line.dataset.testid.slice("line-".length),
        participant: line.dataset.participant,
        startMs: Number(line.dataset.startMs),
        text: line.querySelector(".line-text [lang]").textContent,
      })),
    );
  }
}

/** A clerk and a witness take their seats, and the clerk lets the witness in. */
export async function meet(clerk, witness, seats) {
  await Promise.all([clerk.takeSeat(seats.clerk), witness.takeSeat(seats.witness)]);
  await clerk.sees("hearing-room");
  await witness.sees("waiting");
  await clerk.admits(seats.witness);
  await witness.sees("hearing-room");
}

/** After a failure: what people had on their screens, and what programs said. */
export async function look(people, outputs) {
  await mkdir(OUTPUT, { recursive: true });
  for (const [name, person] of Object.entries(people)) {
    if (person === undefined) continue;
    const path = `${OUTPUT}/failed-${name}.png`;
    await person.page.screenshot({ path }).catch(() => undefined);
    process.stdout.write(`# ${name} sees ${path}; faults: ${person.faults.join("; ")}\n`);
  }
  for (const output of outputs) {
    process.stdout.write(String(output ?? "").replaceAll(/^/gm, "# ") + "\n");
  }
}
