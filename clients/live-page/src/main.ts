// Wires the page together: asks the hub what there is, opens a stream by each transport, and draws them all.

import { BrowserCounts } from "./browser-counts.js";
import { Card, copyOf, find, write } from "./card.js";
import { free, Tabs, Turns } from "./connections.js";
import { controls } from "./controls.js";
import { type About, Clock, resource } from "./hub.js";
import { logTo } from "./log.js";
import { Gate, Probe } from "./probe.js";
import { Stream } from "./stream.js";
import { isKnown, known } from "./transports.js";
import { Ledger, Witness } from "./truth.js";
import { summary, Waits } from "./waits.js";
import { plural } from "./words.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const CLOCK_EVERY = 60_000;
const TABS_EVERY = 10_000;

const log = logTo(find(document, "[data-log]"));
const facts = find(document, "[data-value=facts]");
const counts = new BrowserCounts();
const clock = new Clock();
const tabs = new Tabs();

async function start(): Promise<void> {
  const about = await clock.read();
  const asked = new URLSearchParams(location.search).get("topic");
  const topic = asked ?? about.demo ?? `live.${Math.random().toString(36).slice(2, 8)}`;
  const gate = new Gate();
  const ledger = new Ledger();
  const streams: Stream[] = [];
  const cards = about.transports.flatMap((name, at) => {
    const where = find(document, ".cards");
    if (!isKnown(name)) return where.append(unknown(name)), [];
    const turns = new Turns();
    const probe = new Probe(gate, known[name].shares ? turns : free);
    const stream = new Stream(name, { url: resource(topic), clock, probe, turns, witness: new Witness(ledger), log });
    streams.push(stream);
    return [new Card(stream, counts.of(name), at, where)];
  });
  const quiet = asked === null && about.demo === null;
  log(quiet ? `Listening to ${topic}, which is quiet until you publish something` : `Listening to ${topic}`);
  controls({ topic, clock, gate, ledger, streams, log });
  find(document, "[data-value=ways]").textContent = ways(about);

  const waits = new Waits(streams);
  const top = find(document, "main > [data-note=connections]");
  const draw = () => {
    const waiting = streams.filter((stream) => waits.of(stream, tabs.open));
    for (const card of cards) card.draw(gate.offline, waits.of(card.stream, tabs.open));
    top.hidden = waiting.length === 0;
    if (waiting.length > 0) write(top, summary(waiting, tabs.open));
    write(facts, `${shown(topic, quiet)} · ${precision()} · ${plural(tabs.open, "tab")} of this page`);
  };
  every(() => (STILL.matches ? 1000 : 250), draw);
  every(() => CLOCK_EVERY, () => void clock.read().catch(() => {}));
  every(() => TABS_EVERY, () => tabs.ask());
}

/** Calls it now and then, while the page is seen, and at once when it is seen again. */
function every(pause: () => number, call: () => void): void {
  let timer: number | undefined;
  const turn = () => {
    clearTimeout(timer);
    if (document.hidden) return;
    requestAnimationFrame(call);
    timer = setTimeout(turn, pause());
  };
  document.addEventListener("visibilitychange", turn);
  turn();
}

function unknown(name: string): HTMLElement {
  const card = copyOf("unknown-card");
  card.dataset["transport"] = name;
  const title = find(card, "h2");
  title.id = `title-${name}`;
  title.textContent = name;
  card.setAttribute("aria-labelledby", title.id);
  return card;
}

function ways({ transports }: About): string {
  const words = ["no way", "one way", "two ways", "three ways", "four ways", "five ways", "six ways"];
  return `${words[transports.length] ?? `${transports.length} ways`} to your browser`;
}

function shown(topic: string, quiet: boolean): string {
  return quiet ? `Topic ${topic}, quiet until something is published to it` : `Topic ${topic}`;
}

function precision(): string {
  const ahead = Math.abs(clock.ahead) < 1000 ? `${clock.ahead.toFixed(1)} ms` : `${(clock.ahead / 1000).toFixed(1)} s`;
  return `the hub’s clock is ${ahead} ahead of this device’s, known to ± ${Math.max(0.1, clock.precision).toFixed(1)} ms`;
}

start().catch((error: unknown) => {
  facts.textContent = `The hub does not answer: ${(error as Error).message}. Load the page again when it runs.`;
});
