// The package as packed by npm, installed in a new project.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";

/** A program that waits would keep this process from noticing the time limit of a test. */
const timeout = 120_000;

const at = (path) => fileURLToPath(new URL(path, import.meta.url));

let project;
let installed;
before(() => {
  project = mkdtempSync(`${tmpdir()}/tidings-package-`);
  installed = `${project}/node_modules/tidings`;
  mkdirSync(installed, { recursive: true });
  // The package is already built.
  const pack = ["pack", "--ignore-scripts", "--json", "--pack-destination", project];
  const packed = JSON.parse(execFileSync("npm", pack, { cwd: at(".."), encoding: "utf8", timeout }));
  // The output is an object by name since npm 12.
  const [{ filename }] = Object.values(packed);
  execFileSync("tar", ["-xzf", `${project}/${filename}`, "-C", installed, "--strip-components", "1"], { timeout });
});
after(() => rmSync(project, { recursive: true, force: true }));

const manifest = () => JSON.parse(readFileSync(`${installed}/package.json`, "utf8"));

function run(file, program) {
  writeFileSync(`${project}/${file}`, program);
  return execFileSync(process.execPath, [file], { cwd: project, encoding: "utf8", timeout });
}

const USE = `
  const feed = tidings("http://127.0.0.1:1/topics/a");
  feed.close();
  console.log(typeof feed.publish, new Rejection(404) instanceof Error);
`;

test("a module can import the package, CommonJS can require it, and both find its manifest", () => {
  assert.equal(run("module.mjs", `import { Rejection, tidings } from "tidings";${USE}`), "function true\n");
  assert.equal(run("script.cjs", `const { Rejection, tidings } = require("tidings");${USE}`), "function true\n");
  assert.equal(run("version.cjs", `console.log(require("tidings/package.json").name)`), "tidings\n");
});

const USE_SEPARATE = `
  const { Rejection } = client;
  class WebTransport {
    ready = Promise.resolve();
    closed = Promise.resolve({ closeCode: 404, reason: "bad_topic: no" });
    incomingUnidirectionalStreams = new ReadableStream({ start: (streams) => streams.close() });
    close() {}
  }
  const feed = client.tidings("http://127.0.0.1:1/topics/a", { transports: [separate.webTransport({ WebTransport })] });
  feed.on("state", ({ name, error }) => name === "closed" && console.log(error instanceof Rejection, error.code));
`;

test("a module and CommonJS can import WebTransport, which has the same class of rejections", () => {
  const imports = `import * as client from "tidings"; import * as separate from "tidings/webtransport";`;
  assert.equal(run("separate.mjs", imports + USE_SEPARATE), "true bad_topic\n");
  const requires = `const client = require("tidings"); const separate = require("tidings/webtransport");`;
  assert.equal(run("separate.cjs", requires + USE_SEPARATE), "true bad_topic\n");
});

test("CommonJS has its own file, so that Node does not have to require a module", () => {
  assert.equal(manifest().main, "./dist/index.cjs");
  const required = `console.log(require.resolve("tidings").endsWith("index.cjs"))`;
  assert.equal(run("resolve.cjs", required), "true\n");
});

for (const [file, start] of [
  ["uncaught.mjs", `import { tidings } from "tidings";`],
  ["uncaught.cjs", `const { tidings } = require("tidings");`],
]) {
  test(`an uncaught error of the package is printed with a readable line of its source in ${file}`, () => {
    writeFileSync(`${project}/${file}`, `${start} tidings("ftp://127.0.0.1/topics/a");`);
    const { status, stderr } = spawnSync(process.execPath, [file], { cwd: project, encoding: "utf8", timeout });
    assert.equal(status, 1);
    assert.match(stderr, /node_modules.tidings.dist/);
    for (const line of stderr.split("\n")) assert.ok(line.length <= 200, `a line of ${line.length} characters`);
  });
}

const TYPED = `
  interface Order { readonly n: number }
  const plain = tidings("http://127.0.0.1:1/topics/a");
  plain.on("notification", ({ data }) => { const payload: string | Uint8Array = data; void payload; });
  const orders = tidings("http://127.0.0.1:1/topics/a", { decode: (data): Order => JSON.parse(String(data)) });
  const listener = (order: Notification<Order>) => console.log(order.data.n);
  orders.on("notification", listener);
  orders.off("notification", listener);
  const feed: Feed<Order> = orders;
  export async function read(): Promise<void> { for await (const { data } of feed) console.log(data.n); }
  const hash = { algorithm: "sha-256", value: new Uint8Array(32) };
  const separate = webTransport({ port: 8443, serverCertificateHashes: [hash] });
  tidings("http://127.0.0.1:1/topics/a", { transports: [separate, "websocket"] });
  // @ts-expect-error: WebTransport is not part of the client.
  tidings("http://127.0.0.1:1/topics/a", { transports: ["webtransport"] });
  // @ts-expect-error: data is an Order only with a decode that returns one.
  export const unsound: Feed<Order> = tidings("http://127.0.0.1:1/topics/a");
`;

const IMPORT = `import { type Feed, type Notification, tidings } from "tidings";
  import { webTransport } from "tidings/webtransport";
`;

for (const [module, moduleResolution, file] of [
  ["node16", "node16", "types.mts"],
  ["node16", "node16", "types.cts"],
  ["nodenext", "nodenext", "types.cts"],
  ["preserve", "bundler", "types.ts"],
  ["esnext", "bundler", "types.ts"],
]) {
  test(`its types are found with module ${module} and moduleResolution ${moduleResolution} in ${file}`, () => {
    writeFileSync(`${project}/${file}`, IMPORT + TYPED);
    const options = ["--ignoreConfig", "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom,dom.asynciterable"];
    const resolution = ["--types", "", "--module", module, "--moduleResolution", moduleResolution];
    try {
      execFileSync(at("../../node_modules/.bin/tsc"), [...options, ...resolution, file], { cwd: project, timeout });
    } catch (error) {
      assert.fail(String(error.stdout));
    }
  });
}

test("the package has its licences, and each link of its README is a URL or a file in the package", () => {
  for (const licence of ["LICENSE-MIT", "LICENSE-APACHE"]) assert.ok(existsSync(`${installed}/${licence}`), licence);
  const links = [...readFileSync(`${installed}/README.md`, "utf8").matchAll(/\]\(([^)#]+)/g)].map(([, link]) => link);
  assert.ok(links.length > 0);
  for (const link of links) assert.ok(/^https?:/.test(link) || existsSync(`${installed}/${link}`), link);
});

test("all files in the manifest exist", () => {
  const { exports, main, module, types } = manifest();
  const files = [main, module, types, ...JSON.stringify(Object.values(exports)).match(/\.\/[\w./]+/g)];
  for (const file of files) assert.ok(existsSync(`${installed}/${file}`), file);
});
