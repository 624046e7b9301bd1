import { build } from "esbuild";

const HTML = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script type="module" src="/test/client.js"></script>`;

/**
 * A page for `startProxy` that contains only the packaged client, as `window.tidings`. The jitter of its backoff is
 * always small, so that tests do not wait longer than necessary.
 */
export async function testPage() {
  const bundle = await build({
    stdin: {
      contents: `import { tidings } from "tidings"; window.tidings = tidings; Math.random = () => 0.05;`,
      resolveDir: new URL("..", import.meta.url).pathname,
    },
    bundle: true,
    format: "esm",
    target: "es2022",
    write: false,
  });
  return { ...BLANK, "/test/client.js": { type: "text/javascript", body: bundle.outputFiles[0].text } };
}

/** The same without the client. */
export const BLANK = {
  "/test/": { type: "text/html", body: HTML },
  "/test/client.js": { type: "text/javascript", body: "" },
};
