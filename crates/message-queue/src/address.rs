//! What an engine's URL says.

use tidings_core::BrokerError;
use url::Url;

use crate::fault::refused;

/// The stream where none is named.
pub(crate) const DEFAULT_STREAM: &str = "tidings";

const MAX_NAME_BYTES: usize = 64;

/// A URL taken apart: `SCHEME://HOST[,HOST…][/PATH][?stream=NAME]`.
#[derive(Debug)]
pub(crate) struct Address {
    /// One URL a host, without what belongs to us.
    pub(crate) servers: Vec<Url>,
    pub(crate) stream: String,
}

impl Address {
    /// Several hosts are no URL to the `url` crate, so it is taken apart before.
    pub(crate) fn parse(text: &str, scheme: &str) -> Result<Self, BrokerError> {
        let fault = |problem: String| refused(scheme, problem);
        let rest = text
            .strip_prefix(scheme)
            .and_then(|rest| rest.strip_prefix("://"))
            .ok_or_else(|| fault(format!("its URL must begin with {scheme}://")))?;
        let (hosts, query) = rest.split_once('?').unwrap_or((rest, ""));
        let servers = hosts.split(',').map(|host| format!("{scheme}://{host}").parse());
        let servers: Vec<Url> = servers
            .collect::<Result<_, _>>()
            .map_err(|error: url::ParseError| fault(format!("its URL cannot be read: {error}")))?;
        if servers.iter().any(|server| server.host_str().is_none_or(str::is_empty)) {
            return Err(fault(format!("its URL names no host: {scheme}://HOST:PORT")));
        }
        let mut stream = DEFAULT_STREAM.to_owned();
        for (key, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*key {
                "stream" => stream = value.into_owned(),
                other => return Err(fault(format!("its URL has {other:?}: there is only stream"))),
            }
        }
        check_stream(&stream).map_err(fault)?;
        Ok(Self { servers, stream })
    }

    /// For errors and logs: where, and never a password.
    pub(crate) fn name(&self, engine: &str) -> String {
        let hosts = self.servers.iter().map(|url| {
            let host = url.host_str().unwrap_or_default();
            url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
        });
        format!("{engine} at {}", hosts.collect::<Vec<_>>().join(","))
    }
}

/// A name that is one token of a NATS subject and plain in a Redis key.
fn check_stream(name: &str) -> Result<(), String> {
    let sound = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let words =
        || format!("the stream's name {name:?} is not 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ -");
    if sound { Ok(()) } else { Err(words()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_hosts_and_the_stream_are_read() {
        let address = Address::parse("nats://a:1,u:secret@b:2?stream=news", "nats").unwrap();
        assert_eq!(address.servers.len(), 2);
        assert_eq!(address.stream, "news");
        assert_eq!(address.name("NATS"), "NATS at a:1,b:2");
        assert_eq!(Address::parse("nats://a", "nats").unwrap().stream, "tidings");
    }

    #[test]
    fn each_fault_is_named() {
        let fault = |text| Address::parse(text, "nats").unwrap_err().to_string();
        assert!(fault("redis://a").contains("nats://"));
        assert!(fault("nats://").contains("host"));
        assert!(fault("nats://a?stream=a.b").contains("\"a.b\""));
        assert!(fault("nats://a?colour=red").contains("colour"));
    }
}
