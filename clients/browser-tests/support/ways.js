/**
 * The ways in which a proxy misbehaves. A way has one or more of these functions:
 * - `begin(client)` is called with the client's connection or response when the request has arrived.
 * - `answer(request)` returns the answer of the proxy, `{ status, headers }`, or nothing if the server should answer.
 * - `headers(headers)` changes the headers of the request.
 * - `pass(from, to)` passes the server's bytes to the client, instead of `from.pipe(to)`.
 */

/** Answers itself, without the server. */
export const answers = (status, headers = {}) => ({ answer: () => ({ status, headers }) });

/** Like a proxy that cannot reach its server. */
export const badGateway = answers(502);

/** Like a proxy that does not support upgrades. */
export const rejectsUpgrades = answers(400);

/** Like an unplugged cable. */
export const unplugged = { begin: (client) => client.destroy() };

/** Rejects one token and accepts all others. */
export const rejectsToken = (token) => ({
  answer: ({ headers, url }) => {
    const theirs = headers.authorization?.replace("Bearer ", "") ?? url.searchParams.get("access_token");
    return theirs === token ? { status: 401, headers: {} } : undefined;
  },
});

/** Like a proxy that uses HTTP/1.0 to the server and removes hop-by-hop headers. */
export const stripsUpgrades = { headers: ({ upgrade, connection, ...others }) => others };

/** Buffers a response until it is complete, which a stream never is. */
export const buffers = {
  pass: (from, to) => {
    const held = [];
    from.on("data", (chunk) => held.push(chunk));
    from.on("end", () => to.end(Buffer.concat(held)));
  },
};

/** Cuts connections that are idle for this time. */
export const cutsIdle = (milliseconds) => ({
  begin: (client) => client.setTimeout(milliseconds, () => client.destroy()),
});

/** Cuts after the first message. */
export const dropsAfterFirstFrame = {
  pass: (from, to) => from.once("data", (chunk) => to.write(chunk, () => to.destroy())),
};

/** Cuts in the middle of the second message. */
export const dropsMidFrame = {
  pass: (from, to) => {
    from.once("data", (first) => {
      to.write(first);
      from.once("data", (second) => to.write(second.subarray(0, second.length / 2), () => to.destroy()));
    });
  },
};

/** Drops everything after the first `frames` messages without closing. */
export const silentAfter = (frames) => ({
  pass: (from, to) => {
    to.flushHeaders?.();
    let passed = 0;
    from.on("data", (chunk) => {
      if (passed++ < frames) to.write(chunk);
    });
  },
});

/** Passes the request to the server and drops the response. */
export const losesAnswer = {
  pass: (from, to) => {
    from.resume();
    from.on("end", () => to.destroy());
  },
};
