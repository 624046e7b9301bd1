//! What `compare` and its load write to each other: one line of JSON for the setup, one for each command
//! and one for each outcome.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::latency::Latency;

/// The most sockets of one load: the usual limit of 20,000 open files, less a few.
pub(crate) const MAX_SOCKETS: usize = 19_900;

/// The clients and publishers of one load. This is the first line that the load reads.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Setup {
    /// The servers. Clients connect to them in turn, publishers to the first.
    pub(crate) urls: Vec<Url>,
    /// Header lines of every HTTP request, each with its line end.
    pub(crate) headers: String,
    pub(crate) transport: Transport,
    pub(crate) clients: usize,
    /// Publishing connections, each with one notification in flight.
    pub(crate) publishers: usize,
    /// Bytes of each payload.
    pub(crate) payload: usize,
    /// Seconds to wait for clients that connect and for notifications that are still missing.
    pub(crate) patience: f64,
    /// Whether each client subscribes to a topic of its own. Otherwise all subscribe to the same one.
    pub(crate) own_topics: bool,
}

/// How clients receive and publishers publish.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Transport {
    #[serde(rename = "websocket")]
    WebSocket,
    Sse,
    LongPolling,
    Nats,
    #[serde(rename = "jetstream")]
    JetStream,
    Redis,
}

/// What the load does next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Command {
    /// Connects a few clients, publishes to them and disconnects them. The server's first-time costs are then paid,
    /// and a server to which nothing can be delivered is found at once.
    Rehearse,
    /// Connects all clients.
    Connect,
    /// Publishes `burst` notifications at the same instant, `rate` a second on average, whatever the server does.
    Publish { rate: f64, burst: usize, seconds: f64 },
    /// Publishes as fast as everybody receives: each publisher sends its next notification when every client has
    /// its last one.
    Saturate { seconds: f64 },
    /// Publishes `count` notifications before any client is connected.
    Fill { count: u64 },
    /// Connects all clients at the same time, and each requests all that was published.
    Resume,
    /// Publishes nothing. Fails if a client loses its connection.
    Watch { seconds: f64 },
}

impl Command {
    /// Returns for how many seconds it goes on, whatever the server does.
    pub(crate) fn seconds(&self) -> f64 {
        match *self {
            Self::Publish { seconds, .. }
            | Self::Saturate { seconds }
            | Self::Watch { seconds } => seconds,
            Self::Rehearse | Self::Connect | Self::Fill { .. } | Self::Resume => 0.0,
        }
    }
}

#[cfg(test)]
impl Setup {
    /// Seven clients of a server that is not there.
    pub(crate) fn of_tests(transport: Transport) -> Self {
        Self {
            urls: vec!["http://127.0.0.1:4242/".parse().expect("it is a URL")],
            headers: String::new(),
            transport,
            clients: 7,
            publishers: 1,
            payload: 128,
            patience: 1.0,
            own_topics: false,
        }
    }
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Clients that are connected and have been answered.
    pub connections: u64,
    /// Notifications published.
    pub published: u64,
    /// Notifications received, each counted once for each client that it was meant for.
    pub deliveries: u64,
    /// Notifications that a client should have received and did not.
    pub lost: u64,
    /// Notifications received a second time, or by a client that they were not meant for.
    pub duplicated: u64,
    /// Notifications received after a later one of the same publisher.
    pub reordered: u64,
    /// Requests of the clients.
    pub requests: u64,
    /// Bytes that the clients received, counted at their sockets.
    pub received_bytes: u64,
    /// Bytes that the clients sent, counted at their sockets.
    pub sent_bytes: u64,
    /// From the first intended publish to the last delivery, and at least as long as the schedule. For clients that
    /// connect: until the last one is answered.
    pub seconds: f64,
    /// From the intended publish to each delivery. `None` without a schedule.
    pub latency: Option<Latency>,
    /// From the intended publish to the actual one.
    pub late: Option<Latency>,
    /// From the intended publish to the server's response.
    pub answered: Option<Latency>,
    /// Why the first of the lost connections ended.
    pub first_ending: Option<String>,
}

impl Outcome {
    /// Adds what another command found wrong.
    pub(crate) fn add_faults(&mut self, other: &Self) {
        self.lost += other.lost;
        self.duplicated += other.duplicated;
        self.reordered += other.reordered;
    }
}

impl Transport {
    /// Returns `true` if requests are HTTP. The others are message queues.
    pub(crate) fn is_http(self) -> bool {
        matches!(self, Self::WebSocket | Self::Sse | Self::LongPolling)
    }

    /// Returns `true` if the server responds to a publish.
    pub(crate) fn answers_publishes(self) -> bool {
        self != Self::Nats
    }
}
