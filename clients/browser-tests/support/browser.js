import { chromium } from "playwright-core";
import { PATIENCE } from "./patience.js";

/** An error of the page: an uncaught error, or one that it has written to the console. */
const SCRIPT = "script";
/** A failed request or WebSocket, for tests that break the network or are rejected. */
export const NETWORK = "network";
/** A violation of the Content-Security-Policy. */
export const POLICY = "policy";

/** Starts Debian's Chromium, or the browser at the path in CHROMIUM. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

/**
 * Opens a page in a new context, which is like a new browser profile. The test fails at its end if the page had a fault
 * of a kind that is not in `expected`. The other options are those of a context of playwright.
 */
export async function openPage(t, browser, url, { expected = [], ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE);
  const faults = await watch(context);
  t.after(() => {
    const unexpected = faults.filter(({ kind }) => !expected.includes(kind));
    const list = unexpected.map(({ kind, text }) => `${kind}: ${text}`).join("\n");
    if (unexpected.length > 0) throw new Error(`the page had unexpected faults:\n${list}`);
  });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/**
 * Collects the faults of the page, each with its kind. They are recognised by their events and not by the text on the
 * console, which differs between versions of the browser.
 */
async function watch(context) {
  const faults = [];
  const add = (kind, text) => faults.push({ kind, text });
  context.on("weberror", (error) => add(SCRIPT, String(error.error())));
  context.on("console", (message) => {
    // Messages of the browser have no arguments.
    if (message.type() === "error" && message.args().length > 0) add(SCRIPT, message.text());
  });
  context.on("response", (response) => {
    if (response.status() >= 400) add(NETWORK, `${response.status()} ${response.url()}`);
  });
  context.on("requestfailed", (request) => {
    const { errorText } = request.failure();
    // The page itself has aborted it.
    if (errorText !== "net::ERR_ABORTED") add(NETWORK, `${errorText} ${request.url()}`);
  });
  context.on("page", (page) => {
    page.on("websocket", (socket) => socket.on("socketerror", (error) => add(NETWORK, `${error} ${socket.url()}`)));
  });
  await context.exposeBinding("reportViolation", (_, directive) => add(POLICY, directive));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (event) => window.reportViolation(event.effectiveDirective));
  });
  return faults;
}
