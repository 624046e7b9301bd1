import { openPage } from "./browser.js";
import { startHub } from "./hub.js";
import { startProxy } from "./proxy.js";
import { BLANK } from "./test-page.js";

/**
 * Starts a server, a proxy before it and a page for one test. `options` are the arguments of the server, `pages` are
 * the files that the proxy serves itself, and `path` is that of the page. The other options are those of `openPage`.
 */
export async function testbed(t, browser, { options = [], pages = BLANK, path = "/test/", ...ofPage } = {}) {
  const opened = [];
  t.after(async () => {
    for (const it of opened.reverse()) await it.close();
  });
  const hub = await startHub(...options);
  opened.push(hub);
  const proxy = await startProxy(hub, pages);
  opened.push(proxy);
  const page = await openPage(t, browser, proxy.url + path, ofPage);
  opened.push(page.context());
  return { hub, proxy, page };
}
