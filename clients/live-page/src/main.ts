// Starts the page: reads what the server has, opens a stream by each transport, and draws them all.

import { Card } from "./card.js";
import { Controls } from "./controls.js";
import { copyOf, find, quoted, write } from "./dom.js";
import { duration } from "./format.js";
import { Log } from "./log.js";
import { LossCheck } from "./loss-check.js";
import { Clock, position, resource } from "./server.js";
import { Stream } from "./stream.js";
import { isKnown } from "./transports.js";

const DRAW_EVERY = matchMedia("(prefers-reduced-motion: reduce)").matches ? 1000 : 250;
const CLOCK_EVERY = 30_000;

const facts = find(document, "[data-value=facts]");

async function start(): Promise<void> {
  const clock = new Clock();
  const { transports, demo } = await clock.read();
  const named = new URLSearchParams(location.search).get("topic");
  const topic = named || demo || `live.${Math.random().toString(36).slice(2, 8)}`;
  const url = resource(topic);
  const after = await position(url);

  const log = new Log(find(document, "[data-log]"));
  const check = new LossCheck();
  const shared = { url, after, clock, check, log };
  const cards: Card[] = [];
  for (const [at, name] of transports.entries()) {
    if (isKnown(name)) cards.push(new Card(new Stream(name, shared), at));
    else addUnknown(name);
  }
  log.add("Subscribed to ", quoted(topic), named || demo ? "" : ", which is quiet until something is published");
  new Controls({ ...shared, topic, streams: cards.map(({ stream }) => stream) });

  const draw = () => {
    if (document.hidden) return;
    for (const card of cards) card.draw();
    write(facts, `Topic ${topic} · server clock read to ± ${duration(Math.max(0.1, clock.precision))}`);
  };
  draw();
  setInterval(draw, DRAW_EVERY);
  document.addEventListener("visibilitychange", draw);
  setInterval(() => void clock.read().catch(() => {}), CLOCK_EVERY);
}

function addUnknown(name: string): void {
  const card = copyOf("unknown-card");
  card.dataset["transport"] = name;
  find(card, "h2").textContent = name;
  find(document, ".cards").append(card);
}

start().catch((error: Error) => {
  facts.role = "alert";
  facts.classList.add("fault");
  facts.textContent = `This page cannot start: ${error.message}. Check its address and the server, then load it again.`;
});
