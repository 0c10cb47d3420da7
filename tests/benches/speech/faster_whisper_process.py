"""faster-whisper as a process: language, pauses, path and names come in, a line of text goes out.

Arguments: the folder of the model (CTranslate2), the width of the search.
"""

import sys

from faster_whisper import WhisperModel

folder, beam = sys.argv[1:]
# int8 is the fastest way on a processor, and the one that its makers advise.
model = WhisperModel(folder, device="cpu", compute_type="int8", cpu_threads=1, num_workers=1)
print("ready", flush=True)
for line in sys.stdin:
    # What follows are names, which it is given none of.
    language, pauses, path, *_ = line.rstrip("\n").split("\t")
    segments, _ = model.transcribe(
        path,
        language=language,
        beam_size=int(beam),
        # As ours: no second try at a higher temperature, nothing of the sentence before.
        temperature=0.0,
        condition_on_previous_text=False,
        # Its own detector where there is silence to find; a sentence alone is quicker without.
        vad_filter=pauses == "true",
    )
    print(" ".join(segment.text.strip().replace("\n", " ") for segment in segments), flush=True)
