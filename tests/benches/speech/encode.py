"""Makes files as a recorder writes them (WebM, Opus at 32 kbit/s) of recorded speech.

Reads JSON from standard input, a list of {"target": path, "parts": [path or milliseconds]}: sounds
and silence, one after the other. Answers with the seconds of each file, as a list.
"""

import json
import sys

import av
import numpy as np

RATE = 48_000


def sound(part):
    """Samples of a file, or of so many milliseconds of silence."""
    if isinstance(part, int):
        return np.zeros(RATE * part // 1000, dtype=np.int16)
    resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
    with av.open(part) as container:
        frames = [out for frame in container.decode(audio=0) for out in resampler.resample(frame)]
    frames += resampler.resample(None)
    samples = np.concatenate([frame.to_ndarray()[0] for frame in frames])
    # Room noise that breaks off sounds like a click: the ends fade within 50 ms.
    ramp = np.linspace(0.0, 1.0, RATE // 20)
    samples[: len(ramp)] = samples[: len(ramp)] * ramp
    samples[-len(ramp) :] = samples[-len(ramp) :] * ramp[::-1]
    return samples


def encode(target, samples):
    with av.open(target, "w", format="webm") as container:
        stream = container.add_stream("libopus", rate=RATE, layout="mono")
        stream.bit_rate = 32_000
        for start in range(0, len(samples), RATE // 50):
            block = samples[start : start + RATE // 50]
            frame = av.AudioFrame.from_ndarray(block.reshape(1, -1), format="s16", layout="mono")
            frame.sample_rate, frame.pts = RATE, start
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


seconds = []
for file in json.load(sys.stdin):
    samples = np.concatenate([sound(part) for part in file["parts"]])
    encode(file["target"], samples)
    seconds.append(len(samples) / RATE)
json.dump(seconds, sys.stdout)
