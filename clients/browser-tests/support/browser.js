import { chromium } from "playwright-core";

/** What Chromium itself writes when a connection breaks or a request is refused, in tests that do so. */
export const NETWORK_ERRORS = [/^Failed to load resource: /, /^WebSocket connection to '[^']+' failed/];

/** How long a test waits for what should come. */
const PATIENCE = 30_000;

/** Debian's Chromium, or the one that CHROMIUM names. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

/**
 * A page in a context of its own, as a new user has one. The test fails at its end if the page told of an error that
 * no pattern of `expected` matches. `options` are playwright's of a context.
 */
export async function openPage(t, browser, url, { expected = [], ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE);
  const faults = watch(context);
  t.after(() => {
    const unexpected = faults.filter((fault) => !expected.some((pattern) => pattern.test(fault)));
    if (unexpected.length > 0) throw new Error(`the page told of errors:\n${unexpected.join("\n")}`);
  });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/** Collects the console's errors (breaches of the Content-Security-Policy are among them) and what nobody caught. */
function watch(context) {
  const faults = [];
  context.on("console", (message) => {
    if (message.type() === "error") faults.push(message.text());
  });
  context.on("weberror", (error) => faults.push(String(error.error())));
  return faults;
}
