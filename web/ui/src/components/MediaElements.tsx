import { useEffect, useRef } from "react";

/** Shows a stream without its sound. */
export function StreamVideo({ stream, mirrored = false, label }: { stream: MediaStream; mirrored?: boolean; label: string }) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    const video = element.current;
    if (video === null) return;
    video.srcObject = stream;
    void video.play().catch(() => undefined);
    return () => {
      video.srcObject = null;
    };
  }, [stream]);
  return <video ref={element} className={mirrored ? "mirrored" : undefined} muted autoPlay playsInline aria-label={label} />;
}

type AudioProps = { stream: MediaStream; speakerId: string; onBlocked: () => void; attempt: number };

/** Plays a stream's sound; tells when the browser wants a click first. `attempt` tries again. */
export function StreamAudio({ stream, speakerId, onBlocked, attempt }: AudioProps) {
  const element = useRef<HTMLAudioElement>(null);
  useEffect(() => {
    const audio = element.current;
    if (audio === null) return;
    if (audio.srcObject !== stream) audio.srcObject = stream;
    audio.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") onBlocked();
    });
  }, [stream, attempt, onBlocked]);
  useEffect(() => {
    const audio = element.current;
    if (audio !== null && speakerId !== "" && "setSinkId" in audio) {
      void audio.setSinkId(speakerId).catch(() => undefined);
    }
  }, [speakerId]);
  return <audio ref={element} autoPlay />;
}
