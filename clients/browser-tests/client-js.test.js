// `/client.js` of the server, used by a page without npm and a bundler.

import assert from "node:assert/strict";
import { once } from "node:events";
import http from "node:http";
import { after, before, test } from "node:test";
import { testbed } from "./support/bed.js";
import { launchBrowser, openPage } from "./support/browser.js";
import { startHub } from "./support/hub.js";

let browser;
before(async () => {
  browser = await launchBrowser();
});
after(() => browser.close());

/** Returns a page that imports the client from `client` and shows the topic `news` of `hub`. */
const page = (client, hub) => `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>plain</title><link rel="icon" href="data:,"><ul></ul>
<script type="module">
  import { tidings } from "${client}";

  const feed = tidings("${hub}/topics/news", { after: "earliest" });
  feed.on("notification", ({ data }) => {
    document.querySelector("ul").append(Object.assign(document.createElement("li"), { textContent: data }));
  });
  window.publish = (data) => feed.publish(data);
</script>`;

async function follows(page, hub) {
  await hub.publish("news", "from elsewhere");
  await page.locator("li", { hasText: "from elsewhere" }).waitFor();
  await page.evaluate(() => window.publish("from the page"));
  await page.locator("li", { hasText: "from the page" }).waitFor();
  assert.equal(await page.locator("li").count(), 2);
}

test("a page of another origin imports the client from a server without a live page and subscribes", async (t) => {
  const server = http.createServer((_, response) => response.setHeader("content-type", "text/html").end(server.page));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  const origin = `http://127.0.0.1:${server.address().port}`;
  const hub = await startHub("--allow-origin", origin, "--no-page");
  t.after(() => hub.close());
  server.page = page(`${hub.url}/client.js`, hub.url);
  const opened = await openPage(t, browser, origin);
  t.after(() => opened.context().close());
  await follows(opened, hub);
});

test("a page of the server's origin imports it by its path, and revalidates it when reloaded", async (t) => {
  const pages = { "/plain/": { type: "text/html", body: page("/client.js", "") } };
  const { hub, page: opened } = await testbed(t, browser, { pages, path: "/plain/" });
  await follows(opened, hub);
  const [answer] = await Promise.all([
    opened.waitForResponse((response) => response.url().endsWith("/client.js")),
    opened.reload(),
  ]);
  assert.equal(answer.status(), 304);
  await opened.locator("li").nth(1).waitFor();
});
