// The latency of the last minute. All cards have the same scale, so that they compare by eye.

import uPlot from "uplot";

import { type Minute, SLOTS } from "./minute.js";

/** From a tenth of a millisecond to ten seconds: a stream at rest and one that was cut both fit, on a log scale. */
const RANGE: [number, number] = [0.1, 10_000];
const TICKS: Readonly<Record<number, string>> =
  { 0.1: "0.1 ms", 1: "1 ms", 10: "10 ms", 100: "100 ms", 1000: "1 s", 10_000: "10 s" };
const HEIGHT = 150;
/** Neighbours further apart than this many seconds are not joined: nothing came between. */
const JOINED = 3;

export class Plot {
  readonly #chart: uPlot;
  readonly #seconds = Array.from({ length: SLOTS }, (_, at) => ((at + 1 - SLOTS) / SLOTS) * 60);
  readonly #line: (number | null)[] = new Array<number | null>(SLOTS).fill(null);

  constructor(
    readonly minute: Minute,
    readonly target: HTMLElement,
    colour: string,
  ) {
    const style = getComputedStyle(document.documentElement);
    const of = (name: string) => () => style.getPropertyValue(name);
    const axis = { stroke: of("--quiet"), font: `11px ${style.getPropertyValue("--text")}`, ticks: { show: false } };
    this.#chart = new uPlot(
      {
        width: this.#width(),
        height: HEIGHT,
        padding: [8, 14, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: {
          x: { time: false, range: [-60, 0] },
          y: { distr: 3, range: RANGE },
        },
        axes: [
          {
            ...axis,
            size: 24,
            gap: 9,
            grid: { show: false },
            splits: () => [-60, -30, 0],
            values: () => ["−60 s", "−30 s", "now"],
          },
          {
            ...axis,
            size: 48,
            gap: 6,
            grid: { stroke: of("--grid"), width: 1 },
            splits: () => Object.keys(TICKS).map(Number).sort((a, b) => a - b),
            filter: (_, splits) => splits,
            values: (_, splits) => splits.map((split) => TICKS[split] ?? ""),
          },
        ],
        series: [
          {},
          {
            stroke: of(colour),
            width: 1.25,
            points: { show: true, size: 4, fill: of(colour) },
            gaps: (chart, _series, _from, _to, empty) =>
              empty.filter(([from, to]) => to - from > (chart.bbox.width / 60) * JOINED),
          },
        ],
      },
      [this.#seconds, this.#line],
      target,
    );
    new ResizeObserver(() => this.#chart.setSize({ width: this.#width(), height: HEIGHT })).observe(target);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#chart.redraw());
  }

  draw(): void {
    this.minute.plot(this.#line);
    this.#line.forEach((latency, at) => {
      if (latency !== null) this.#line[at] = Math.min(RANGE[1], Math.max(RANGE[0], latency));
    });
    this.#chart.setData([this.#seconds, this.#line]);
  }

  #width(): number {
    return Math.max(160, this.target.clientWidth);
  }
}
