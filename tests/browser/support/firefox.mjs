import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import puppeteer from "puppeteer-core";
import { keepConnections, Person, SLOW_MS } from "./person.mjs";

const FIREFOX = process.env.OTYRYS_FIREFOX ?? "/usr/bin/firefox-esr";
const PREFERENCES = {
  // A camera and a microphone of its own: a coloured picture and a tone.
  "media.navigator.streams.fake": true,
  "media.navigator.permission.disabled": true,
  "media.autoplay.default": 0,
  "media.autoplay.blocking_policy": 0,
  // The server of a test is on this machine.
  "media.peerconnection.ice.loopback": true,
  "media.peerconnection.ice.obfuscate_host_addresses": false,
  // No H.264 plug-in is fetched from the network.
  "media.gmp-manager.updateEnabled": false,
  "media.gmp-provider.enabled": false,
  "intl.accept_languages": "ru-RU",
};

/** A person with a Firefox of their own, who sends a tone. */
export class FirefoxPerson extends Person {
  static async arrive({ viewport = { width: 1280, height: 800 } } = {}) {
    const person = new FirefoxPerson();
    person.folder = await mkdtemp(join(tmpdir(), "otyrys-firefox-"));
    person.browser = await puppeteer.launch({
      browser: "firefox",
      executablePath: FIREFOX,
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
