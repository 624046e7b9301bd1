// Starts the page: reads the server's list of transports, opens a stream by each of them, and draws their cards.

import { Card } from "./card.js";
import { Controls } from "./controls.js";
import { find, quoted, write } from "./dom.js";
import { duration } from "./format.js";
import { Log } from "./log.js";
import { LossCheck } from "./loss-check.js";
import { Clock, httpVersion, request, resource } from "./server.js";
import { Stream } from "./stream.js";
import { usable } from "./transports.js";

const DRAW_EVERY = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 250;
const CLOCK_EVERY = 30_000;

const facts = find(document, "[data-value=facts]");

async function start(): Promise<void> {
  const clock = new Clock();
  const about = await clock.read();
  const named = new URLSearchParams(location.search).get("topic");
  const topic = named || about.demo || `live.${Math.random().toString(36).slice(2, 8)}`;
  const url = resource(topic);
  // All streams begin at the same position, so that their counts can be compared.
  const { cursor: after } = await request(url);

  const log = new Log(find(document, "[data-log]"));
  log.add("Subscribed to ", quoted(topic));
  const shared = { url, about, after, clock, check: new LossCheck(), log };
  const streams = usable(about).map((name) => new Stream(name, shared));
  const cards = streams.map((stream, at) => new Card(stream, at));
  new Controls(shared, streams);

  const protocol = httpVersion();
  const over = protocol && ` · page over ${protocol}`;
  const draw = () => {
    if (document.hidden) return;
    for (const card of cards) card.draw();
    write(facts, `Topic ${topic}${over} · server clock read to ± ${duration(clock.precision)}`);
  };
  draw();
  setInterval(draw, DRAW_EVERY);
  setInterval(() => void clock.read().catch(() => {}), CLOCK_EVERY);
}

start().catch((error: Error) => {
  facts.role = "alert";
  facts.textContent = `This page cannot start: ${error.message}. Check its address and the server, then load it again.`;
});
