import { openPage } from "./browser.js";
import { startHub, startSecureHub } from "./hub.js";
import { startProxy } from "./proxy.js";
import { BLANK } from "./test-page.js";

/**
 * Starts a server, a proxy before it and a page for one test. `options` are the arguments of the server, `pages` are
 * the files that the proxy serves itself, and `path` is that of the page. The other options are those of `openPage`.
 */
export async function testbed(t, browser, { options = [], pages = BLANK, path = "/test/", ...ofPage } = {}) {
  const opened = [];
  t.after(() => closeAll(opened));
  const hub = await startHub(...options);
  opened.push(hub);
  const proxy = await startProxy(hub, pages);
  opened.push(proxy);
  const page = await openPage(t, browser, proxy.url + path, ofPage);
  opened.push(page.context());
  return { hub, proxy, page };
}

/** Starts a server with TLS, and opens `path` of it without a proxy. The other options are those of `openPage`. */
export async function secureTestbed(t, browser, { options = [], path = "/healthz", ...ofPage } = {}) {
  const opened = [];
  t.after(() => closeAll(opened));
  const hub = await startSecureHub(...options);
  opened.push(hub);
  const page = await openPage(t, browser, hub.secure + path, { ignoreHTTPSErrors: true, ...ofPage });
  opened.push(page.context());
  return { hub, page };
}

/** Closes a page before its server, because a page without its server has faults. */
async function closeAll(opened) {
  for (const it of opened.reverse()) await it.close();
}
