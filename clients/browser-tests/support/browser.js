import { chromium } from "playwright-core";
import { PATIENCE } from "./patience.js";

/** The page's own: what no code caught, and what it wrote to the console as an error. */
const SCRIPT = "script";
/** A request or a WebSocket that failed, for tests that break the network or are refused. */
export const NETWORK = "network";
/** A breach of the Content-Security-Policy. */
export const POLICY = "policy";

/** Debian's Chromium, or the one that CHROMIUM names. */
export function launchBrowser() {
  return chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
}

/**
 * A page in a context of its own, as a new user has one. The test fails at its end if the page had a fault of a kind
 * that is not `expected`. `options` are playwright's of a context.
 */
export async function openPage(t, browser, url, { expected = [], ...options } = {}) {
  const context = await browser.newContext(options);
  context.setDefaultTimeout(PATIENCE);
  const faults = await watch(context);
  t.after(() => {
    const unexpected = faults.filter(({ kind }) => !expected.includes(kind));
    const list = unexpected.map(({ kind, text }) => `${kind}: ${text}`).join("\n");
    if (unexpected.length > 0) throw new Error(`the page had faults that are not expected:\n${list}`);
  });
  const page = await context.newPage();
  await page.goto(url);
  return page;
}

/**
 * Collects the page's faults, each with its kind. They are recognised by what they are and never by the text that the
 * browser writes to its console for them, which differs from version to version.
 */
async function watch(context) {
  const faults = [];
  const add = (kind, text) => faults.push({ kind, text });
  context.on("weberror", (error) => add(SCRIPT, String(error.error())));
  context.on("console", (message) => {
    // The browser's own messages have no arguments.
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
