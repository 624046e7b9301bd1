// The plot of a latency window. All cards have the same scale, so that they can be compared.

import uPlot from "uplot";

import { LEAST, SLOTS } from "./latency-window.js";

const MOST = 10_000;
/** Milliseconds. A logarithmic scale has room for the latencies of a quiet stream and of one that was cut. */
const TICKS = [LEAST, 1, 10, 100, 1000, MOST];
const LABELS = ["0.1 ms", "1 ms", "10 ms", "100 ms", "1 s", "10 s"];
/** Points that are more than this many seconds apart are not joined. */
const JOINED = 3;

export class Plot {
  readonly #chart: uPlot;
  readonly #seconds = Array.from({ length: SLOTS }, (_, at) => ((at + 1 - SLOTS) / SLOTS) * 60);

  constructor(target: HTMLElement) {
    const style = getComputedStyle(target);
    const colour = (name: string) => () => style.getPropertyValue(name);
    const size = () => ({ width: target.clientWidth, height: target.clientHeight });
    const axis = { stroke: colour("--quiet"), font: `11px ${style.fontFamily}`, ticks: { show: false } };
    const times = { splits: () => [-60, -30, 0], values: () => ["−60 s", "−30 s", "now"], grid: { show: false } };
    const latencies = { splits: () => TICKS, values: () => LABELS, grid: { stroke: colour("--grid"), width: 1 } };
    const options: uPlot.Options = {
      ...size(),
      padding: [8, 14, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      scales: { x: { time: false, range: [-60, 0] }, y: { distr: 3, range: [LEAST, MOST] } },
      axes: [
        { ...axis, ...times, size: 24, gap: 9 },
        { ...axis, ...latencies, size: 48, gap: 6 },
      ],
      series: [
        {},
        {
          stroke: colour("--series"),
          width: 1.25,
          points: { show: true, size: 4, fill: colour("--series") },
          gaps: (chart, _series, _from, _to, empty) =>
            empty.filter(([from, to]) => to - from > (chart.bbox.width / 60) * JOINED),
        },
      ],
    };
    this.#chart = new uPlot(options, [this.#seconds, []], target);
    new ResizeObserver(() => this.#chart.setSize(size())).observe(target);
  }

  draw(slots: readonly (number | null)[]): void {
    const line = slots.map((latency) => latency && Math.min(MOST, latency));
    this.#chart.setData([this.#seconds, line]);
  }
}
