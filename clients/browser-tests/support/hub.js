import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setInterval as every } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { inTime, PATIENCE } from "./patience.js";

/** The path of the program under test. */
export const PROGRAM = process.env.TIDINGS ?? fileURLToPath(new URL("../../../target/debug/tidings", import.meta.url));

/** No server outlives its test, not even if the test is killed after its time limit. */
const running = new Set();
process.once("SIGTERM", () => process.exit(1));
process.once("exit", () => {
  for (const child of running) child.kill();
});

/** Starts a server on a free port, for example `await startHub("--demo", "--heartbeat", "1")`. */
export async function startHub(...options) {
  if (!existsSync(PROGRAM)) {
    throw new Error(`no program at ${PROGRAM}: run \`cargo build\`, or name one in TIDINGS`);
  }
  const child = spawn(PROGRAM, ["serve", "--listen", "127.0.0.1:0", ...options], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  // Standard error is not inherited, because its reader would wait for a server that outlives its test.
  child.stderr.on("data", (text) => process.stderr.write(text));
  running.add(child);
  const listeners = options.includes("--listen-plain") ? 2 : 1;
  child.once("exit", () => running.delete(child));
  return new Hub(child, await inTimeOf(child, addressesOf(child, listeners), "the server listens"));
}

/**
 * Starts a server with a self-signed certificate on a free port. `secure` is its URL. It also listens without TLS, for
 * the publishes of the tests.
 */
export async function startSecureHub(...options) {
  return startHub("--tls-self-signed", "--listen-plain", "127.0.0.1:0", ...options);
}

/** Waits for this promise, and kills the server if that takes too long. */
async function inTimeOf(child, promise, what) {
  try {
    return await inTime(promise, what);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/** Returns the URLs of the server by their schemes. */
async function addressesOf(child, count) {
  const urls = {};
  for await (const line of createInterface(child.stdout)) {
    const [, url, scheme] = /^listening on ((https?):\S+)/.exec(line) ?? [];
    if (url) urls[scheme] = url;
    if (Object.keys(urls).length === count) {
      child.stdout.resume();
      return urls;
    }
  }
  throw new Error("the server ended before it listened");
}

class Hub {
  #child;

  constructor(child, { http, https }) {
    this.#child = child;
    this.url = http;
    this.secure = https;
  }

  /** Publishes and returns the id. */
  async publish(topic, payload, headers = {}) {
    const answer = await fetch(`${this.url}/topics/${topic}`, { method: "POST", body: payload, headers });
    if (!answer.ok) throw new Error(`publish: ${answer.status} ${await answer.text()}`);
    return (await answer.json()).id;
  }

  /** Returns the value of a metric without labels. */
  async metric(name) {
    const metrics = await (await fetch(`${this.url}/metrics`)).text();
    return Number(new RegExp(`^${name} (\\d+)$`, "m").exec(metrics)[1]);
  }

  /** Publishes `1` to `count` as fast as possible: on one connection, without waiting for responses. */
  async publishMany(topic, count) {
    const { hostname, port, host } = new URL(this.url);
    const socket = connect({ host: hostname, port });
    socket.setTimeout(PATIENCE, () => socket.destroy(new Error("the server does not respond")));
    for (let n = 1; n <= count; n++) {
      const length = `content-length: ${String(n).length}\r\n`;
      const close = n === count ? "connection: close\r\n" : "";
      socket.write(`POST /topics/${topic} HTTP/1.1\r\nhost: ${host}\r\n${length}${close}\r\n${n}`);
    }
    const stored = (await text(socket)).match(/"id"/g)?.length;
    if (stored !== count) throw new Error(`${stored} of ${count} were stored`);
  }

  /** Publishes `1`, `2`, `3`, … until `stop()`, which returns their number. */
  publishNumbers(topic, milliseconds = 20) {
    let going = true;
    const counted = (async () => {
      let count = 0;
      for await (const _ of every(milliseconds)) {
        if (!going) break;
        await this.publish(topic, String(++count));
      }
      return count;
    })();
    return {
      stop: () => {
        going = false;
        return counted;
      },
    };
  }

  /** Ends it by the signal of Ctrl-C, so that it sends goodbyes. */
  async close() {
    const child = this.#child;
    if (child.exitCode !== null || child.signalCode !== null) return;
    child.kill("SIGINT");
    await inTimeOf(child, once(child, "exit"), "the server ends");
  }
}
