//! The list of contenders: which server, and how clients receive from it.

use crate::protocol::Transport;

/// A column of the comparison.
#[derive(Debug, PartialEq)]
pub(crate) struct Contender {
    /// The name by which it is chosen.
    pub(crate) name: &'static str,
    /// The name of a group by which it is chosen together with others.
    pub(crate) family: Family,
    /// Its heading in the report.
    pub(crate) title: &'static str,
    pub(crate) server: Server,
    pub(crate) transport: Transport,
    /// What figures cannot show and a reader has to know, such as other guarantees.
    pub(crate) remark: Option<&'static str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    /// Our server by each transport.
    Transports,
    /// Our server with one system call for each send.
    Plain,
    /// The baseline server by each transport.
    Baseline,
    /// Message queues that clients read directly.
    MessageQueue,
    /// Our servers with and without a broker.
    Broker,
}

/// What is started.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Server {
    /// Our server with these further arguments.
    Ours(&'static [&'static str]),
    /// So many of our servers over one broker. Clients connect to all of them in turn, publishers to the first.
    Nodes(usize, Option<Broker>),
    /// The baseline server.
    Baseline,
    /// A message queue.
    Queue(Broker),
}

/// A server of another project.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Broker {
    Nats,
    Redis,
}

/// The baseline by one transport.
const fn baseline(name: &'static str, title: &'static str, transport: Transport) -> Contender {
    let (family, server) = (Family::Baseline, Server::Baseline);
    Contender { name, family, title, server, transport, remark: None }
}

/// Our server by one transport.
const fn ours(name: &'static str, transport: Transport) -> Contender {
    let (family, server) = (Family::Transports, Server::Ours(&[]));
    Contender { name, family, title: name, server, transport, remark: None }
}

/// Our server by plain writes.
const fn plain(name: &'static str, title: &'static str, transport: Transport) -> Contender {
    let (family, server) = (Family::Plain, Server::Ours(&["--no-io-uring"]));
    Contender { name, family, title, server, transport, remark: None }
}

/// A message queue.
const fn queue(
    name: &'static str,
    title: &'static str,
    broker: Broker,
    transport: Transport,
    remark: &'static str,
) -> Contender {
    let (family, server) = (Family::MessageQueue, Server::Queue(broker));
    Contender { name, family, title, server, transport, remark: Some(remark) }
}

/// Our servers over a broker, by SSE.
const fn nodes(
    name: &'static str,
    title: &'static str,
    count: usize,
    broker: Option<Broker>,
    remark: &'static str,
) -> Contender {
    let (family, server) = (Family::Broker, Server::Nodes(count, broker));
    Contender { name, family, title, server, transport: Transport::Sse, remark: Some(remark) }
}

const IN_MEMORY: &str = "the server's own log, which ends with it.";
const OVER_NATS: &str =
    "a publish is answered when JetStream has stored it, and is one hop further from each client.";
const OVER_REDIS: &str = "a publish is answered when it is in the log file of Redis, which is on disk within a second, \
                          and is one hop further from each client.";

/// All contenders, each transport next to its baseline.
pub(crate) static CONTENDERS: &[Contender] = &[
    ours("websocket", Transport::WebSocket),
    plain("websocket-plain", "websocket, plain writes", Transport::WebSocket),
    baseline("baseline-websocket", "baseline websocket", Transport::WebSocket),
    ours("sse", Transport::Sse),
    plain("sse-plain", "sse, plain writes", Transport::Sse),
    baseline("baseline-sse", "baseline sse", Transport::Sse),
    ours("long-polling", Transport::LongPolling),
    baseline("baseline-long-polling", "baseline long-polling", Transport::LongPolling),
    queue(
        "nats",
        "NATS",
        Broker::Nats,
        Transport::Nats,
        "core NATS without our server, which would be one hop more. It keeps nothing and delivers at most \
         once: a client that is away misses what is published meanwhile. Publishes are not answered. \
         Browsers do not speak it.",
    ),
    queue(
        "jetstream",
        "JetStream",
        Broker::Nats,
        Transport::JetStream,
        "a consumer for each client, without our server, which would be one hop more. A publish is answered \
         when the stream has stored it, and a client can continue where it was; our server alone keeps its \
         log in memory only. Browsers do not speak it.",
    ),
    queue(
        "redis",
        "Redis",
        Broker::Redis,
        Transport::Redis,
        "Redis Streams without our server, which would be one hop more. Each client sends XREAD BLOCK, and \
         again after each response, like a poll. A publish is answered when it is in the log file, which is on \
         disk within a second; our server alone keeps its log in memory only. Browsers do not speak it.",
    ),
    nodes("memory", "memory, 1 node", 1, None, IN_MEMORY),
    nodes("nats-1", "NATS, 1 node", 1, Some(Broker::Nats), OVER_NATS),
    nodes("nats-2", "NATS, 2 nodes", 2, Some(Broker::Nats), OVER_NATS),
    nodes("redis-1", "Redis, 1 node", 1, Some(Broker::Redis), OVER_REDIS),
    nodes("redis-2", "Redis, 2 nodes", 2, Some(Broker::Redis), OVER_REDIS),
];

impl Contender {
    /// Returns `true` if our server is a part of it.
    pub(crate) fn has_our_server(&self) -> bool {
        matches!(self.server, Server::Ours(_) | Server::Nodes(..))
    }
}

impl Family {
    const ALL: [Self; 5] =
        [Self::Transports, Self::Plain, Self::Baseline, Self::MessageQueue, Self::Broker];

    fn name(self) -> &'static str {
        match self {
            Self::Transports => "transports",
            Self::Plain => "plain",
            Self::Baseline => "baseline",
            Self::MessageQueue => "message-queue",
            Self::Broker => "broker",
        }
    }
}

/// Returns the names of all families and contenders.
pub fn contender_names() -> Vec<&'static str> {
    let families = Family::ALL.map(Family::name);
    families.into_iter().chain(CONTENDERS.iter().map(|contender| contender.name)).collect()
}

/// Returns the contenders with these names or of these families, in the order of `names`, each once.
///
/// # Errors
/// Returns the first name that is unknown.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Contender>, &str> {
    let mut chosen: Vec<&Contender> = Vec::new();
    for name in names {
        let is_meant =
            |one: &&Contender| one.name == name.as_str() || one.family.name() == name.as_str();
        let meant: Vec<_> = CONTENDERS.iter().filter(is_meant).collect();
        if meant.is_empty() {
            return Err(name);
        }
        let new: Vec<_> = meant.into_iter().filter(|one| !chosen.contains(one)).collect();
        chosen.extend(new);
    }
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<&'static str> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        chosen(&names).unwrap().iter().map(|contender| contender.name).collect()
    }

    #[test]
    fn a_family_is_chosen_by_its_name_and_no_contender_twice() {
        assert_eq!(names(&["transports"]), ["websocket", "sse", "long-polling"]);
        assert_eq!(names(&["redis", "message-queue"]), ["redis", "nats", "jetstream"]);
    }

    #[test]
    fn an_unknown_name_is_returned() {
        let names = ["sse", "pigeon"].map(str::to_owned);
        assert_eq!(chosen(&names), Err("pigeon"));
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
