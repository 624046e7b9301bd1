import { spawn } from "node:child_process";
import { once } from "node:events";
import { delimiter, dirname } from "node:path";
import { PROGRAM } from "./hub.js";
import { PATIENCE } from "./patience.js";

/** The program under test is found by its name. */
const env = { ...process.env, PATH: `${dirname(PROGRAM)}${delimiter}${process.env.PATH}` };

/** Returns the output of the command up to `text`. Repeats `meanwhile` until then, because the command may start late. */
export async function output(t, command, text, meanwhile) {
  const child = spawn("sh", ["-c", `exec ${command}`], { stdio: ["ignore", "pipe", "ignore"], env });
  t.after(() => child.kill());
  let written = "";
  let isOpen = true;
  child.stdout.on("data", (chunk) => (written += chunk));
  // Not `exit`, because the last output may arrive after it.
  const closed = once(child, "close").then(() => (isOpen = false));
  const until = Date.now() + PATIENCE;
  while (!written.includes(text) && isOpen && Date.now() < until) {
    await meanwhile();
    await Promise.race([once(child.stdout, "data"), closed, new Promise((resolve) => setTimeout(resolve, 100))]);
  }
  return written;
}
