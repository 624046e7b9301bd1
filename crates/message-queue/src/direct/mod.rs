//! The engines read and written to without a hub: what a client pays for a message queue itself.
//!
//! ```text
//! core NATS      SUB subject                          ─► messages, from now on, kept nowhere
//! JetStream      an ordered consumer on a stream      ─► messages with their sequence numbers
//! Redis Streams  XREAD BLOCK … key after, in a loop   ─► entries with their ids
//! ```
//!
//! They are clients like those of the transports, one connection each, so that the same workload measures
//! them. They use subjects, a stream and keys of their own (`direct…`), which are none of a
//! [`Broker`](tidings_core::Broker)'s: what is published here no hub sees.
//!
//! Addresses are those of the engine with the topic as the last part of the path, such as
//! `nats://127.0.0.1:4222/topics/orders.new`.

mod address;
mod jetstream;
mod nats;
mod redis;
mod redis_link;

pub use jetstream::{JetStreamClient, JetStreamPublisher};
pub use nats::{NatsClient, NatsPublisher};
pub use redis::{RedisClient, RedisPublisher};

/// As many notifications as a hub keeps by default.
const KEPT: u32 = 65_536;
