/**
 * Makes a page send what a broken device or program sends, as long as `window.faulty` says so; for
 * `addInitScript`. It works between encoder and packets: levels of the sound go on as spoken.
 * - `silence`: Opus packets of silence.
 * - `picture`: frames of noise, whose header promises more of it than there is. (Of noise as long as
 *   its header says a decoder makes some picture.)
 * - `clock`: packets of sound whose time stands still.
 */
export function faultySender() {
  window.faulty = { silence: false, picture: false, clock: false };
  const Kept = window.RTCPeerConnection;
  const withFrames = (configuration) => ({ ...configuration, encodedInsertableStreams: true });

  /** 20 ms of silence (RFC 6716, section 3.1: CELT, full band, one frame). */
  const SILENCE = [0xf8, 0xff, 0xfe];
  /** Frame tag of a VP8 frame, and start code and size of a key frame (RFC 6386, section 9.1). */
  const VP8_TAG = 3;
  const VP8_KEY_HEAD = 10;
  let stoodAt = null;

  function silent(data, sender) {
    const isRed = sender.getParameters().codecs[0]?.mimeType === "audio/red";
    if (!isRed) return Uint8Array.from(SILENCE).buffer;
    // RED (RFC 2198): earlier blocks have the first bit set, and 4 bytes; the last one has 1.
    const bytes = new Uint8Array(data);
    let last = 0;
    while (bytes[last] & 0x80) last += 4;
    return Uint8Array.from([bytes[last], ...SILENCE]).buffer;
  }

  function sound(frame, sender) {
    if (window.faulty.silence) frame.data = silent(frame.data, sender);
    if (!window.faulty.clock) {
      stoodAt = null;
      return frame;
    }
    const metadata = frame.getMetadata();
    stoodAt ??= metadata.rtpTimestamp;
    return new RTCEncodedAudioFrame(frame, { metadata: { ...metadata, rtpTimestamp: stoodAt } });
  }

  function picture(frame) {
    if (!window.faulty.picture) return frame;
    const bytes = new Uint8Array(frame.data);
    // The length of the first partition is in the upper 19 bits of the tag.
    bytes.set([bytes[0] | 0xe0, 0xff, 0xff]);
    const head = frame.type === "key" ? VP8_KEY_HEAD : VP8_TAG;
    crypto.getRandomValues(bytes.subarray(head, head + 65_536));
    frame.data = bytes.buffer;
    return frame;
  }

  window.RTCPeerConnection = class extends Kept {
    constructor(configuration) {
      super(withFrames(configuration));
      // What arrives stays as it is; but nothing arrives unless it is passed on.
      this.addEventListener("track", ({ receiver }) => {
        const { readable, writable } = receiver.createEncodedStreams();
        void readable.pipeTo(writable);
      });
    }

    setConfiguration(configuration) {
      super.setConfiguration(withFrames(configuration));
    }

    addTransceiver(track, init) {
      const transceiver = super.addTransceiver(track, init);
      if (typeof track === "string") return transceiver;
      const { readable, writable } = transceiver.sender.createEncodedStreams();
      const change = track.kind === "audio" ? sound : picture;
      const changed = new TransformStream({
        transform(frame, next) {
          next.enqueue(change(frame, transceiver.sender));
        },
      });
      void readable.pipeThrough(changed).pipeTo(writable);
      return transceiver;
    }
  };
}
