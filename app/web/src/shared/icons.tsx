/** Line icons on a 16-pixel grid, drawn for this application. */
const paths = {
  search: "M7 12.5a5.5 5.5 0 1 0 0-11 5.5 5.5 0 0 0 0 11zm4-1.5 3.5 3.5",
  copy: "M5.5 5.5h8v8h-8zM10.5 3v-.5h-8v8H3",
  check: "M2.5 8.5 6 12l7.5-8",
  cross: "M3.5 3.5l9 9m0-9-9 9",
  close: "M3.5 3.5l9 9m0-9-9 9",
  minus: "M3 8h10",
  info: "M8 14.5a6.5 6.5 0 1 0 0-13 6.5 6.5 0 0 0 0 13zM8 7.2v4M8 4.6v.2",
  warn: "M8 2 1.5 13.5h13zM8 6.5v3.2M8 11.6v.2",
  shield: "M8 1.5 2.5 3.5v4c0 3.4 2.3 5.8 5.5 7 3.2-1.2 5.5-3.6 5.5-7v-4zM5.5 8l2 2 3.2-3.8",
  wallet: "M2 4.5h11a1 1 0 0 1 1 1v7a1 1 0 0 1-1 1H3a1 1 0 0 1-1-1zm0 0L10.500 2v2.500M11 9h.2",
  chain:
    "M6.500 9.500l3-3M7 5l1.500-1.500a2.800 2.800 0 0 1 4 4L11 9M9 11l-1.500 1.500a2.800 2.800 0 0 1-4-4L5 7",
  download: "M8 2v8m-3.500-3L8 10.500 11.500 7M2.500 13.500h11",
  sun: "M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1",
  moon: "M13.500 9.500A6 6 0 0 1 6.500 2.500a6 6 0 1 0 7 7z",
  settings:
    "M2 4.500h7m4 0h1M2 11.500h1m4 0h7M11 6.300a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600zM5 13.300a1.800 1.800 0 1 0 0-3.600 1.800 1.800 0 0 0 0 3.600z",
  send: "M8 13.500v-11M3.500 7 8 2.500 12.500 7",
  stop: "M4 4h8v8H4z",
  retry: "M13.500 8a5.500 5.500 0 1 1-1.800-4.100M13.500 1.500v3h-3",
  edit: "M2.500 13.500l.7-3 7.800-7.800 2.300 2.300-7.800 7.800z",
  plus: "M8 3v10M3 8h10",
  trash: "M2.500 4.500h11M6 4.500v-2h4v2M4 4.500l.600 9h6.800l.600-9",
  left: "M10 3 5 8l5 5",
  right: "M6 3l5 5-5 5",
  down: "M3 6l5 5 5-5",
  key: "M5.500 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM7.600 7.900 13.500 2m-2 2 1.500 1.500M9.500 6l1.500 1.500",
  node: "M2.500 2.500h11v4h-11zm0 7h11v4h-11zM5 4.500h.2M5 11.500h.2",
  lock: "M4 7.500h8v6H4zm1.500 0V5a2.500 2.500 0 0 1 5 0v2.500",
  memory: "M4.500 4.500h7v7h-7zM6.500 1.500v3m3-3v3m-3 7v3m3-3v3m-8-8h3m-3 3h3m7-3h3m-3 3h3",
  menu: "M2 4h12M2 8h12M2 12h12",
  file: "M4 1.500h5.500L12.500 4.500v10h-8.500zM9 1.500v3.500h3.500",
  image: "M2 3h12v10H2zM2 11l3.500-3.500 3 3 2-2L14 12M10.500 6.500h.2",
  exit: "M6.500 2.500h-4v11h4M10.500 5 13.500 8l-3 3M13.500 8H6",
} as const;

export type IconName = keyof typeof paths;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      className="icon"
      viewBox="0 0 16 16"
      width="16"
      height="16"
      fill="none"
      stroke="currentColor"
      strokeWidth="1.5"
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={paths[name]} />
    </svg>
  );
}
