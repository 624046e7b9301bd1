// The client of one tab: it receives one stream and records when each notification has arrived. The value of this file
// is a function that returns the client.
({ transport, path, run }) => {
  /** Since the last take: pairs of a sequence number and its time in milliseconds since 1970. */
  let arrivals = [];
  /** Requests since the last take. */
  let requests = 0;
  /** Why the stream has ended. */
  let ending = null;
  /** What `until` waits for. */
  let waiting = null;
  let connect;
  const connected = new Promise((resolve) => (connect = resolve));
  const client = { isConnected: false, connected, open, until, take, receive };

  const now = () => performance.timeOrigin + performance.now();

  function isOpen() {
    client.isConnected = true;
    connect(true);
  }

  /** Records a notification, which has a stamp: "@", 8 hexadecimal digits of a number, 7 digits of the run. */
  function receive(data, at) {
    const mark = data.indexOf("@");
    if (mark < 0 || data.slice(mark + 9, mark + 16) !== run) return;
    const sequence = Number.parseInt(data.slice(mark + 1, mark + 9), 16);
    arrivals.push([sequence, at]);
    if (waiting && sequence >= waiting.first && --waiting.missing === 0) waiting.resolve(true);
  }

  /** Resolves when this many notifications from the number `first` on have arrived. */
  function until(first, count) {
    const missing = count - arrivals.filter(([sequence]) => sequence >= first).length;
    return new Promise((resolve) => {
      if (missing > 0) waiting = { first, missing, resolve };
      else resolve(true);
    });
  }

  /** Returns what has happened since the last take. */
  function take() {
    const taken = { arrivals, requests, ending };
    arrivals = [];
    requests = 0;
    return taken;
  }

  function open() {
    const url = location.origin + path;
    if (transport === "sse") openEventSource(url);
    else if (transport === "websocket") openWebSocket(url.replace(/^http/, "ws"));
    else poll(url).catch((error) => (ending = `a poll failed: ${error}`));
  }

  function openEventSource(url) {
    requests++;
    const source = new EventSource(url);
    source.onopen = isOpen;
    source.onmessage = ({ data }) => receive(data, now());
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) ending = "the EventSource was closed";
    };
  }

  function openWebSocket(url) {
    requests++;
    const socket = new WebSocket(url, "tidings.v1");
    socket.onopen = isOpen;
    socket.onmessage = ({ data: text }) => {
      const at = now();
      const { data } = JSON.parse(text);
      if (data !== undefined) receive(data, at);
    };
    socket.onclose = ({ code }) => (ending = `the WebSocket was closed with ${code}`);
  }

  async function poll(url) {
    let query = "";
    for (;;) {
      requests++;
      const response = await fetch(url + query, { cache: "no-store" });
      const text = await response.text();
      const at = now();
      if (!response.ok) throw new Error(`status ${response.status}`);
      const { cursor, notifications } = JSON.parse(text);
      for (const { data } of notifications) receive(data, at);
      // Over HTTP/1.1, the poll of another tab may wait for the end of this one.
      query = `?wait=5&after=${encodeURIComponent(cursor)}`;
      isOpen();
    }
  }

  return client;
}
