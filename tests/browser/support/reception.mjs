import { pause } from "./wait.mjs";

/**
 * What a page receives and sends now, by W3C WebRTC statistics, of the sound and the picture that
 * most has come of: with two people in a hearing, the other one's.
 */
export async function receptionOf(person) {
  return person.page.evaluate(async () => {
    const open = window.keptConnections.filter(({ connectionState }) => connectionState !== "closed");
    const most = { audio: {}, video: {} };
    const sent = { bytes: 0, pictures: [], frames: 0 };
    // Firefox gives no statistics of a connection that is closed while it is asked.
    const soon = new Promise((done) => setTimeout(() => done(new Map()), 2_000));
    for (const connection of open) {
      for (const report of (await Promise.race([connection.getStats(), soon])).values()) {
        if (report.type === "outbound-rtp") {
          sent.bytes += report.bytesSent ?? 0;
          if (report.kind === "video") sent.pictures.push(report.frameHeight ?? 0);
          // Of all sizes of the picture, the one that is sent most often.
          if (report.kind === "video") sent.frames = Math.max(sent.frames, report.framesSent ?? report.framesEncoded ?? 0);
        }
        if (report.type !== "inbound-rtp") continue;
        const known = most[report.kind];
        if ((report.packetsReceived ?? 0) > (known.packetsReceived ?? 0)) most[report.kind] = report;
      }
    }
    const { audio, video } = most;
    return {
      at: performance.now(),
      connections: window.keptConnections.length,
      states: open.map(({ connectionState }) => connectionState),
      frames: video.framesDecoded ?? 0,
      freezes: video.freezeCount ?? 0,
      frozen: video.totalFreezesDuration ?? 0,
      height: video.frameHeight ?? 0,
      pictureBytes: video.bytesReceived ?? 0,
      pictureLost: video.packetsLost ?? 0,
      picturePackets: video.packetsReceived ?? 0,
      energy: audio.totalAudioEnergy ?? 0,
      samples: audio.totalSamplesReceived ?? 0,
      concealed: audio.concealedSamples ?? 0,
      // Of these, those that were silence because nothing came at all.
      silent: audio.silentConcealedSamples ?? 0,
      repaired: audio.fecPacketsReceived ?? 0,
      soundLost: audio.packetsLost ?? 0,
      soundBytes: audio.bytesReceived ?? 0,
      soundPackets: audio.packetsReceived ?? 0,
      sent: sent.bytes,
      sentHeights: sent.pictures,
      sentFrames: sent.frames,
    };
  });
}

/** What a page received in the next `seconds`, as rates and shares. */
export async function receptionDuring(person, seconds) {
  const before = await receptionOf(person);
  await pause(seconds * 1_000);
  const after = await receptionOf(person);
  const grown = (what) => after[what] - before[what];
  const took = grown("at") / 1_000;
  return {
    connections: grown("connections"),
    framesPerSecond: grown("frames") / took,
    freezes: grown("freezes"),
    /** Share of the time in which the picture stood still. */
    frozen: grown("frozen") / took,
    height: after.height,
    pictureBps: (grown("pictureBytes") * 8) / took,
    pictureLoss: grown("pictureLost") / Math.max(1, grown("pictureLost") + grown("picturePackets")),
    /** Growth of `totalAudioEnergy` in a second. */
    energy: grown("energy") / took,
    /** Share of the sound that was made up by the decoder. */
    concealed: grown("concealed") / Math.max(1, grown("samples")),
    soundLoss: grown("soundLost") / Math.max(1, grown("soundLost") + grown("soundPackets")),
    sentBps: (grown("sent") * 8) / took,
    sentFramesPerSecond: grown("sentFrames") / took,
    sentHeights: after.sentHeights,
  };
}

/** One line of figures, to be read by people. */
export function told(reception) {
  const share = (value) => `${(value * 100).toFixed(1)} %`;
  const r = reception;
  return (
    `${r.framesPerSecond.toFixed(1)} frames/s of ${r.height} lines, ${r.freezes} freezes (${share(r.frozen)} of the time), ` +
    `picture ${(r.pictureBps / 1_000).toFixed(0)} kbit/s with ${share(r.pictureLoss)} lost, ` +
    `sound energy ${r.energy.toFixed(4)}/s, ${share(r.concealed)} concealed, ${share(r.soundLoss)} lost, ` +
    `sends ${(r.sentBps / 1_000).toFixed(0)} kbit/s with ${r.sentFramesPerSecond.toFixed(1)} frames/s`
  );
}
