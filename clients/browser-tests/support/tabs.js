import { inTime } from "./patience.js";

/**
 * Tabs of one window, of which only one is visible. Playwright keeps all its pages visible, so these tabs are
 * controlled by the DevTools protocol.
 */
export async function openTabs(browser) {
  const session = await browser.newBrowserCDPSession();
  const { browserContextId } = await session.send("Target.createBrowserContext");
  return {
    async open(url) {
      const { targetId } = await session.send("Target.createTarget", { url: "about:blank", browserContextId });
      const { sessionId } = await session.send("Target.attachToTarget", { targetId, flatten: false });
      const tab = new Tab(session, targetId, sessionId);
      await tab.go(url);
      return tab;
    },
  };
}

class Tab {
  /** The errors of the page. Errors that the browser writes to the console are not included. */
  faults = [];
  #session;
  #targetId;
  #sessionId;
  #answers = new Map();
  #last = 0;

  constructor(session, targetId, sessionId) {
    this.#session = session;
    this.#targetId = targetId;
    this.#sessionId = sessionId;
    session.on("Target.receivedMessageFromTarget", (received) => {
      if (received.sessionId === sessionId) this.#hear(JSON.parse(received.message));
    });
  }

  async go(url) {
    await Promise.all(["Runtime.enable", "Page.enable"].map((method) => this.#send(method)));
    await this.#send("Page.navigate", { url });
  }

  front() {
    return this.#session.send("Target.activateTarget", { targetId: this.#targetId });
  }

  freeze() {
    return this.#send("Page.setWebLifecycleState", { state: "frozen" });
  }

  thaw() {
    return this.#send("Page.setWebLifecycleState", { state: "active" });
  }

  /** Calls the function in the page and returns its result. */
  async evaluate(made, ...given) {
    const expression = `(${made})(...${JSON.stringify(given)})`;
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", {
      expression,
      returnByValue: true,
      awaitPromise: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until the function returns a true value. In a hidden tab it is called at most once per second. */
  async until(condition, ...given) {
    const met = this.evaluate(`async (given) => {
      while (!(${condition})(...given)) await new Promise((resolve) => setTimeout(resolve, 100));
    }`, given);
    await inTime(met, condition);
  }

  #send(method, params = {}) {
    const id = ++this.#last;
    const answer = new Promise((resolve, reject) => this.#answers.set(id, { resolve, reject }));
    const message = JSON.stringify({ id, method, params });
    return this.#session
      .send("Target.sendMessageToTarget", { sessionId: this.#sessionId, message })
      .then(() => answer);
  }

  #hear({ id, result, error, method, params }) {
    const answer = this.#answers.get(id);
    this.#answers.delete(id);
    if (error) answer?.reject(new Error(error.message));
    else answer?.resolve(result);

    if (method === "Runtime.exceptionThrown") this.faults.push(params.exceptionDetails.text);
    if (method === "Runtime.consoleAPICalled" && params.type === "error") this.faults.push(JSON.stringify(params.args));
  }
}
