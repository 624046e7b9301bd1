// What can be done to all streams at once: publish, flood, go offline. The page comes with all of it disabled.

import { Arrivals } from "./arrivals.js";
import { find, write } from "./card.js";
import { type Clock, resource } from "./hub.js";
import { type Log, quoted } from "./log.js";
import type { Gate } from "./probe.js";
import type { Stream } from "./stream.js";
import type { Ledger } from "./truth.js";
import { count, duration } from "./words.js";

/** Publishes at the same time, in a flood. The streams need connections as well. */
const AT_ONCE = 3;

export interface Page {
  readonly topic: string;
  readonly clock: Clock;
  readonly gate: Gate;
  readonly ledger: Ledger;
  readonly streams: readonly Stream[];
  readonly log: Log;
}

export function controls(page: Page): void {
  offline(page);
  publish(page);
  flood(page);
}

function offline({ gate, streams, log }: Page): void {
  const button = find<HTMLButtonElement>(document, "[data-action=offline]");
  button.disabled = false;
  button.addEventListener("click", () => {
    if (!gate.offline) for (const stream of streams) stream.leaves("offline");
    gate.offline = !gate.offline;
    button.textContent = gate.offline ? "Go online" : "Go offline";
    log.say(gate.offline ? "The page is offline" : "The page is online again");
    // What a browser does when its network is back: clients wake by it.
    if (!gate.offline) dispatchEvent(new Event("online"));
  });
}

function publish(page: Page): void {
  const form = find<HTMLFormElement>(document, "[data-form=publish]");
  const words = find<HTMLInputElement>(form, "input");
  words.disabled = find<HTMLButtonElement>(form, "button").disabled = !isOne(page.topic);
  if (words.disabled) find(form, "label").textContent = "A filter is read from; to publish needs a topic";
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = words.value;
    const sent = page.clock.now();
    const arrivals = new Arrivals(page.streams, sent);
    try {
      await send(page, text, sent);
      arrivals.tell(page.log, text);
    } catch (error) {
      arrivals.end();
      page.log.say("Not published, “", quoted(text), `”: ${(error as Error).message}`);
    }
  });
}

function flood(page: Page): void {
  const button = find<HTMLButtonElement>(document, "[data-action=flood]");
  const many = find<HTMLSelectElement>(document, "#many");
  const progress = find<HTMLProgressElement>(document, ".flood progress");
  const told = find(document, "[data-value=flood]");
  button.disabled = many.disabled = !isOne(page.topic);
  let running: AbortController | undefined;

  button.addEventListener("click", async () => {
    if (running) return running.abort();
    running = new AbortController();
    const { signal } = running;
    const total = Number(many.value);
    button.textContent = "Stop";
    progress.hidden = false;
    const began = performance.now();
    let [next, done] = [0, 0];
    const show = setInterval(() => {
      progress.value = done / total;
      write(told, `${count(done)} of ${count(total)}`);
    }, 100);
    const publisher = async () => {
      while (next < total && !signal.aborted) {
        next += 1;
        await send(page, `flood ${count(next)}`);
        done += 1;
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_ONCE }, publisher));
      const whole = `${count(done)} published in ${duration(performance.now() - began)}`;
      page.log.say(`Flooded: ${done < total ? `${count(done)} of ${count(total)}, stopped` : whole}`);
    } catch (error) {
      running.abort();
      page.log.say(`The flood ended after ${count(done)}: ${(error as Error).message}`);
    }
    clearInterval(show);
    progress.hidden = true;
    write(told, "");
    button.textContent = "Flood";
    running = undefined;
  });
}

async function send({ topic, clock, gate, ledger }: Page, text: string, sent = clock.now()): Promise<void> {
  if (gate.offline) throw new Error("the page is offline");
  const body = JSON.stringify({ text, sent });
  const response = await fetch(resource(topic), { method: "POST", body }).catch(() => {
    throw new Error("the hub does not answer");
  });
  // What stands before a hub that is away answers in other forms.
  const answer = (await response.json().catch(() => ({}))) as { id: string; error?: { message: string } };
  if (!response.ok) throw new Error(answer.error?.message ?? `the hub answered ${response.status}`);
  ledger.exists(answer.id);
}

const isOne = (topic: string) => !/[*>,]/.test(topic);
