/**
 * The layers in which a camera's picture is sent (simulcast, RFC 8853), from the smallest to the
 * largest: the server takes their order for their size.
 */

/** Least heights of a picture that is sent in three layers and in two: below, the smallest would show no face. */
const THREE_LAYERS_HEIGHT = 540;
const TWO_LAYERS_HEIGHT = 270;

/** What VP8 needs for heads and shoulders at 25 frames a second, in bits per second. */
const QUARTER_BPS = 150_000;
const HALF_BPS = 500_000;
const FULL_BPS = 1_500_000;
const FULL_OF_TWO_BPS = 800_000;

/** The encodings of a picture that is `height` pixels high. */
export function encodingsFor(height: number): RTCRtpEncodingParameters[] {
  if (height >= THREE_LAYERS_HEIGHT) {
    return [
      { rid: "q", scaleResolutionDownBy: 4, maxBitrate: QUARTER_BPS },
      { rid: "h", scaleResolutionDownBy: 2, maxBitrate: HALF_BPS },
      { rid: "f", maxBitrate: FULL_BPS },
    ];
  }
  if (height >= TWO_LAYERS_HEIGHT) {
    return [
      { rid: "h", scaleResolutionDownBy: 2, maxBitrate: QUARTER_BPS },
      { rid: "f", maxBitrate: FULL_OF_TWO_BPS },
    ];
  }
  return [{ maxBitrate: HALF_BPS }];
}

/** Goes on with the layers of `watched`, counted from the smallest, and pauses the others. */
export async function sendLayers(sender: RTCRtpSender, watched: readonly number[]): Promise<void> {
  const parameters = sender.getParameters();
  let changes = false;
  parameters.encodings.forEach((encoding, layer) => {
    const active = watched.includes(layer);
    changes ||= (encoding.active ?? true) !== active;
    encoding.active = active;
  });
  if (changes) await sender.setParameters(parameters);
}
