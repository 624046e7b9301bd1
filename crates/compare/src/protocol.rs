//! The protocol between `compare` and its load: one line of JSON for the setup, one for each command and one for each
//! outcome.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::latency::Latency;
use crate::workload::Payload;

/// The most sockets of one load: the usual limit of 20,000 open files, minus a few.
pub(crate) const MAX_SOCKETS: usize = 19_900;

/// The clients and publishers of one load. This is the first line that the load reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The servers. Clients connect to them in turn, publishers to the first.
    pub(crate) urls: Vec<Url>,
    /// The PEM file with the certificate of the servers. Connections use TLS if there is one.
    pub(crate) certificate: Option<PathBuf>,
    /// Connections keep the tickets that a command needs to resume TLS sessions.
    pub(crate) keeps_tickets: bool,
    /// Header lines of every HTTP request, each with its line end.
    pub(crate) headers: String,
    pub(crate) transport: Transport,
    /// The name of the peer whose requests are used. `None` for our server and for message queues.
    pub(crate) peer: Option<String>,
    /// `true` if clients connect by HTTP/2. Publishers always use HTTP/1.1.
    pub(crate) http2: bool,
    pub(crate) clients: usize,
    /// Publishing connections, each with one notification in flight.
    pub(crate) publishers: usize,
    pub(crate) payload: Payload,
    /// `true` if clients request compression and inflate what they receive.
    pub(crate) compression: bool,
    /// Seconds to wait for clients that connect and for notifications that are still missing.
    pub(crate) patience: f64,
    /// The network namespace in which publishers connect. `None` means that of the load.
    pub(crate) publishers_in: Option<PathBuf>,
    /// The seconds for which a server may hold a poll.
    pub(crate) hold: u32,
    /// Each client subscribes to its own topics. Otherwise all subscribe to the same one.
    pub(crate) own_topics: bool,
    /// The streams of a client's HTTP/2 connection, each with its own topic. 1 with HTTP/1.1.
    pub(crate) streams: usize,
}

/// How clients receive and publishers publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::enum_variant_names, reason = "WebTransport is the name of a transport")]
pub(crate) enum Transport {
    #[serde(rename = "websocket")]
    WebSocket,
    Sse,
    LongPolling,
    #[serde(rename = "webtransport")]
    WebTransport,
    Nats,
    #[serde(rename = "jetstream")]
    JetStream,
    Redis,
}

/// A command to the load.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Command {
    /// Connects a few clients, publishes to them and disconnects them. This pays the one-time costs of the server, and
    /// reports at once if nothing can be delivered.
    Rehearse,
    /// Connects all clients, of which at most `at_once` are not answered yet. With TLS, all resume a session of an
    /// earlier connection if `resumes` is `true`, otherwise none.
    Connect {
        /// The most clients that are not answered yet.
        at_once: usize,
        /// `true` if TLS sessions are resumed.
        resumes: bool,
    },
    /// Disconnects all clients.
    Disconnect,
    /// Publishes `burst` notifications at the same instant, `rate` per second on average, even if the server is late.
    Publish {
        /// Notifications per second.
        rate: f64,
        /// Notifications at the same instant.
        burst: usize,
        /// The length of the schedule.
        seconds: f64,
        /// `true` if the tabs of a browser are hidden meanwhile.
        #[serde(default)]
        hidden: bool,
    },
    /// The last `clients` clients stop reading for good. Nothing is meant for them from now on.
    Stall {
        /// Clients.
        clients: usize,
    },
    /// Publishes as fast as all clients receive: each publisher sends its next notification when every client has
    /// received its last one.
    Saturate {
        /// The time for which it publishes.
        seconds: f64,
    },
    /// Publishes `count` notifications before any client is connected.
    Fill {
        /// Notifications.
        count: u64,
    },
    /// Disconnects all clients and publishes `count` notifications, which they miss.
    Leave {
        /// Notifications.
        count: u64,
    },
    /// Connects all clients at the same time. Each requests everything that was published since [`Fill`](Self::Fill) or
    /// [`Leave`](Self::Leave).
    Resume,
    /// Loads the pages of all tabs of a browser in one window, if they are not loaded, and connects the first ones. Tabs
    /// that the browser does not connect are left waiting.
    Open {
        /// The number of tabs to connect.
        tabs: usize,
    },
    /// Cuts the simulated network, and waits until the server has closed the connections of all clients. The load does not
    /// get this command.
    Cut {
        /// The longest time to wait.
        seconds: f64,
    },
    /// Publishes `rate` notifications per second, one at a time, while the servers are restarted in turn. A client whose
    /// connection ends connects to the next server, with the id of the last notification that it has received.
    RollingRestart {
        /// Notifications per second.
        rate: f64,
        /// The length of the schedule.
        seconds: f64,
    },
    /// Publishes nothing. Fails if a client loses its connection.
    Watch {
        /// The time for which it watches.
        seconds: f64,
    },
}

impl Command {
    /// The seconds that the command takes even with an infinitely fast server.
    pub(crate) fn seconds(&self) -> f64 {
        match *self {
            Self::Publish { seconds, .. }
            | Self::RollingRestart { seconds, .. }
            | Self::Saturate { seconds }
            | Self::Cut { seconds }
            | Self::Watch { seconds } => seconds,
            Self::Rehearse
            | Self::Connect { .. }
            | Self::Disconnect
            | Self::Stall { .. }
            | Self::Fill { .. }
            | Self::Leave { .. }
            | Self::Open { .. }
            | Self::Resume => 0.0,
        }
    }
}

#[cfg(test)]
impl Setup {
    /// A setup with seven clients of a server that does not exist.
    pub(crate) fn of_tests(transport: Transport) -> Self {
        Self {
            urls: vec!["http://127.0.0.1:4242/".parse().expect("a valid URL")],
            certificate: None,
            keeps_tickets: false,
            headers: String::new(),
            transport,
            peer: None,
            http2: false,
            clients: 7,
            publishers: 1,
            payload: Payload::Plain(128),
            compression: false,
            patience: 1.0,
            publishers_in: None,
            hold: 60,
            own_topics: false,
            streams: 1,
        }
    }
}

/// The outcome of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Outcome {
    /// Clients that are connected and answered.
    pub connections: u64,
    /// Notifications published.
    pub published: u64,
    /// Notifications received, counted once per client that they were meant for.
    pub deliveries: u64,
    /// Notifications that a client should have received and did not.
    pub lost: u64,
    /// Notifications received a second time, or by a client that they were not meant for.
    pub duplicated: u64,
    /// Notifications received after a later one of the same publisher.
    pub reordered: u64,
    /// How often a client has connected to another server after its connection had ended.
    #[serde(default)]
    pub moved: u64,
    /// Requests of the clients.
    pub requests: u64,
    /// Bytes that the clients received, counted at their sockets.
    pub received_bytes: u64,
    /// Bytes that the clients sent, counted at their sockets.
    pub sent_bytes: u64,
    /// Seconds from the first scheduled publish to the last delivery, at least the length of the schedule. For clients
    /// that connect, seconds until the last one is answered.
    pub seconds: f64,
    /// Times from the start of a connect until the TCP connection is established. `None` if no client has connected.
    pub tcp_time: Option<Latency>,
    /// Times from then on until the TLS handshake is complete. `None` without TLS.
    pub tls_time: Option<Latency>,
    /// Times from then on until the first response.
    pub request_time: Option<Latency>,
    /// TLS sessions that were resumed.
    #[serde(default)]
    pub resumed: u64,
    /// Times from the scheduled publish to each delivery. `None` without a schedule.
    pub latency: Option<Latency>,
    /// Times from the scheduled publish to the actual one.
    pub late: Option<Latency>,
    /// Times from the scheduled publish to the server's response.
    pub answered: Option<Latency>,
    /// The reason for the end of the first lost connection.
    pub first_ending: Option<String>,
    /// Seconds from a cut of the network until the server had closed half of the connections. `None` without a cut, or if
    /// it had not closed them in time.
    #[serde(default)]
    pub noticed_half: Option<f64>,
    /// Seconds from a cut of the network until the server had closed all connections. `None` without a cut, or if it had
    /// not closed them in time.
    #[serde(default)]
    pub noticed_all: Option<f64>,
    /// What the browser used. `None` if the clients are not tabs of a browser.
    #[serde(default)]
    pub browser: Option<BrowserUse>,
}

/// What a browser used, whose tabs are the clients.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct BrowserUse {
    /// Tabs that received a notification of the stage.
    pub receiving: u64,
    /// CPU time of all processes of the browser during the command.
    pub cpu_ns: u64,
    /// CPU time of the renderer processes, from the first publish to the last delivery.
    pub renderer_cpu_ns: u64,
    /// CPU time of the network service, from the first publish to the last delivery.
    pub network_cpu_ns: u64,
    /// Memory of the renderer processes with one tab in bytes, before it connects: proportional set size.
    pub first_memory: Option<u64>,
    /// Memory of the renderer processes with all tabs in bytes.
    pub memory: Option<u64>,
}

impl Outcome {
    /// Adds the duplicates, reordered notifications and lost connections of another command.
    pub(crate) fn add_faults(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

impl Transport {
    /// All other transports are those of message queues.
    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::WebSocket | Self::Sse | Self::LongPolling | Self::WebTransport)
    }

    pub(crate) fn answers_publishes(self) -> bool {
        self != Self::Nats
    }
}
