//! A message queue below many hubs: NATS JetStream and Redis Streams.

pub mod direct;
pub mod local;
