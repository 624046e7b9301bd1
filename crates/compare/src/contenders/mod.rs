//! The contenders of the program: the hub by each transport, message queues that are read directly, and hubs that
//! share a broker.

mod brokers;
pub mod direct;

use std::sync::Arc;

use tidings_core::Heartbeat;
use tidings_server::transports;
use tidings_transport::client::{Client, Publisher};

use self::brokers::{Nats, Redis};
use self::direct::{
    JetStreamClient, JetStreamPublisher, NatsClient, NatsPublisher, RedisClient, RedisPublisher,
};
use crate::contender::{Contender, Server};
use crate::engine::Engine;

/// The name of all message queues at once.
const QUEUES: &str = "message-queue";

/// By which transport the clients of [`nodes`] are connected.
const NODES_BY: &str = "sse";

/// Returns the hub by each of its transports.
pub fn hub() -> Vec<Contender> {
    clients().map(Contender::hub).collect()
}

/// Returns each message queue, read by its own client.
pub fn queues() -> Vec<Contender> {
    let queue =
        |name, engine: Arc<dyn Engine>, client: Arc<dyn Client>, publisher, remark: &str| {
            Contender {
                name,
                family: Some(QUEUES),
                title: client.transport(),
                server: Server::Engine(engine),
                client,
                publisher,
                remark: Some(remark.to_owned()),
            }
        };
    vec![
        queue(
            "nats",
            Arc::new(Nats),
            Arc::new(NatsClient),
            NatsPublisher::boxed,
            "core NATS without a hub, which would be one hop more. It keeps nothing and delivers at most \
             once: who is away misses what is published meanwhile. No publish is answered, so one counts \
             as made when it is sent. No browser speaks it.",
        ),
        queue(
            "jetstream",
            Arc::new(Nats),
            Arc::new(JetStreamClient),
            JetStreamPublisher::boxed,
            "an ordered consumer for each client, without a hub, which would be one hop more. A publish is \
             answered once the stream has stored it, and a client reads on from where it was; a hub on its \
             own keeps its log in memory only. No browser speaks it.",
        ),
        queue(
            "redis",
            Arc::new(Redis),
            Arc::new(RedisClient),
            RedisPublisher::boxed,
            "Redis Streams without a hub, which would be one hop more. Each client asks with XREAD BLOCK, \
             and again behind each answer, as a poll does. A publish is answered once it is in the log file, \
             which is on disk within a second; a hub on its own keeps its log in memory only. No browser \
             speaks it.",
        ),
    ]
}

/// Returns the names by which [`hub`] and [`queues`] are chosen.
pub fn names() -> Vec<&'static str> {
    let mut names: Vec<_> = hub().into_iter().map(|one| one.name).collect();
    names.push(QUEUES);
    names.extend(queues().into_iter().map(|one| one.name));
    names
}

/// Returns a hub with a log of its own, and hubs that share a broker.
///
/// # Panics
/// If the hub has no transport by the name of SSE.
pub fn nodes() -> Vec<Contender> {
    let client = clients().find(|client| client.transport() == NODES_BY);
    let client = client.expect("SSE is one of the hub's transports");
    let row =
        |name, family, title, nodes, engine: Option<Arc<dyn Engine>>, remark: &str| Contender {
            name,
            family: Some(family),
            title,
            server: Server::Nodes { nodes, engine },
            client: client.clone(),
            publisher: Publisher::boxed,
            remark: Some(remark.to_owned()),
        };
    let alone = "the hub's own log, which ends with it.";
    let nats = "a publish is answered once JetStream has stored it, and is one hop further to each client.";
    let redis = "a publish is answered once it is in Redis' log file, which is on disk within a second, and \
                 is one hop further to each client.";
    let jetstream = || -> Option<Arc<dyn Engine>> { Some(Arc::new(Nats)) };
    let streams = || -> Option<Arc<dyn Engine>> { Some(Arc::new(Redis)) };
    vec![
        row("memory", "memory", "memory, 1 node", 1, None, alone),
        row("nats-1", "nats", "NATS, 1 node", 1, jetstream(), nats),
        row("nats-2", "nats", "NATS, 2 nodes", 2, jetstream(), nats),
        row("redis-1", "redis", "Redis, 1 node", 1, streams(), redis),
        row("redis-2", "redis", "Redis, 2 nodes", 2, streams(), redis),
    ]
}

fn clients() -> impl Iterator<Item = Arc<dyn Client>> {
    let listed = transports(Heartbeat::default());
    listed.into_iter().map(|listed| listed.client)
}
