//! The engine and the topic, out of one address.

use tidings_transport::client::{ClientError, shown};
use tidings_transport::path_segment;
use url::Url;

/// What the names of the engine's own things begin with, so that they are nobody else's.
const PREFIX: &str = "direct";

/// The engine alone, and the topic with `parted` between it and the prefix.
pub(super) fn parts(url: &Url, parted: char) -> Result<(Url, String), ClientError> {
    let bad = |problem| ClientError::BadUrl { url: shown(url), problem };
    let last = url.path_segments().and_then(|mut parts| parts.next_back());
    let last = last.filter(|part| !part.is_empty()).ok_or_else(|| bad("it names no topic"))?;
    let topic = path_segment(last).map_err(|_| bad("the topic is not UTF-8"))?;
    let name = format!("{PREFIX}{parted}{topic}");
    let mut engine = url.clone();
    engine.set_path("");
    Ok((engine, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_the_path_is_the_topic() {
        let url = "nats://user:word@127.0.0.1:4222/topics/orders.new".parse().unwrap();
        let (engine, subject) = parts(&url, '.').unwrap();
        assert_eq!(engine.as_str(), "nats://user:word@127.0.0.1:4222");
        assert_eq!(subject, "direct.orders.new");
        assert!(parts(&"nats://127.0.0.1:4222".parse().unwrap(), '.').is_err());
    }
}
