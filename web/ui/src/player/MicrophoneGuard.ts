/** A person's own microphone, as far as it must not pick up what is played back. */
export type OwnMicrophone = {
  readonly isHeard: boolean;
  setMuted(muted: boolean): void;
};

/**
 * Switches the own microphone off while something is played back, so that nobody hears it as spoken
 * now, and on again after. Who switches it on meanwhile wants to speak: then the playback stops.
 */
export class MicrophoneGuard {
  private readonly microphone: OwnMicrophone;
  private readonly stopPlaying: () => void;
  private wasPlaying = false;
  private holds = false;

  constructor(microphone: OwnMicrophone, stopPlaying: () => void) {
    this.microphone = microphone;
    this.stopPlaying = stopPlaying;
  }

  /** To be told whenever playing or the microphone may have changed. */
  look(playing: boolean): void {
    const { wasPlaying, holds } = this;
    this.wasPlaying = playing;
    if (playing && !wasPlaying && this.microphone.isHeard) {
      this.holds = true;
      this.microphone.setMuted(true);
    } else if (playing && holds && this.microphone.isHeard) {
      this.holds = false;
      this.stopPlaying();
    } else if (!playing && holds) {
      this.holds = false;
      this.microphone.setMuted(false);
    }
  }
}
