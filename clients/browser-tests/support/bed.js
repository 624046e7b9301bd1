import { openPage } from "./browser.js";
import { startHub } from "./hub.js";
import { startProxy } from "./proxy.js";
import { BLANK } from "./test-page.js";

/**
 * A hub, a proxy before it and a page on it, for one test: the hub's command line `options`, what the proxy serves of
 * itself, where the page begins, and the rest as `openPage` has it.
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
