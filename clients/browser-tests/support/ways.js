/**
 * The ways in which a proxy misbehaves. A way has one or more of
 * - `begin(client)`: what it does to the client's connection, or the response to it, when the request has come;
 * - `answer(request)`: what the proxy answers of itself, `{ status, headers }`, or nothing to go on to the hub;
 * - `headers(headers)`: what it makes of the request's headers;
 * - `pass(from, to)`: how it passes the hub's bytes on to the client, in place of `from.pipe(to)`.
 */

/** Answers of itself, and the hub hears nothing. */
export const answers = (status, headers = {}) => ({ answer: () => ({ status, headers }) });

/** As a proxy whose hub is away. */
export const badGateway = answers(502);

/** As a proxy that has heard of no upgrades. */
export const refusesUpgrades = answers(400);

/** As a cable that is out. */
export const unplugged = { begin: (client) => client.destroy() };

/** Refuses one token and lets each other one through. */
export const refusesToken = (token) => ({
  answer: ({ headers, url }) => {
    const theirs = headers.authorization?.replace("Bearer ", "") ?? url.searchParams.get("access_token");
    return theirs === token ? { status: 401, headers: {} } : undefined;
  },
});

/** As a proxy that speaks HTTP/1.0 to the hub: hop-by-hop headers stay behind. */
export const stripsUpgrades = { headers: ({ upgrade, connection, ...others }) => others };

/** Holds an answer back until it is whole, which a stream never is. */
export const buffers = {
  pass: (from, to) => {
    const held = [];
    from.on("data", (chunk) => held.push(chunk));
    from.on("end", () => to.end(Buffer.concat(held)));
  },
};

/** Cuts what was idle for so long. */
export const cutsIdle = (milliseconds) => ({
  begin: (client) => client.setTimeout(milliseconds, () => client.destroy()),
});

/** Lets the first message through and cuts. */
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

/** Opens, and swallows everything behind the first `frames` messages without closing. */
export const silentAfter = (frames) => ({
  pass: (from, to) => {
    to.flushHeaders?.();
    let passed = 0;
    from.on("data", (chunk) => {
      if (passed++ < frames) to.write(chunk);
    });
  },
});

/** Takes the request to the hub and loses the answer. */
export const losesAnswer = {
  pass: (from, to) => {
    from.resume();
    from.on("end", () => to.destroy());
  },
};
