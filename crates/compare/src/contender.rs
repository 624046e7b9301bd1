//! The list of contenders. Each is a server and the transport by which clients receive from it.

use self::Server::{Baseline, Broadcast, Mounted, Queue};
use crate::peers::{self, Peer};
use crate::protocol::Transport::{
    self, JetStream, LongPolling, Nats, Redis, Sse, WebSocket, WebTransport,
};
use crate::workload::{PlanError, check_names};

/// A column of the comparison.
#[derive(Debug, PartialEq)]
pub(crate) struct Contender {
    /// The name that selects it on the command line.
    pub(crate) name: &'static str,
    /// The name that selects its whole family.
    pub(crate) family: &'static str,
    /// Its heading in the report.
    pub(crate) title: &'static str,
    pub(crate) server: Server,
    pub(crate) transport: Transport,
    /// `true` if clients connect by HTTP/2, with one connection each or one for all tabs of a browser.
    pub(crate) http2: bool,
    /// `true` if its clients are tabs of a browser.
    pub(crate) browser: bool,
    /// `true` if its server compresses and clients request that.
    pub(crate) compression: bool,
    /// A property that the figures do not show, such as weaker guarantees.
    pub(crate) remark: Option<&'static str>,
}

/// The server of a contender.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Server {
    /// A number of our servers with these arguments, which may share a broker. Clients connect to them in turn,
    /// publishers to the first.
    Ours { servers: usize, broker: Option<Broker>, args: &'static [&'static str] },
    /// Our transports in an axum application.
    Mounted,
    /// Only axum and a broadcast channel of tokio.
    Broadcast,
    /// The baseline server.
    Baseline,
    /// A message queue.
    Queue(Broker),
    /// A server of another project with the same transports.
    Peer(&'static Peer),
}

/// A server of another project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Nats,
    Redis,
}

/// The family of our server by each transport.
pub(crate) const TRANSPORTS: &str = "transports";
/// The family of our server by each transport over HTTP/2.
pub(crate) const HTTP2: &str = "http2";
/// The family of our server by each transport over HTTP/3.
pub(crate) const HTTP3: &str = "http3";
/// The family of our server with one system call for each send.
const PLAIN: &str = "plain";
/// The family of our server without lanes.
const GENERAL: &str = "general";
/// The family of our transports in an axum application.
const MOUNTED: &str = "mounted";
/// The family of our server by each transport, compressed.
pub(crate) const COMPRESSED: &str = "compressed";
/// The family of our server without lanes, compressed.
const GENERAL_COMPRESSED: &str = "general-compressed";
/// The family of servers of other projects.
const PEERS: &str = "peers";
/// The family of servers of other projects, compressed.
const PEERS_COMPRESSED: &str = "peers-compressed";
/// The family of axum and tokio alone.
const AXUM: &str = "axum";
/// The family of the baseline server by each transport.
const BASELINE: &str = "baseline";
/// The family of message queues that clients read directly.
pub(crate) const MESSAGE_QUEUE: &str = "message-queue";
/// The family of our servers with and without a broker.
const BROKER: &str = "broker";
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

const IN_MEMORY: &str = "The log is in the memory of the server and is lost if the server ends.";
const AT_MOST_ONCE: &str = "A service like the examples in the documentation of axum and tokio. It stores nothing. A \
                            client that is slow or disconnected misses notifications without notice.";
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
    contender("axum-websocket", "WebSocket, axum and tokio", AXUM, Broadcast, WebSocket).with(AT_MOST_ONCE),
    contender("baseline-websocket", "baseline WebSocket", BASELINE, Baseline, WebSocket),
    contender("sse", "SSE", TRANSPORTS, OURS, Sse),
    contender("sse-plain", "SSE, plain writes", PLAIN, PLAIN_WRITES, Sse),
    contender("general-sse", "SSE, general path", GENERAL, GENERAL_PATH, Sse),
    contender("mounted-sse", "SSE, mounted in axum", MOUNTED, Mounted, Sse),
    contender("axum-sse", "SSE, axum and tokio", AXUM, Broadcast, Sse).with(AT_MOST_ONCE),
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
    peer("nginx", "SSE, nginx", &peers::NGINX, Sse),
    peer("nginx-compressed", "SSE, nginx, compressed", &peers::NGINX, Sse).compressing(),
    peer("durable-streams", "SSE, durable-streams", &peers::DURABLE_STREAMS, Sse),
    peer(
        "durable-streams-long-polling",
        "long-polling, durable-streams",
        &peers::DURABLE_STREAMS,
        LongPolling,
    ),
    peer("ursula", "SSE, Ursula", &peers::URSULA, Sse),
    peer("nchan", "WebSocket, nchan", &peers::NCHAN, WebSocket),
    peer("nchan-sse", "SSE, nchan", &peers::NCHAN, Sse),
    peer("centrifuge", "WebSocket, centrifuge", &peers::CENTRIFUGE, WebSocket),
    peer("socket.io", "WebSocket, socket.io", &peers::SOCKET_IO, WebSocket),
    peer("gorilla", "WebSocket, gorilla", &peers::GORILLA, WebSocket),
    peer("gorilla-hub", "WebSocket, gorilla with a hub", &peers::GORILLA_HUB, WebSocket),
    peer("fastwebsockets", "WebSocket, fastwebsockets", &peers::FASTWEBSOCKETS, WebSocket),
    peer("sockudo-ws", "WebSocket, sockudo-ws", &peers::SOCKUDO_WS, WebSocket),
    contender("nats", "NATS", MESSAGE_QUEUE, Queue(Broker::Nats), Nats).with(
        "Core NATS, without our server in between. It stores nothing and delivers at most once, so a client that \
         is disconnected misses what is published meanwhile. Publishes are not answered. Browsers cannot use it.",
    ),
    contender("jetstream", "JetStream", MESSAGE_QUEUE, Queue(Broker::Nats), JetStream).with(
        "One consumer per client, without our server in between. A publish is answered when the stream has stored \
         it, while our server alone keeps its log only in memory. A client can resume. Browsers cannot use it.",
    ),
    contender("redis", "Redis", MESSAGE_QUEUE, Queue(Broker::Redis), Redis).with(
        "Redis Streams, without our server in between. Each client sends XREAD BLOCK again after each response, like \
         a poll. A publish is answered when it is in the log file, which is on disk within a second, while our \
         server alone keeps its log only in memory. Browsers cannot use it.",
    ),
    contender("memory", "no broker, 1 server", BROKER, OURS, Sse).with(IN_MEMORY),
    contender("nats-1", "NATS, 1 server", BROKER, ours(1, Some(Broker::Nats)), Sse).with(OVER_NATS),
    contender("nats-2", "NATS, 2 servers", BROKER, ours(2, Some(Broker::Nats)), Sse).with(OVER_NATS),
    contender("redis-1", "Redis, 1 server", BROKER, ours(1, Some(Broker::Redis)), Sse).with(OVER_REDIS),
    contender("redis-2", "Redis, 2 servers", BROKER, ours(2, Some(Broker::Redis)), Sse).with(OVER_REDIS),
    contender("browser-websocket", "browser, WebSocket", BROWSER, OURS, WebSocket).in_browser(),
    contender("browser-sse", "browser, EventSource", BROWSER, OURS, Sse).in_browser(),
    contender("browser-long-polling", "browser, long-polling", BROWSER, OURS, LongPolling).in_browser(),
    contender("browser-websocket-http2", "browser, WebSocket, HTTP/2", BROWSER, OURS, WebSocket).in_browser().by_http2(),
    contender("browser-sse-http2", "browser, EventSource, HTTP/2", BROWSER, OURS, Sse).in_browser().by_http2(),
    contender("browser-long-polling-http2", "browser, long-polling, HTTP/2", BROWSER, OURS, LongPolling)
        .in_browser()
        .by_http2(),
];

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

    /// Sets the remark.
    const fn with(self, remark: &'static str) -> Self {
        Self { remark: Some(remark), ..self }
    }

    /// The remark, which for a server of another project consists of its settings and its advantages.
    pub(crate) fn remark(&self) -> Option<String> {
        match self.peer() {
            Some(Peer { settings, better, .. }) => Some(format!("{settings} Better: {better}")),
            None => self.remark.map(str::to_owned),
        }
    }

    /// The server of another project, if it is one.
    pub(crate) fn peer(&self) -> Option<&'static Peer> {
        match self.server {
            Server::Peer(peer) => Some(peer),
            _ => None,
        }
    }

    pub(crate) fn is_one_http_server(&self) -> bool {
        self.transport.is_http() && self.family != BROKER
    }

    /// `true` if clients connect by HTTP/1.1 and the server needs no TLS for it.
    pub(crate) fn is_plain_http1(&self) -> bool {
        self.is_one_http_server() && !self.http2 && !self.is_webtransport()
    }

    /// `true` if its server can serve over TLS.
    pub(crate) fn has_tls(&self) -> bool {
        matches!(self.server, Server::Ours { .. } | Server::Baseline)
    }

    pub(crate) fn is_webtransport(&self) -> bool {
        self.transport == WebTransport
    }

    /// `true` for a message queue that clients read directly.
    pub(crate) fn is_queue(&self) -> bool {
        matches!(self.server, Server::Queue(_))
    }

    pub(crate) fn is_baseline(&self) -> bool {
        self.server == Server::Baseline
    }

    /// Our server uses io_uring if the system allows it.
    pub(crate) fn may_use_io_uring(&self) -> bool {
        matches!(self.server, Server::Ours { .. })
            && !matches!(
                self.family,
                PLAIN | GENERAL | GENERAL_COMPRESSED | HTTP2 | HTTP3 | BROWSER
            )
    }

    /// The baseline of the same transport, if this server is compared with one.
    pub(crate) fn baseline(&self) -> Option<&'static Self> {
        let is_it = |one: &&Self| one.is_baseline() && one.transport == self.transport;
        let is_ours = matches!(self.family, TRANSPORTS | PLAIN | GENERAL | MOUNTED | AXUM);
        is_ours.then(|| CONTENDERS.iter().find(is_it))?
    }

    /// The same contender with compression, if there is one.
    pub(crate) fn compressed(&self) -> Option<&'static Self> {
        let is_it = |one: &&Self| one.name.strip_suffix("-compressed") == Some(self.name);
        CONTENDERS.iter().find(is_it)
    }
}

impl Broker {
    /// Its program and the URL to get it from.
    pub(crate) fn program(self) -> (&'static str, &'static str) {
        match self {
            Self::Nats => ("nats-server", "https://nats.io/download"),
            Self::Redis => ("redis-server", "https://redis.io/downloads"),
        }
    }
}

impl Server {
    pub(crate) fn broker(self) -> Option<Broker> {
        match self {
            Self::Ours { broker, .. } => broker,
            Self::Queue(broker) => Some(broker),
            Self::Mounted | Self::Broadcast | Self::Baseline | Self::Peer(_) => None,
        }
    }
}

/// Returns the names of all families and contenders.
pub fn contender_names() -> Vec<&'static str> {
    let families = [
        TRANSPORTS,
        HTTP2,
        HTTP3,
        COMPRESSED,
        PLAIN,
        GENERAL,
        GENERAL_COMPRESSED,
        MOUNTED,
        AXUM,
        BASELINE,
        PEERS,
        PEERS_COMPRESSED,
        MESSAGE_QUEUE,
        BROKER,
        BROWSER,
    ];
    families.into_iter().chain(CONTENDERS.iter().map(|contender| contender.name)).collect()
}

/// The contenders with these names or of these families, in the order of `names`, each once.
///
/// # Errors
/// Fails if a name is unknown.
pub(crate) fn chosen(names: &[&str]) -> Result<Vec<&'static Contender>, PlanError> {
    let (given, known) = (names.iter().copied(), contender_names());
    check_names("contender", given, "one of", &known, |known, name| known == name)?;
    let named = names.iter().flat_map(|name| {
        CONTENDERS.iter().filter(move |one| one.name == *name || one.family == *name)
    });
    Ok(each_once(named))
}

/// Removes contenders that occur a second time.
pub(crate) fn each_once(
    contenders: impl IntoIterator<Item = &'static Contender>,
) -> Vec<&'static Contender> {
    let mut once: Vec<&Contender> = Vec::new();
    for contender in contenders {
        if !once.contains(&contender) {
            once.push(contender);
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<&'static str> {
        chosen(names).unwrap().iter().map(|contender| contender.name).collect()
    }

    #[test]
    fn a_family_is_chosen_by_name_and_no_contender_is_chosen_twice() {
        assert_eq!(names(&["transports"]), ["websocket", "sse", "long-polling"]);
        assert_eq!(names(&["redis", "message-queue"]), ["redis", "nats", "jetstream"]);
    }

    #[test]
    fn an_unknown_name_is_an_error_with_the_known_ones() {
        let error = chosen(&["sse", "pigeon"]).unwrap_err().to_string();
        let expected = format!(
            "unknown contender \"pigeon\": expected one of {}",
            contender_names().join(", ")
        );
        assert_eq!(error, expected);
    }

    #[test]
    fn a_compressed_contender_has_the_server_and_the_transport_of_the_plain_one() {
        for one in CONTENDERS.iter().filter(|one| one.compression) {
            let is_plain = |it: &&Contender| it.compressed() == Some(one);
            let plain = CONTENDERS.iter().find(is_plain).expect(one.name);
            assert!(!plain.compression && plain.title.len() < one.title.len(), "{}", one.name);
            assert_eq!((plain.server, plain.transport), (one.server, one.transport));
        }
    }

    #[test]
    fn no_name_and_no_title_is_used_twice() {
        let titles = CONTENDERS.iter().map(|one| one.title).collect();
        for mut all in [contender_names(), titles] {
            let count = all.len();
            all.sort_unstable();
            all.dedup();
            assert_eq!(all.len(), count);
        }
    }
}
