import type { SoundSink } from "./SoundFeed";

/** What the server's pieces are; browsers that cannot play it have no Media Source Extensions for it. */
const SOUND = 'audio/webm; codecs="opus"';

/** Whether this browser can listen back. */
export function canListenBack(): boolean {
  return typeof MediaSource !== "undefined" && MediaSource.isTypeSupported(SOUND);
}

/** Puts pieces of sound together for an element by Media Source Extensions (W3C). */
export function mediaSourceSink(element: HTMLMediaElement): SoundSink {
  const source = new MediaSource();
  const address = URL.createObjectURL(source);
  element.src = address;
  const opened = once(source, "sourceopen").then(() => source.addSourceBuffer(SOUND));
  // What is closed tells of nothing any more, and nobody may wait for it.
  let closeIt = () => {};
  const closed = new Promise<void>((close) => {
    closeIt = close;
  });
  let buffer: SourceBuffer | null = null;
  return {
    async append(bytes) {
      buffer ??= (await Promise.race([opened, closed])) ?? null;
      if (buffer === null || source.readyState !== "open") return;
      const done = once(buffer, "updateend");
      buffer.appendBuffer(bytes);
      await Promise.race([done, closed]);
    },
    buffered() {
      // A buffer that was taken from its source has none.
      if (buffer === null || source.readyState === "closed") return [];
      const { buffered } = buffer;
      return Array.from({ length: buffered.length }, (_, at) => [buffered.start(at), buffered.end(at)] as const);
    },
    close() {
      closeIt();
      element.removeAttribute("src");
      element.load();
      URL.revokeObjectURL(address);
    },
  };
}

function once(target: EventTarget, event: string): Promise<void> {
  return new Promise((happened) => target.addEventListener(event, () => happened(), { once: true }));
}
