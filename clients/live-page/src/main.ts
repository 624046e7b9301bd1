// Wires the page together: asks the hub what there is, opens a stream by each transport, and draws them all.

import { absence, Losses } from "./absences.js";
import { BrowserCounts } from "./browser-counts.js";
import { Card, copyOf, find, write } from "./card.js";
import { free, Tabs, Turns } from "./connections.js";
import { controls } from "./controls.js";
import { type About, Clock, position, Refused, resource } from "./hub.js";
import { Log, quoted } from "./log.js";
import { Gate, Probe } from "./probe.js";
import { Stream } from "./stream.js";
import { isKnown, known } from "./transports.js";
import { Ledger, Witness } from "./truth.js";
import { PATIENCE, summary, Waits } from "./waits.js";
import { duration, plural } from "./words.js";

const STILL = matchMedia("(prefers-reduced-motion: reduce)");
const CLOCK_EVERY = 30_000;
const TABS_EVERY = 10_000;

const log = new Log(find(document, "[data-log]"));
const top = find(document, "main > [data-note=connections]");
const facts = find(document, "[data-value=facts]");
const counts = new BrowserCounts();
const clock = new Clock();
const tabs = new Tabs();

async function start(): Promise<void> {
  // Where other tabs have taken all connections, not even this gets through.
  const stuck = setTimeout(() => {
    top.hidden = tabs.open === 1;
    write(top, summary([], tabs.open));
  }, PATIENCE);
  const { about, topic, quiet, after } = await ask().finally(() => clearTimeout(stuck));
  const gate = new Gate();
  const ledger = new Ledger();
  const streams: Stream[] = [];
  const losses = new Losses(log, streams);
  const places = { cards: find(document, ".cards"), glance: find(document, ".glance tbody") };
  const cards = about.transports.flatMap((name, at) => {
    if (!isKnown(name)) {
      places.cards.append(unknown(name));
      return [];
    }
    const turns = new Turns();
    const probe = new Probe(gate, known[name].shares ? turns : free, known[name].message);
    const witness = new Witness(ledger);
    const stream = new Stream(name, { url: resource(topic), after, clock, probe, turns, witness, log, losses });
    streams.push(stream);
    return [new Card(stream, counts.of(name), at, places)];
  });
  log.say("Listening to ", quoted(topic), quiet ? ", which is quiet until you publish something" : "");
  controls({ topic, clock, gate, ledger, streams, log });
  find(document, "[data-value=ways]").textContent = ways(about);

  const waits = new Waits(streams);
  const draw = () => {
    const waiting: Stream[] = [];
    for (const card of cards) {
      const wait = waits.of(card.stream, tabs.open);
      if (wait) waiting.push(card.stream);
      card.draw(gate.offline, wait, absence(card.stream, streams));
    }
    top.hidden = waiting.length === 0;
    write(top, waiting.length > 0 ? summary(waiting, tabs.open) : "");
    write(facts, `${shown(topic, quiet)} · ${precision()} · ${plural(tabs.open, "tab")} of this page`);
  };
  every(() => (STILL.matches ? 1000 : 250), draw);
  every(() => CLOCK_EVERY, () => void clock.read().catch(() => {}));
  every(() => TABS_EVERY, () => tabs.ask());
}

/** What the hub has, what this page is to show of it, and from where. */
async function ask() {
  const about = await clock.read();
  const asked = new URLSearchParams(location.search).get("topic");
  const topic = asked || about.demo || `live.${Math.random().toString(36).slice(2, 8)}`;
  const quiet = !asked && about.demo === null;
  return { about, topic, quiet, after: await position(resource(topic)) };
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
  const { ahead } = clock;
  const within = `± ${duration(Math.max(0.1, clock.precision))}`;
  if (Math.abs(ahead) <= clock.precision) return `the hub’s clock and this device’s agree, ${within}`;
  return `the hub’s clock is ${duration(Math.abs(ahead))} ${ahead > 0 ? "ahead of" : "behind"} this device’s, ${within}`;
}

start().catch((error: unknown) => {
  facts.role = "alert";
  facts.classList.add("fault");
  const { message } = error as Error;
  facts.textContent =
    error instanceof Refused
      ? `The hub refuses the topic in this page’s address: ${message}`
      : `The hub does not answer: ${message}. Load the page again when it runs.`;
});
