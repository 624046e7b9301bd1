import { once } from "node:events";
import http from "node:http";
import { inTime } from "./patience.js";

/**
 * An HTTP proxy before the server, which can misbehave in the ways of `ways.js`. It serves `pages` itself, by path:
 * `{ "/test/": { type: "text/html", body: "…" } }`.
 */
export async function startProxy(hub, pages = {}) {
  const proxy = new MisbehavingProxy(hub, pages);
  await proxy.listen();
  return proxy;
}

class MisbehavingProxy {
  /** Every request of a topic in order: `{ transport, method, url, headers, at }`. */
  requests = [];
  #hub;
  #pages;
  #server = http.createServer({ noDelay: true });
  #ways = new Map();
  #open = new Map();
  #waiting = new Set();

  constructor(hub, pages) {
    this.#hub = new URL(hub.url);
    this.#pages = pages;
    this.#server.on("request", (message, response) => this.#request(message, response));
    this.#server.on("upgrade", (message, socket) => this.#upgrade(message, socket));
  }

  async listen() {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    this.url = `http://127.0.0.1:${this.#server.address().port}`;
  }

  /** Misbehaves for the next `times` requests of each of these transports (or of `"publish"`). */
  misbehave(way, transports, times = Infinity) {
    for (const transport of transports) this.#ways.set(transport, { way, times });
  }

  /** Works correctly from the next request on. Open connections are not changed. */
  behave() {
    this.#ways.clear();
  }

  /** Cuts every open connection, or those of one transport. */
  cut(transport) {
    for (const [client, kind] of this.#open) {
      if (transport === undefined || transport === kind) client.destroy();
    }
  }

  /** Returns the number of open requests and connections of these transports. */
  held(...transports) {
    return [...this.#open.values()].filter((transport) => transports.includes(transport)).length;
  }

  /** Resolves to the first past or future request that matches, after the first `skip` requests. */
  requested(isSo, skip = 0) {
    return inTime(this.#requested(isSo, skip), `a request for which ${isSo}`);
  }

  async #requested(isSo, skip) {
    for (let next = skip; ; next++) {
      while (next >= this.requests.length) await new Promise((resolve) => this.#waiting.add(resolve));
      if (isSo(this.requests[next])) return this.requests[next];
    }
  }

  async close() {
    this.cut();
    this.#server.close();
    this.#server.closeAllConnections();
    await once(this.#server, "close");
  }

  #request(message, response) {
    const page = this.#pages[message.url];
    if (page) {
      response.writeHead(200, { "content-type": page.type }).end(page.body);
      return;
    }
    const { request, way } = this.#arrival(message, response);
    const answer = way.answer?.(request);
    if (answer) {
      response.writeHead(answer.status, answer.headers).end();
      return;
    }
    const up = this.#toHub(message, response, way);
    up.on("response", (from) => {
      response.writeHead(from.statusCode, from.headers);
      this.#pass(from, response, way);
    });
    message.pipe(up);
  }

  #upgrade(message, socket) {
    const { request, way } = this.#arrival(message, socket);
    const answer = way.answer?.(request);
    if (answer) {
      socket.end(head(answer.status, { ...answer.headers, "content-length": 0, connection: "close" }));
      return;
    }
    const up = this.#toHub(message, socket, way);
    up.on("response", (from) => {
      socket.write(head(from.statusCode, { ...from.headers, connection: "close" }));
      this.#pass(from, socket, way);
    });
    up.on("upgrade", (from, hub, first) => {
      socket.write(head(from.statusCode, from.headers));
      if (first.length > 0) hub.unshift(first);
      hub.setNoDelay();
      socket.pipe(hub);
      this.#pass(hub, socket, way);
    });
    up.end();
  }

  /** Records the request, and returns the way in which the proxy misbehaves for it. */
  #arrival(message, client) {
    const url = new URL(message.url, this.url);
    const { method, headers } = message;
    const transport = transportOf(method, url, headers);
    const request = { transport, method, url, headers, at: performance.now() };
    this.#open.set(client, transport);
    client.on("close", () => this.#open.delete(client));
    client.on("error", () => client.destroy());

    const set = this.#ways.get(transport);
    const way = set && set.times-- > 0 ? set.way : {};
    way.begin?.(client);
    if (url.pathname.startsWith("/topics/")) this.#note(request);
    return { request, way };
  }

  #note(request) {
    this.requests.push(request);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }

  #toHub(message, client, way) {
    const headers = way.headers?.(message.headers) ?? message.headers;
    const { hostname, port } = this.#hub;
    const up = http.request({ hostname, port, method: message.method, path: message.url, headers, agent: false });
    up.on("error", () => client.destroy());
    client.on("close", () => up.destroy());
    return up;
  }

  #pass(from, to, way) {
    from.on("error", () => to.destroy());
    to.on("close", () => from.destroy());
    if (way.pass) way.pass(from, to);
    else from.pipe(to);
  }
}

/** Returns the transport that the server would choose for the request. */
function transportOf(method, url, headers) {
  if (method === "POST") return "publish";
  const named = url.searchParams.get("transport");
  if (named) return named;
  if (headers.upgrade?.toLowerCase() === "websocket") return "websocket";
  return headers.accept?.includes("text/event-stream") ? "sse" : "long-polling";
}

function head(status, headers) {
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\n${lines.join("")}\r\n`;
}
