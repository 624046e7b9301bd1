//! Contenders. Each is a server and the transport by which clients receive from it.

mod list;

pub(crate) use self::list::*;
use crate::peers::Peer;
use crate::protocol::Transport;
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
    /// `true` if it shows what does not work, so that it may fail.
    pub(crate) may_fail: bool,
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
    /// Only axum and a broadcast channel of tokio, with these arguments.
    Broadcast { args: &'static [&'static str] },
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

impl Contender {
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

    /// `true` if clients reach one HTTP server, without a broker.
    pub(crate) fn is_one_http_server(&self) -> bool {
        self.transport.is_http() && !matches!(self.family, BROKER | TWO_SERVERS)
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
        self.transport == Transport::WebTransport
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
            Self::Mounted | Self::Broadcast { .. } | Self::Baseline | Self::Peer(_) => None,
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
        ENCODING,
        BASELINE,
        PEERS,
        PEERS_COMPRESSED,
        PROXIES,
        MESSAGE_QUEUE,
        BROKER,
        TWO_SERVERS,
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
