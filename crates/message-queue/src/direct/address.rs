//! The server and the topic, out of one address.

use tidings_transport::client::{ClientError, shown};
use tidings_transport::path_segment;
use url::Url;

use crate::address::{BrokerKind, Server};

/// What the names of the engine's own things begin with, so that they are nobody else's.
const PREFIX: &str = "direct";

/// The server, and the topic with `parted` between it and the prefix.
pub(super) fn parts(
    url: &Url,
    kind: BrokerKind,
    parted: char,
) -> Result<(Server, String), ClientError> {
    let server = Server::of(url, kind).map_err(|problem| {
        tracing::debug!(problem, "the address of a queue cannot be read");
        ClientError::BadUrl { url: shown(url), problem: "it is not one of this queue" }
    })?;
    let bad = |problem| ClientError::BadUrl { url: server.to_string(), problem };
    let last = url.path_segments().and_then(|mut parts| parts.next_back());
    let last = last.filter(|part| !part.is_empty()).ok_or_else(|| bad("it names no topic"))?;
    let topic = path_segment(last).map_err(|_| bad("the topic is not UTF-8"))?;
    Ok((server, format!("{PREFIX}{parted}{topic}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_is_the_topic() {
        let url = "nats://user:word@127.0.0.1:4222/topics/orders.new".parse().unwrap();
        let (server, subject) = parts(&url, BrokerKind::Nats, '.').unwrap();
        assert_eq!(server.to_string(), "127.0.0.1:4222");
        assert!(server.login.is_some());
        assert_eq!(subject, "direct.orders.new");
        for wrong in ["nats://user:word@127.0.0.1:4222", "redis://user:word@127.0.0.1/topics/t"] {
            let error = parts(&wrong.parse().unwrap(), BrokerKind::Nats, '.').unwrap_err();
            assert!(!error.to_string().contains("word"), "{error}");
        }
    }
}
