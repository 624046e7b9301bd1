//! The list of contenders, and of their families. A new contender is one line of [`CONTENDERS`].

use super::Server::{self, Baseline, Mounted, Queue};
use super::{Broker, Contender};
use crate::peers::{self, Peer};
use crate::protocol::Transport::{
    self, JetStream, LongPolling, Nats, Redis, Sse, WebSocket, WebTransport,
};

/// The family of our server by each transport.
pub(crate) const TRANSPORTS: &str = "transports";
/// The family of our server by each transport over HTTP/2.
pub(crate) const HTTP2: &str = "http2";
/// The family of our server by each transport over HTTP/3.
pub(crate) const HTTP3: &str = "http3";
/// The family of our server with one system call for each send.
pub(crate) const PLAIN: &str = "plain";
/// The family of our server without lanes.
pub(crate) const GENERAL: &str = "general";
/// The family of our transports in an axum application.
pub(crate) const MOUNTED: &str = "mounted";
/// The family of our server by each transport, compressed.
pub(crate) const COMPRESSED: &str = "compressed";
/// The family of our server without lanes, compressed.
pub(crate) const GENERAL_COMPRESSED: &str = "general-compressed";
/// The family of servers of other projects.
pub(crate) const PEERS: &str = "peers";
/// The family of servers of other projects, compressed.
pub(crate) const PEERS_COMPRESSED: &str = "peers-compressed";
/// The family of proxies before our server.
pub(crate) const PROXIES: &str = "proxies";
/// The family of axum and tokio alone.
pub(crate) const AXUM: &str = "axum";
/// The family of axum and tokio alone, with JSON around each notification.
pub(crate) const ENCODING: &str = "encoding";
/// The family of the baseline server by each transport.
pub(crate) const BASELINE: &str = "baseline";
/// The family of message queues that clients read directly.
pub(crate) const MESSAGE_QUEUE: &str = "message-queue";
/// The family of our servers with and without a broker.
pub(crate) const BROKER: &str = "broker";
/// The family of our two servers over a broker, by each transport.
pub(crate) const TWO_SERVERS: &str = "two-servers";
/// The family of our server by each transport, with tabs of a browser as clients.
pub(crate) const BROWSER: &str = "browser";

/// The program of the browser.
pub(crate) const CHROMIUM: &str = "chromium";

/// One server of ours.
const OURS: Server = ours(1, None);
/// One server of ours with one system call for each send.
const PLAIN_WRITES: Server = Server::Ours { servers: 1, broker: None, args: &["--no-io-uring"] };
/// Our server without lanes: each connection is a task.
const GENERAL_PATH: Server = Server::Ours { servers: 1, broker: None, args: &["--general-path"] };

/// Axum and tokio, with each notification as it was published.
const BROADCAST: Server = Server::Broadcast { args: &[] };
/// Axum and tokio, with JSON around each notification that is written once.
const ENCODED_ONCE: Server = Server::Broadcast { args: &["--envelope", "once"] };
/// Axum and tokio, with JSON around each notification that is written for each client.
const ENCODED_FOR_EACH: Server = Server::Broadcast { args: &["--envelope", "each"] };

const fn ours(servers: usize, broker: Option<Broker>) -> Server {
    Server::Ours { servers, broker, args: &[] }
}

const fn contender(
    name: &'static str,
    title: &'static str,
    family: &'static str,
    server: Server,
    transport: Transport,
) -> Contender {
    Contender {
        name,
        family,
        title,
        server,
        transport,
        http2: false,
        browser: false,
        compression: false,
        may_fail: false,
        remark: None,
    }
}

/// A server of another project.
const fn peer(
    name: &'static str,
    title: &'static str,
    peer: &'static Peer,
    transport: Transport,
) -> Contender {
    contender(name, title, PEERS, Server::Peer(peer), transport)
}

/// Our server with a proxy before it.
const fn proxied(
    name: &'static str,
    title: &'static str,
    proxy: &'static Peer,
    transport: Transport,
) -> Contender {
    contender(name, title, PROXIES, Server::Peer(proxy), transport)
}

const IN_MEMORY: &str = "The log is in the memory of the server and is lost if the server ends.";
const AT_MOST_ONCE: &str = "A service like the examples in the documentation of axum and tokio. It stores nothing. A \
                            client that is slow or disconnected misses notifications without notice. It sends fewer \
                            bytes, because a message is only its payload.";
const OVER_NATS: &str = "A publish is answered when JetStream has stored it. Each notification takes one hop more than \
                         from a server without a broker.";
const OVER_REDIS: &str = "A publish is answered when it is in the log file of Redis, which is on disk within a second. \
                          Each notification takes one hop more than from a server without a broker.";

/// All contenders, each transport next to its baseline.
pub(crate) static CONTENDERS: &[Contender] = &[
    contender("websocket", "WebSocket", TRANSPORTS, OURS, WebSocket),
    contender("websocket-plain", "WebSocket, plain writes", PLAIN, PLAIN_WRITES, WebSocket),
    contender("general-websocket", "WebSocket, general path", GENERAL, GENERAL_PATH, WebSocket),
    contender("mounted-websocket", "WebSocket, mounted in axum", MOUNTED, Mounted, WebSocket),
    contender("axum-websocket", "WebSocket, axum and tokio", AXUM, BROADCAST, WebSocket).with(AT_MOST_ONCE),
    contender("baseline-websocket", "baseline WebSocket", BASELINE, Baseline, WebSocket),
    contender("sse", "SSE", TRANSPORTS, OURS, Sse),
    contender("sse-plain", "SSE, plain writes", PLAIN, PLAIN_WRITES, Sse),
    contender("general-sse", "SSE, general path", GENERAL, GENERAL_PATH, Sse),
    contender("mounted-sse", "SSE, mounted in axum", MOUNTED, Mounted, Sse),
    contender("axum-sse", "SSE, axum and tokio", AXUM, BROADCAST, Sse).with(AT_MOST_ONCE),
    contender("baseline-sse", "baseline SSE", BASELINE, Baseline, Sse),
    contender("long-polling", "long-polling", TRANSPORTS, OURS, LongPolling),
    contender("general-long-polling", "long-polling, general path", GENERAL, GENERAL_PATH, LongPolling),
    contender("mounted-long-polling", "long-polling, mounted in axum", MOUNTED, Mounted, LongPolling),
    contender("baseline-long-polling", "baseline long-polling", BASELINE, Baseline, LongPolling),
    contender("websocket-http2", "WebSocket, HTTP/2", HTTP2, OURS, WebSocket).by_http2(),
    contender("sse-http2", "SSE, HTTP/2", HTTP2, OURS, Sse).by_http2(),
    contender("long-polling-http2", "long-polling, HTTP/2", HTTP2, OURS, LongPolling).by_http2(),
    contender("webtransport", "WebTransport", HTTP3, OURS, WebTransport).with(
        "Experimental: the standard is a draft. Bytes are those of UDP datagrams, and its load uses more CPU time than \
         that of the other transports.",
    ),
    contender("websocket-compressed", "WebSocket, compressed", COMPRESSED, OURS, WebSocket).compressing(),
    contender("sse-compressed", "SSE, compressed", COMPRESSED, OURS, Sse).compressing(),
    contender("long-polling-compressed", "long-polling, compressed", COMPRESSED, OURS, LongPolling).compressing(),
    contender(
        "general-websocket-compressed",
        "WebSocket, general path, compressed",
        GENERAL_COMPRESSED,
        GENERAL_PATH,
        WebSocket,
    )
    .compressing(),
    contender("general-sse-compressed", "SSE, general path, compressed", GENERAL_COMPRESSED, GENERAL_PATH, Sse)
        .compressing(),
    contender(
        "general-long-polling-compressed",
        "long-polling, general path, compressed",
        GENERAL_COMPRESSED,
        GENERAL_PATH,
        LongPolling,
    )
    .compressing(),
    peer("ws", "WebSocket, ws", &peers::WS, WebSocket),
    peer("ws-compressed", "WebSocket, ws, compressed", &peers::WS, WebSocket).compressing(),
    peer("bun", "WebSocket, Bun", &peers::BUN, WebSocket),
    peer("bun-compressed", "WebSocket, Bun, compressed", &peers::BUN, WebSocket).compressing(),
    proxied("nginx-sse", "SSE, nginx", &peers::NGINX, Sse),
    proxied("nginx-sse-compressed", "SSE, nginx, compressed", &peers::NGINX, Sse).compressing(),
    proxied("nginx-websocket", "WebSocket, nginx", &peers::NGINX, WebSocket),
    proxied("nginx-long-polling", "long-polling, nginx", &peers::NGINX, LongPolling),
    proxied("nginx-defaults-websocket", "WebSocket, nginx defaults", &peers::NGINX_DEFAULTS, WebSocket).failing(),
    proxied("nginx-defaults-sse", "SSE, nginx defaults", &peers::NGINX_DEFAULTS, Sse).failing(),
    proxied("nginx-defaults-long-polling", "long-polling, nginx defaults", &peers::NGINX_DEFAULTS, LongPolling)
        .failing(),
    proxied("haproxy-websocket", "WebSocket, HAProxy", &peers::HAPROXY, WebSocket),
    proxied("haproxy-sse", "SSE, HAProxy", &peers::HAPROXY, Sse),
    proxied("haproxy-long-polling", "long-polling, HAProxy", &peers::HAPROXY, LongPolling),
    proxied("haproxy-defaults-websocket", "WebSocket, HAProxy defaults", &peers::HAPROXY_DEFAULTS, WebSocket)
        .failing(),
    proxied("haproxy-defaults-sse", "SSE, HAProxy defaults", &peers::HAPROXY_DEFAULTS, Sse).failing(),
    proxied("haproxy-defaults-long-polling", "long-polling, HAProxy defaults", &peers::HAPROXY_DEFAULTS, LongPolling)
        .failing(),
    peer("durable-streams", "SSE, durable-streams", &peers::DURABLE_STREAMS, Sse),
    peer(
        "durable-streams-long-polling",
        "long-polling, durable-streams",
        &peers::DURABLE_STREAMS,
        LongPolling,
    ),
    peer("ursula", "SSE, Ursula", &peers::URSULA, Sse),
    peer("s2-lite", "SSE, s2-lite", &peers::S2_LITE, Sse),
    peer("nchan", "WebSocket, nchan", &peers::NCHAN, WebSocket),
    peer("nchan-compressed", "WebSocket, nchan, compressed", &peers::NCHAN, WebSocket).compressing(),
    peer("nchan-sse", "SSE, nchan", &peers::NCHAN, Sse),
    peer("centrifuge", "WebSocket, centrifuge of 2021", &peers::CENTRIFUGE, WebSocket),
    peer("socket.io", "WebSocket, socket.io", &peers::SOCKET_IO, WebSocket),
    peer("gorilla", "WebSocket, gorilla", &peers::GORILLA, WebSocket).failing(),
    peer("gorilla-hub", "WebSocket, gorilla with a hub", &peers::GORILLA_HUB, WebSocket),
    peer(
        "gorilla-hub-compressed",
        "WebSocket, gorilla with a hub, compressed",
        &peers::GORILLA_HUB,
        WebSocket,
    )
    .compressing(),
    peer("fastwebsockets", "WebSocket, fastwebsockets", &peers::FASTWEBSOCKETS, WebSocket),
    peer("sockudo-ws", "WebSocket, sockudo-ws", &peers::SOCKUDO_WS, WebSocket),
    peer("sockudo", "WebSocket, Sockudo", &peers::SOCKUDO, WebSocket),
    contender("encoded-once-websocket", "WebSocket, encoded once", ENCODING, ENCODED_ONCE, WebSocket),
    contender("encoded-for-each-websocket", "WebSocket, encoded for each", ENCODING, ENCODED_FOR_EACH, WebSocket),
    contender("encoded-once-sse", "SSE, encoded once", ENCODING, ENCODED_ONCE, Sse),
    contender("encoded-for-each-sse", "SSE, encoded for each", ENCODING, ENCODED_FOR_EACH, Sse),
    contender("nats", "NATS", MESSAGE_QUEUE, Queue(Broker::Nats), Nats).with(
        "Core NATS, without our server in between. It stores nothing and delivers at most once, so a client that \
         is disconnected misses what is published meanwhile. Publishes are not answered. Browsers use it by the \
         server's WebSocket listener, which is not measured.",
    ),
    contender("jetstream", "JetStream", MESSAGE_QUEUE, Queue(Broker::Nats), JetStream).with(
        "One push consumer per client, without our server in between. NATS calls push consumers legacy, and recommends \
         to republish a stream to core subjects if many clients read it, which is not measured. A publish is answered \
         when the stream has stored it, while our server alone keeps its log only in memory. A client can resume. \
         Browsers use it by the server's WebSocket listener, which is not measured.",
    ),
    contender("redis", "Redis Streams", MESSAGE_QUEUE, Queue(Broker::Redis), Redis).with(
        "Redis Streams, without our server in between. Each client sends XREAD BLOCK again after each response, like \
         a poll. A publish is answered when it is in the log file, which is on disk within a second, while our \
         server alone keeps its log only in memory. Browsers cannot use it. Pub/Sub, its broadcast without storage, is \
         not measured.",
    ),
    contender("memory", "no broker, 1 server", BROKER, OURS, Sse).with(IN_MEMORY),
    contender("nats-1", "NATS, 1 server", BROKER, ours(1, Some(Broker::Nats)), Sse).with(OVER_NATS),
    contender("nats-2", "NATS, 2 servers", BROKER, ours(2, Some(Broker::Nats)), Sse).with(OVER_NATS),
    contender("redis-1", "Redis, 1 server", BROKER, ours(1, Some(Broker::Redis)), Sse).with(OVER_REDIS),
    contender("redis-2", "Redis, 2 servers", BROKER, ours(2, Some(Broker::Redis)), Sse).with(OVER_REDIS),
    contender("two-servers-websocket", "WebSocket, 2 servers", TWO_SERVERS, ours(2, Some(Broker::Nats)), WebSocket),
    contender("two-servers-sse", "SSE, 2 servers", TWO_SERVERS, ours(2, Some(Broker::Nats)), Sse),
    contender(
        "two-servers-long-polling",
        "long-polling, 2 servers",
        TWO_SERVERS,
        ours(2, Some(Broker::Nats)),
        LongPolling,
    ),
    contender("browser-websocket", "browser, WebSocket", BROWSER, OURS, WebSocket).in_browser(),
    contender("browser-sse", "browser, EventSource", BROWSER, OURS, Sse).in_browser(),
    contender("browser-long-polling", "browser, long-polling", BROWSER, OURS, LongPolling).in_browser(),
    contender("browser-websocket-http2", "browser, WebSocket, HTTP/2", BROWSER, OURS, WebSocket).in_browser().by_http2(),
    contender("browser-sse-http2", "browser, EventSource, HTTP/2", BROWSER, OURS, Sse).in_browser().by_http2(),
    contender("browser-long-polling-http2", "browser, long-polling, HTTP/2", BROWSER, OURS, LongPolling)
        .in_browser()
        .by_http2(),
];

/// Chains of one line of the list.
impl Contender {
    const fn by_http2(self) -> Self {
        Self { http2: true, ..self }
    }

    const fn in_browser(self) -> Self {
        Self { browser: true, ..self }
    }

    const fn compressing(self) -> Self {
        let family = match self.server {
            Server::Peer(_) => PEERS_COMPRESSED,
            _ => self.family,
        };
        Self { compression: true, family, ..self }
    }

    const fn failing(self) -> Self {
        Self { may_fail: true, ..self }
    }

    /// Sets the remark.
    const fn with(self, remark: &'static str) -> Self {
        Self { remark: Some(remark), ..self }
    }
}
