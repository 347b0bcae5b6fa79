/** Small charts in SVG, each with its numbers in a table for those who do not see it. */
import { type PointerEvent, useId, useRef, useState } from "react";

export interface Point {
  readonly at: number;
  readonly value: number;
}

const WIDTH = 640;
const HEIGHT = 150;
const BASE = HEIGHT - 20;

function scale(points: readonly Point[]) {
  const xs = points.map((point) => point.at);
  const first = Math.min(...xs);
  const span = Math.max(1, Math.max(...xs) - first);
  const top = Math.max(1e-12, ...points.map((point) => point.value));
  return {
    x: (at: number) => ((at - first) / span) * WIDTH,
    y: (value: number) => BASE - (value / top) * (BASE - 12),
  };
}

/** A line over time, in steps for values that jump, such as a log's size. */
export function LineChart({
  points,
  label,
  show,
  when,
  step = false,
}: {
  points: readonly Point[];
  label: string;
  show: (value: number) => string;
  when: (at: number) => string;
  step?: boolean;
}) {
  const id = useId();
  const svg = useRef<SVGSVGElement>(null);
  const [over, setOver] = useState<number | null>(null);
  if (points.length < 2) return null;
  const { x, y } = scale(points);
  const [first, ...rest] = points;
  const last = points.at(-1);
  if (!first || !last) return null;
  const line = [
    `M${x(first.at)} ${y(first.value)}`,
    ...rest.map((point) =>
      step ? `H${x(point.at)}V${y(point.value)}` : `L${x(point.at)} ${y(point.value)}`,
    ),
  ].join("");
  const found = over === null ? undefined : points[over];
  const move = (event: PointerEvent) => {
    const box = svg.current?.getBoundingClientRect();
    if (!box) return;
    const at = ((event.clientX - box.left) / box.width) * WIDTH;
    const nearest = points.reduce(
      (best, point, index) =>
        Math.abs(x(point.at) - at) < Math.abs(x(points[best]?.at ?? 0) - at) ? index : best,
      0,
    );
    setOver(nearest);
  };
  return (
    <figure className="chart">
      <svg
        ref={svg}
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
        aria-describedby={id}
        onPointerMove={move}
        onPointerLeave={() => setOver(null)}
      >
        <path className="chart-area" d={`${line}V${BASE}H${x(first.at)}Z`} />
        <path className="chart-line" d={line} vectorEffect="non-scaling-stroke" />
        <path className="chart-base" d={`M0 ${BASE}H${WIDTH}`} vectorEffect="non-scaling-stroke" />
        {found && (
          <path className="chart-cursor" d={`M${x(found.at)} 0V${BASE}`} vectorEffect="non-scaling-stroke" />
        )}
      </svg>
      <figcaption>
        <span>{when(first.at)}</span>
        <span className="chart-now">
          {found ? `${show(found.value)} · ${when(found.at)}` : show(last.value)}
        </span>
        <span>{when(last.at)}</span>
      </figcaption>
      <ChartTable id={id} points={points} label={label} show={show} when={when} />
    </figure>
  );
}

export function BarChart({
  points,
  label,
  show,
  when,
}: {
  points: readonly Point[];
  label: string;
  show: (value: number) => string;
  when: (at: number) => string;
}) {
  const id = useId();
  const top = Math.max(1e-12, ...points.map((point) => point.value));
  const width = WIDTH / Math.max(1, points.length);
  const first = points[0];
  const last = points.at(-1);
  if (!first || !last) return null;
  return (
    <figure className="chart">
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={label}
        aria-describedby={id}
      >
        {points.map((point, at) => {
          const height = Math.max(point.value > 0 ? 2 : 0, (point.value / top) * (BASE - 8));
          return (
            <rect
              key={point.at}
              className="chart-bar"
              x={at * width + width * 0.12}
              width={Math.max(1, width * 0.76)}
              y={BASE - height}
              height={height}
            >
              <title>{`${when(point.at)}: ${show(point.value)}`}</title>
            </rect>
          );
        })}
        <path className="chart-base" d={`M0 ${BASE}H${WIDTH}`} vectorEffect="non-scaling-stroke" />
      </svg>
      <figcaption>
        <span>{when(first.at)}</span>
        <span>{when(last.at)}</span>
      </figcaption>
      <ChartTable id={id} points={points} label={label} show={show} when={when} />
    </figure>
  );
}

function ChartTable({
  id,
  points,
  label,
  show,
  when,
}: {
  id: string;
  points: readonly Point[];
  label: string;
  show: (value: number) => string;
  when: (at: number) => string;
}) {
  return (
    <div id={id} className="unseen">
      <table>
        <caption>{label}</caption>
        <tbody>
          {points.slice(-24).map((point, at) => (
            <tr key={`${point.at}-${String(at)}`}>
              <th scope="row">{when(point.at)}</th>
              <td>{show(point.value)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
