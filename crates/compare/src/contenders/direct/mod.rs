//! Message queues that are read and written without a hub: the fourth way of the comparison.
//!
//! ```text
//! core NATS      SUB subject                          ─► messages, from now on, kept nowhere
//! JetStream      an ordered consumer on a stream      ─► messages with their sequence numbers
//! Redis Streams  XREAD BLOCK … key after, in a loop   ─► entries with their ids
//! ```
//!
//! They are clients like those of the transports, with one connection each, so the same workload measures them.
//! Their subjects, stream and keys begin with `direct`, so a hub on the same server does not see what is published
//! here.
//!
//! An address is that of the server with the topic as the last part of the path, such as
//! `nats://127.0.0.1:4222/topics/orders.new`. The server is one without login and TLS.

mod jetstream;
mod nats;
mod redis;
mod redis_link;

pub use jetstream::{JetStreamClient, JetStreamPublisher};
pub use nats::{NatsClient, NatsPublisher};
pub use redis::{RedisClient, RedisPublisher};

use tidings_transport::client::{ClientError, shown};
use tidings_transport::path_segment;
use url::Url;

/// As many notifications as a hub keeps by default.
const KEPT: u32 = 65_536;

/// What the names of subjects and keys begin with.
const PREFIX: &str = "direct";

/// Returns the server as `host:port`, and the subject or key: the prefix, `separator` and the topic.
fn parts(url: &Url, separator: char) -> Result<(String, String), ClientError> {
    let bad = |problem| ClientError::BadUrl { url: shown(url), problem };
    let (Some(host), Some(port)) = (url.host_str(), url.port()) else {
        return Err(bad("it names no host and port"));
    };
    let last = url.path_segments().and_then(|mut parts| parts.next_back());
    let last = last.filter(|part| !part.is_empty()).ok_or_else(|| bad("it names no topic"))?;
    let topic = path_segment(last).map_err(|_| bad("the topic is not UTF-8"))?;
    Ok((format!("{host}:{port}"), format!("{PREFIX}{separator}{topic}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_is_the_topic() {
        let url = "nats://127.0.0.1:4222/topics/orders.new".parse().unwrap();
        let expected = ("127.0.0.1:4222".to_owned(), "direct.orders.new".to_owned());
        assert_eq!(parts(&url, '.').unwrap(), expected);
        for wrong in ["nats://127.0.0.1:4222", "redis://127.0.0.1/topics/t"] {
            assert!(parts(&wrong.parse().unwrap(), '.').is_err(), "{wrong}");
        }
    }
}
