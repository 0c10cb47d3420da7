/** Levels below this are silence for the bar, in dBFS. */
const FLOOR_DB = -60;
/** How often the level is read. */
const READ_EVERY_MS = 50;

/** Turns samples of -1 to 1 into 0 to 1 of the bar: logarithmic, as loudness is heard. */
export function levelOf(samples: Float32Array): number {
  let sum = 0;
  for (const sample of samples) sum += sample * sample;
  const rms = Math.sqrt(sum / Math.max(1, samples.length));
  const db = rms > 0 ? 20 * Math.log10(rms) : FLOOR_DB;
  return Math.min(1, Math.max(0, 1 - db / FLOOR_DB));
}

/** Reads how loud a microphone is until the returned function is called. */
export function meterLevel(track: MediaStreamTrack, onLevel: (level: number) => void): () => void {
  const context = new AudioContext();
  const analyser = context.createAnalyser();
  analyser.fftSize = 1024;
  const source = context.createMediaStreamSource(new MediaStream([track]));
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  // Without a gesture the context may be suspended; it starts with the first click or key.
  const resume = () => void context.resume();
  window.addEventListener("pointerdown", resume);
  window.addEventListener("keydown", resume);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    onLevel(levelOf(samples));
  }, READ_EVERY_MS);
  return () => {
    clearInterval(timer);
    window.removeEventListener("pointerdown", resume);
    window.removeEventListener("keydown", resume);
    source.disconnect();
    void context.close();
  };
}

/** Plays a short rising tone through the chosen loudspeaker, for the speaker test. */
export async function playTestTone(speakerId: string): Promise<void> {
  const context = new AudioContext();
  if (speakerId !== "" && "setSinkId" in context) {
    await (context as AudioContext & { setSinkId(id: string): Promise<void> }).setSinkId(speakerId);
  }
  await context.resume();
  const gain = context.createGain();
  gain.connect(context.destination);
  const start = context.currentTime;
  const notesHz = [523, 659, 784];
  notesHz.forEach((frequency, index) => {
    const tone = context.createOscillator();
    tone.frequency.value = frequency;
    tone.connect(gain);
    tone.start(start + index * 0.25);
    tone.stop(start + index * 0.25 + 0.22);
  });
  gain.gain.setValueAtTime(0.25, start);
  gain.gain.setTargetAtTime(0, start + 0.7, 0.05);
  await new Promise((resolve) => setTimeout(resolve, 1_000));
  await context.close();
}
