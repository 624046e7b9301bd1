// What the browser itself has counted, by transport. An observer sees every entry; the list that
// `performance.getEntries()` returns ends at 250.

export interface Counted {
  requests: number;
  bytes: number;
}

export class BrowserCounts {
  readonly #counts = new Map<string, Counted>();

  constructor() {
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries() as PerformanceResourceTiming[]) {
        const transport = new URL(entry.name).searchParams.get("transport");
        if (transport === null) continue;
        const counted = this.of(transport);
        counted.requests += 1;
        counted.bytes += entry.transferSize;
      }
    }).observe({ type: "resource", buffered: true });
  }

  of(transport: string): Counted {
    let counted = this.#counts.get(transport);
    if (!counted) this.#counts.set(transport, (counted = { requests: 0, bytes: 0 }));
    return counted;
  }
}
