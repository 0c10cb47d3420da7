import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { freePort } from "./court.mjs";
import { keepConnections, Person, SLOW_MS } from "./person.mjs";

export const FIREFOX = process.env.OTYRYS_FIREFOX ?? "/usr/bin/firefox-esr";
const PREFERENCES = {
  // A camera and a microphone of its own: a coloured picture and a tone.
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // Without a sound card Firefox's AudioContext stands still; this one has a clock of its own.
  "media.cubeb.force_mock_context": true,
  // The server of a test is on this machine.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // No H.264 plug-in is fetched from the network.
  "media.gmp-manager.updateEnabled": false,
  "media.gmp-provider.enabled": false,
  "intl.accept_languages": "ru-RU",
};

/**
 * Lets the page's microphone speak a WAV file, again and again. Firefox's own fake microphone has a
 * tone, which Opus encodes as music, without the repair that it has for speech (RFC 6716, 2.1.7).
 */
function speakFromFile(base64) {
  const devices = MediaDevices.prototype;
  const native = devices.getUserMedia;
  const speech = async () => {
    const context = new AudioContext();
    const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
    const source = context.createBufferSource();
    source.buffer = await context.decodeAudioData(bytes.buffer);
    source.loop = true;
    const microphone = context.createMediaStreamDestination();
    source.connect(microphone);
    source.start();
    return microphone.stream;
  };
  devices.getUserMedia = function (wish) {
    return wish.video ? native.call(this, wish) : speech();
  };
}

/** A person with a Firefox of their own. */
export class FirefoxPerson extends Person {
  /**
   * `wav`: spoken again and again from the moment that the page opens the microphone. `site`: where
   * the person is; else at this machine.
   */
  static async arrive({ wav, viewport = { width: 1280, height: 800 }, site } = {}) {
    const person = new FirefoxPerson();
    person.folder = await mkdtemp(join(tmpdir(), "otyrys-firefox-"));
    const debuggingPort = site === undefined ? undefined : await freePort();
    await site?.reaches(debuggingPort);
    person.browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: site?.firefox ?? FIREFOX,
      debuggingPort,
      headless: true,
      userDataDir: person.folder,
      acceptInsecureCerts: true,
      extraPrefsFirefox: PREFERENCES,
      defaultViewport: viewport,
      protocolTimeout: SLOW_MS,
    });
    person.page = await person.browser.newPage();
    person.page.setDefaultTimeout(SLOW_MS);
    person.faults = [];
    person.page.on("pageerror", (error) => person.faults.push(String(error)));
    await person.page.evaluateOnNewDocument(keepConnections);
    if (wav !== undefined) {
      await person.page.evaluateOnNewDocument(speakFromFile, (await readFile(wav)).toString("base64"));
    }
    return person;
  }

  async leave() {
    await this.browser.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  async sees(testId, ms = SLOW_MS) {
    await this.page.waitForSelector(`[data-testid="${testId}"]`, { visible: true, timeout: ms });
  }

  async press(testId) {
    // Waits, as Playwright does, until the button can be pressed.
    await this.page.locator(`[data-testid="${testId}"]`).setTimeout(SLOW_MS).click();
  }

  async attribute(testId, name) {
    await this.page.waitForSelector(`[data-testid="${testId}"]`);
    return this.page.$eval(`[data-testid="${testId}"]`, (element, wanted) => element.getAttribute(wanted), name);
  }
}
