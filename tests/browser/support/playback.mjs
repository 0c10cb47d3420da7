import { RATE } from "./sound.mjs";

/** Keeps the elements that play something where a test can listen to them; for `addInitScript`. */
export function keepPlayers() {
  const { play } = HTMLMediaElement.prototype;
  window.keptPlayers = new Set();
  HTMLMediaElement.prototype.play = function () {
    if (this.src.startsWith("blob:")) window.keptPlayers.add(this);
    return play.call(this);
  };
}

/** Keeps the moment at which the page got its microphone; for `addInitScript`. */
export function keepMicrophoneStart() {
  const devices = navigator.mediaDevices;
  // The empty page before the first one has none.
  if (devices === undefined) return;
  const open = devices.getUserMedia.bind(devices);
  devices.getUserMedia = async (wish) => {
    const stream = await open(wish);
    if (wish.audio) window.microphoneSince ??= Date.now();
    return stream;
  };
}

/**
 * What is heard of the record on a page for so long: samples as `decode` gives them, and when the
 * first one was heard, in milliseconds since 1970.
 */
export async function listen(person, ms) {
  const { samples, since } = await person.page.evaluate(
    async ([rate, length]) => {
      const context = new AudioContext({ sampleRate: rate });
      const taker = context.createScriptProcessor(1024, 1, 1);
      const parts = [];
      taker.onaudioprocess = ({ inputBuffer }) => parts.push(inputBuffer.getChannelData(0).slice());
      for (const element of window.keptPlayers) {
        if (!element.paused) context.createMediaStreamSource(element.captureStream()).connect(taker);
      }
      taker.connect(context.destination);
      const started = Date.now();
      await new Promise((done) => setTimeout(done, length));
      await context.close();
      return { samples: parts.flatMap((part) => [...part].map((value) => Math.round(value * 32_767))), since: started };
    },
    [RATE, ms],
  );
  return { samples: Int16Array.from(samples), since };
}
