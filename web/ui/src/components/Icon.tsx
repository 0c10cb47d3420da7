const PATHS = {
  microphone: "M12 3a3 3 0 0 0-3 3v6a3 3 0 0 0 6 0V6a3 3 0 0 0-3-3zM5 11a7 7 0 0 0 14 0M12 18v3M8 21h8",
  microphoneOff:
    "M9 9v3a3 3 0 0 0 5 2.2M15 10V6a3 3 0 0 0-5.6-1.5M5 11a7 7 0 0 0 11.5 5.4M19 11a7 7 0 0 1-.7 3M12 18v3M8 21h8M3 3l18 18",
  camera: "M3 6h12v12H3zM15 10l6-3.5v11L15 14z",
  cameraOff: "M8 6h7v6.5M15 18H3V6h1M15 10l6-3.5v11M3 3l18 18",
  speaker: "M4 9v6h4l5 4V5L8 9zM16.5 8.5a5 5 0 0 1 0 7M19 6a8.5 8.5 0 0 1 0 12",
  leave: "M10 4H5v16h5M14 8l4 4-4 4M18 12H9",
  people: "M9 11a3.5 3.5 0 1 0 0-7 3.5 3.5 0 0 0 0 7zM2.5 20a6.5 6.5 0 0 1 13 0M16 4.5a3.5 3.5 0 0 1 0 6M18 14.5a6.5 6.5 0 0 1 3.5 5.5",
  document: "M6 3h8l4 4v14H6zM14 3v4h4M9 12h6M9 16h6",
  picture: "M3 5h18v14H3zM3 16l5-5 4 4 3-3 6 5",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4L2.5 20h19zM12 10v5M12 17.5v.5",
  play: "M7 4.5v15l12-7.5z",
  pause: "M8 5v14M16 5v14",
  clock: "M12 21a9 9 0 1 0 0-18 9 9 0 0 0 0 18zM12 7v5l3.5 2",
  hourglass: "M6 3h12M6 21h12M7 3v4l5 5 5-5V3M7 21v-4l5-5 5 5v4",
  link: "M10 14a4 4 0 0 0 6 .5l3-3a4 4 0 0 0-5.7-5.7L12 7M14 10a4 4 0 0 0-6-.5l-3 3a4 4 0 0 0 5.7 5.7L12 17",
  returnBack: "M9 7l-5 5 5 5M4 12h11a5 5 0 0 1 0 10",
  down: "M12 5v14M6 13l6 6 6-6",
  lost: "M3 3l18 18M8.5 16.5a5 5 0 0 1 7 0M5 13a10 10 0 0 1 4.5-2.6M19 13a10 10 0 0 0-3.5-2.3M2 9.5a15 15 0 0 1 4-2.5M22 9.5A15 15 0 0 0 11 5.5M12 20v.1",
  gate: "M4 21V5l8-2 8 2v16M4 21h16M12 3v18M9 12h.1M15 12h.1",
  emblem: "M12 4v14M7 20h10M5 8h14M5 8l-2.5 6h5zM19 8l-2.5 6h5z",
  chevron: "M6 9l6 6 6-6",
  screen: "M3 5h18v11H3zM9 20h6M12 16v4",
} as const;

export type IconName = keyof typeof PATHS;

/** A sign from the house's own set. The words beside it, or on its control, name it. */
export function Icon({ name, size = 20 }: { name: IconName; size?: number }) {
  return (
    <svg className="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} fill="none" stroke="currentColor" strokeWidth="2" strokeLinecap="round" strokeLinejoin="round" />
    </svg>
  );
}
