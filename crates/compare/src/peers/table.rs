//! The list of peers.

use super::{Adapter, Creation, Opening, Peer};
use crate::protocol::Transport::{LongPolling, Sse, WebSocket};

/// All peers.
pub(crate) static PEERS: &[&Peer] = &[
    &DURABLE_STREAMS,
    &URSULA,
    &S2_LITE,
    &NCHAN,
    &CENTRIFUGE,
    &SOCKET_IO,
    &WS,
    &BUN,
    &GORILLA,
    &GORILLA_HUB,
    &FASTWEBSOCKETS,
    &SOCKUDO_WS,
    &SOCKUDO,
    &NGINX,
    &NGINX_DEFAULTS,
    &HAPROXY,
    &HAPROXY_DEFAULTS,
];

pub(crate) static DURABLE_STREAMS: Peer = Peer {
    name: "durable-streams",
    adapters: &[
        Adapter { subscribe: "/v1/stream/{topic}?offset=now&live=sse", ..durable_stream(Sse) },
        Adapter {
            subscribe: "/v1/stream/{topic}?offset=now",
            poll: Some(
                "/v1/stream/{topic}?offset={stream-next-offset}&cursor={stream-cursor}&live=long-poll",
            ),
            ..durable_stream(LongPolling)
        },
    ],
    settings: "Electric's durable-streams with --durability memory, so that a publish is answered when it is in the \
               page cache of its file, and with one worker thread. By default it is answered when it is on disk. The \
               stream is text, so that a response may contain several messages without boundaries. By SSE it sends an \
               event with the position after each message.",
    better: "Its log is a file that survives the end of the server, and a publish can wait until it is on disk. It \
             sends old messages from the page cache without reading them, moves them to S3, can fork a stream, and \
             answers with ETags for a CDN.",
    is_proxy: false,
};

pub(crate) static WS: Peer = Peer {
    name: "ws",
    adapters: &[Adapter::ours(WebSocket)],
    settings: "Node with the package ws and its \"server broadcast\" loop. It stores nothing. With compression, each \
               client has its own history, with the zlib options of its README. The example there also turns histories \
               off and sends messages below 1,024 B as they are, so it would not compress these, and the README \
               recommends compression only if it is really needed.",
    better: "It sends fewer bytes, because a message is only its payload. It is a library of 160 KB for a runtime that \
             many services use already.",
    is_proxy: false,
};

pub(crate) static BUN: Peer = Peer {
    name: "bun",
    adapters: &[Adapter::ours(WebSocket)],
    settings: "Bun.serve with publish. It stores nothing. With compression, it has perMessageDeflate: true from its \
               documentation, which compresses each message alone. A history for each client would send fewer bytes, \
               and take more CPU time and much more memory. uWebSockets itself can prepare a message once.",
    better: "It sends fewer bytes, because a message is only its payload. Its topics and its sends are compiled code \
             (uWebSockets), while the application is JavaScript.",
    is_proxy: false,
};

pub(crate) static URSULA: Peer = Peer {
    name: "ursula",
    adapters: &[Adapter {
        subscribe: "/compare/{topic}?offset=now&live=sse",
        create: &[
            Creation { method: "PUT", target: "/compare", body: "" },
            Creation { method: "PUT", target: "/compare/{topic}", body: "" },
        ],
        publish: "/compare/{topic}",
        headers: "Content-Type: text/plain\r\n",
        ..Adapter::ours(Sse)
    }],
    settings: "One node of Ursula with the preset default: the engine for development, which keeps its log in memory, \
               without Raft.",
    better: "Three or five nodes replicate each stream by Raft before a publish is answered, and old messages move to \
             S3. One node in memory does neither.",
    is_proxy: false,
};

pub(crate) static S2_LITE: Peer = Peer {
    name: "s2-lite",
    adapters: &[Adapter {
        subscribe: "/v1/streams/{topic}/records?tail_offset=0",
        create: &[
            Creation { method: "PUT", target: "/v1/basins/compare-tidings", body: "{}" },
            Creation { method: "PUT", target: "/v1/streams/{topic}", body: "{}" },
        ],
        publish: "/v1/streams/{topic}/records",
        headers: "S2-Basin: compare-tidings\r\nS2-Format: raw\r\nContent-Type: application/json\r\n",
        envelope: Some([r#"{"records":[{"body":"#, "}]}"]),
        ..Adapter::ours(Sse)
    }],
    settings: "S2's server in memory, without object storage, and one thread. Its README calls this an emulator for \
               integration tests. A publish is answered when it is flushed, by default every 5 ms. Records are text in \
               JSON.",
    better: "With object storage, a publish is durable there before it is answered or sent to clients, and the server \
             has no state of its own. Clients continue at a number, a time or a distance from the end, and a stream \
             can be encrypted.",
    is_proxy: false,
};

pub(crate) static NCHAN: Peer = Peer {
    name: "nchan",
    adapters: &[Adapter::ours(WebSocket), Adapter::ours(Sse)],
    settings: "nginx with the module nchan and one worker. It keeps the last 100 messages of a channel in shared \
               memory. A client by WebSocket does not receive the ids by which it could resume, which need the \
               subprotocol ws+meta.nchan. With compression, a message is compressed once for all clients, without \
               history.",
    better: "It is a module of nginx, so that TLS, limits and access rules are those of nginx. A client by SSE resumes \
             after its last id, and it has long-polling, which is not measured here. Its workers share the channels, \
             and Redis connects several machines. By WebSocket it sends fewer bytes, because a message is only its \
             payload.",
    is_proxy: false,
};

pub(crate) static CENTRIFUGE: Peer = Peer {
    name: "centrifuge",
    adapters: &[Adapter {
        opening: Some(Opening { send: &[r#"{"id":1}"#], answer: r#"{"id":1,"result":"# }),
        ..Adapter::ours(WebSocket)
    }],
    settings: "The library of Centrifugo with its default settings, in Debian's version of March 2021, with pooled \
               write buffers and GOMAXPROCS=1. The server subscribes each client, in the JSON protocol. It stores \
               nothing without history, and disconnects a client that is 10 MB late. Versions since August 2021 have a \
               faster JSON protocol and broadcast, and are not measured.",
    better: "It has presence, history, calls from clients, clients in many languages, and brokers of several kinds.",
    is_proxy: false,
};

pub(crate) static SOCKET_IO: Peer = Peer {
    name: "socket.io",
    adapters: &[Adapter {
        subscribe: "/socket.io/?EIO=4&transport=websocket",
        opening: Some(Opening { send: &[r#"40{"topic":"/topics/{topic}"}"#], answer: "40{" }),
        ping: Some(["2", "3"]),
        ..Adapter::ours(WebSocket)
    }],
    settings: "socket.io on Node with a room for each topic and only the transport WebSocket. As its documentation \
               recommends, it has the native add-ons of ws, and keeps no reference to first requests. The \
               documentation also names eiows, another WebSocket server, which is not used. It stores nothing here.",
    better: "Clients and server call each other with answers. It can restore what a client has missed after a short \
             disconnect, falls back to long-polling, and has adapters for several servers.",
    is_proxy: false,
};

pub(crate) static GORILLA: Peer = Peer {
    name: "gorilla",
    adapters: &[Adapter::ours(WebSocket)],
    settings: "gorilla/websocket in Debian's version in a plain loop: a map of connections, a lock, and a loop that \
               writes to each, with GOMAXPROCS=1. It stores nothing. One client that does not read stops all.",
    better: "It sends fewer bytes, because a message is only its payload. It is a short program without queues.",
    is_proxy: false,
};

pub(crate) static GORILLA_HUB: Peer = Peer {
    name: "gorilla-hub",
    adapters: &[Adapter::ours(WebSocket)],
    settings: "gorilla/websocket in Debian's version with the hub of its chat example, two goroutines for each client, \
               PreparedMessage, pooled write buffers, and GOMAXPROCS=1. Unlike the example, it does not join queued \
               messages into one. It stores nothing, and a client that is 256 messages late is disconnected. With \
               compression, a message is compressed once for all clients, without history.",
    better: "It sends fewer bytes, because a message is only its payload. It is a short program, to which an \
             application adds what it needs.",
    is_proxy: false,
};

pub(crate) static FASTWEBSOCKETS: Peer = Peer {
    name: "fastwebsockets",
    adapters: &[Adapter::ours(WebSocket)],
    settings: "fastwebsockets and hyper on one thread, with a task and a receiver of tokio's broadcast channel for \
               each client. It stores nothing, and the program around the library drops messages for a slow client.",
    better: "It sends fewer bytes, because a message is only its payload. It is a small library, and the application \
             decides everything else.",
    is_proxy: false,
};

pub(crate) static SOCKUDO_WS: Peer = Peer {
    name: "sockudo-ws",
    adapters: &[Adapter::ours(WebSocket)],
    settings: "sockudo-ws, the library of the server Sockudo, and hyper on one thread, with its own topics. As its \
               README recommends, it has the allocator mimalloc, and messages that wait for a client are flushed \
               together. It stores nothing, and the queue of a slow client has no limit.",
    better: "It sends fewer bytes, because a message is only its payload. It is a library with WebSocket over HTTP/3, \
             another runtime and a client, and the application decides everything else.",
    is_proxy: false,
};

pub(crate) static SOCKUDO: Peer = Peer {
    name: "sockudo",
    adapters: &[Adapter {
        subscribe: "/app/compare?protocol=7&client=compare&version=1.0",
        opening: Some(Opening {
            send: &[r#"{"event":"pusher:subscribe","data":{"channel":"{topic}"}}"#],
            answer: "pusher_internal:subscription_succeeded",
        }),
        ping: Some([
            r#"{"event":"pusher:ping","data":{}}"#,
            r#"{"event":"pusher:pong","data":{}}"#,
        ]),
        publish: "/apps/compare/events",
        is_signed: true,
        headers: "Content-Type: application/json\r\n",
        envelope: Some([r#"{"name":"notification","channel":"{topic}","data":"#, "}"]),
        ..Adapter::ours(WebSocket)
    }],
    settings: "The server Sockudo without other services, with one thread for clients and without limits on rates, by \
               the protocol of Pusher. Each publish is signed, and the server checks that. It stores nothing in this \
               protocol, and disconnects a client that is 1,000 messages late.",
    better: "It has the protocol, the clients and the libraries of Pusher, presence, private channels and webhooks. By \
             its own protocol it has history and deltas. Several servers are connected by Redis, NATS or other \
             brokers.",
    is_proxy: false,
};

pub(crate) static NGINX: Peer = Peer {
    name: "nginx",
    settings: "Our server without compression, and nginx as a proxy in front of it: HTTP/1.1 to the server, the \
               headers of WebSocket, no buffering, kept connections and long timeouts, with its default level of gzip. \
               CPU time and memory are those of both processes.",
    ..PROXY
};

pub(crate) static NGINX_DEFAULTS: Peer = Peer {
    name: "nginx-defaults",
    settings: "Our server, and nginx as a proxy in front of it with nothing but proxy_pass: HTTP/1.0 to the server and \
               a new connection for each request. CPU time and memory are those of both processes.",
    ..PROXY
};

pub(crate) static HAPROXY: Peer = Peer {
    name: "haproxy",
    settings: "Our server, and HAProxy as a proxy in front of it, with one thread and timeouts of an hour. CPU time \
               and memory are those of both processes.",
    better: HAPROXY_BETTER,
    ..PROXY
};

pub(crate) static HAPROXY_DEFAULTS: Peer = Peer {
    name: "haproxy-defaults",
    settings: "Our server, and HAProxy as a proxy in front of it, with the timeouts of Debian's configuration: 50 s. \
               CPU time and memory are those of both processes.",
    better: HAPROXY_BETTER,
    ..PROXY
};

const HAPROXY_BETTER: &str =
    "It ends TLS, checks the health of servers, and balances between them.";

/// What all proxies have in common.
const PROXY: Peer = Peer {
    name: "",
    adapters: OURS,
    settings: "",
    better: "It serves files, TLS or many services at the same address, and balances between servers.",
    is_proxy: true,
};

/// The requests of our server by each transport.
const OURS: &[Adapter] =
    &[Adapter::ours(WebSocket), Adapter::ours(Sse), Adapter::ours(LongPolling)];

/// The requests of the Durable Streams protocol, without those of clients.
const fn durable_stream(transport: crate::protocol::Transport) -> Adapter {
    Adapter {
        create: &[Creation { method: "PUT", target: "/v1/stream/{topic}", body: "" }],
        publish: "/v1/stream/{topic}",
        headers: "Content-Type: text/plain\r\n",
        ..Adapter::ours(transport)
    }
}
