//! What every connection of a client has in common, besides its address.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

/// What every connection of a client has in common, besides its address. The default sends no headers of
/// its own, trusts the certificate authorities of the system, and waits 10 s for each step.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Headers of every request, such as `Authorization`. They replace those of the client with the same
    /// name, except for the headers that [`is_reserved`](Self::is_reserved) names, which are not sent.
    pub headers: HeaderMap,
    /// How long to wait for a server.
    pub limits: TimeLimits,
    /// Which certificates to accept for `https`.
    #[cfg(feature = "tls")]
    pub tls: super::Tls,
}

/// How long a client waits for a server, one limit for each step of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeLimits {
    /// Name resolution, connect and TLS together. Default 10 s.
    pub connect: Duration,
    /// From the beginning of a request to the head of its answer. A held poll may take its hold in
    /// addition, and a publish one second more for each 16 KiB of payload. Default 10 s. Shorter notices a
    /// dead server sooner, and takes a slow one for dead sooner.
    pub head: Duration,
    /// Without a byte of the body of an answer. The body of a subscription is bounded by its heartbeats
    /// instead. Default 10 s.
    pub body: Duration,
}

impl Default for TimeLimits {
    fn default() -> Self {
        let limit = Duration::from_secs(10);
        Self { connect: limit, head: limit, body: limit }
    }
}

impl TimeLimits {
    /// Changes the time limit of name resolution, connect and TLS together.
    pub fn connect(self, limit: Duration) -> Self {
        Self { connect: limit, ..self }
    }

    /// Changes the time limit from the beginning of a request to the head of its answer.
    pub fn head(self, limit: Duration) -> Self {
        Self { head: limit, ..self }
    }

    /// Changes how long no byte of the body of an answer may arrive.
    pub fn body(self, limit: Duration) -> Self {
        Self { body: limit, ..self }
    }
}

impl ConnectOptions {
    /// Changes how long to wait for a server.
    pub fn limits(self, limits: TimeLimits) -> Self {
        Self { limits, ..self }
    }

    /// Changes which certificates to accept for `https`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: super::Tls) -> Self {
        Self { tls, ..self }
    }

    /// Sends the token as `Authorization: Bearer` (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// If the token has characters that no header may have.
    pub fn bearer(mut self, token: &str) -> Result<Self, InvalidHeaderValue> {
        let value = HeaderValue::try_from(format!("Bearer {token}"))?;
        self.headers.insert(header::AUTHORIZATION, value);
        Ok(self)
    }

    /// Returns `true` for the headers that a client sets itself, because they frame the request, belong to
    /// the WebSocket handshake or carry the position.
    pub fn is_reserved(name: &HeaderName) -> bool {
        const RESERVED: [HeaderName; 8] = [
            header::CONNECTION,
            header::CONTENT_LENGTH,
            header::EXPECT,
            header::TE,
            header::TRAILER,
            header::TRANSFER_ENCODING,
            header::UPGRADE,
            HeaderName::from_static("last-event-id"),
        ];
        RESERVED.contains(name) || name.as_str().starts_with("sec-websocket-")
    }

    /// The headers to send to this address: those of the options, and `Authorization: Basic` (RFC 7617) if
    /// the address has a user or a password.
    pub(super) fn headers_for(&self, url: &Url) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if !url.username().is_empty() || url.password().is_some() {
            let user = percent_decode_str(url.username()).collect::<Vec<u8>>();
            let password = percent_decode_str(url.password().unwrap_or_default()).collect();
            let basic = STANDARD.encode([user, password].join(&b':'));
            let value = HeaderValue::try_from(format!("Basic {basic}"));
            headers.extend(value.ok().map(|value| (header::AUTHORIZATION, value)));
        }
        headers.extend(self.headers.clone());
        let reserved: Vec<_> =
            headers.keys().filter(|name| Self::is_reserved(name)).cloned().collect();
        for name in reserved {
            headers.remove(name);
        }
        // So that no `Debug` prints them.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        headers
    }
}

impl fmt::Debug for ConnectOptions {
    /// Writes the names of the headers and not their values, which may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("ConnectOptions")
            .field("headers", &names)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// Returns the address as it may be shown: without user and password, and with `***` in place of each value
/// of the query but those of the hub's own parameters.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // An address that has no host has no user either.
    let _ = shown.set_username("").and_then(|()| shown.set_password(None));
    if url.query_pairs().any(|(name, _)| may_be_secret(&name)) {
        let pairs = url.query_pairs().map(|(name, value)| match may_be_secret(&name) {
            true => format!("{name}=***"),
            false => format!("{name}={value}"),
        });
        shown.set_query(Some(&pairs.collect::<Vec<_>>().join("&")));
    }
    shown.set_fragment(None);
    shown.to_string()
}

/// Whether a parameter of an address may hold a credential: every one that is not the hub's own.
fn may_be_secret(name: &str) -> bool {
    const HARMLESS: [&str; 4] = ["after", "last_event_id", "transport", "wait"];
    !HARMLESS.contains(&name)
}

/// Takes the values of credentials out of what a server says: a server may repeat the request in its error.
pub(super) fn without_secrets(text: &str, headers: &HeaderMap, url: &Url) -> String {
    /// A shorter value would take ordinary words out of the text.
    const SHORTEST: usize = 4;
    let is_secret = |name: &HeaderName| {
        ["auth", "cookie", "key", "password", "secret", "session", "token"]
            .iter()
            .any(|part| name.as_str().contains(part))
    };
    let values = headers.iter().filter(|(name, _)| is_secret(name));
    let values = values.filter_map(|(_, value)| value.to_str().ok());
    // A server may repeat only a part: the token of `Bearer TOKEN`, the value of `session=VALUE`.
    let parts = values.flat_map(|value| {
        [" ", "="].map(|mark| value.rsplit(mark).next()).into_iter().flatten().chain([value])
    });
    let mut secrets: Vec<String> = parts.map(str::to_owned).collect();
    secrets.extend(url.password().map(str::to_owned));
    let tokens = url.query_pairs().filter(|(name, _)| may_be_secret(name));
    secrets.extend(tokens.map(|(_, token)| token.into_owned()));
    secrets.sort_unstable_by_key(|secret| std::cmp::Reverse(secret.len()));
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| secret.len() >= SHORTEST) {
        text = text.replace(secret.as_str(), "***");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        text.parse().unwrap()
    }

    #[test]
    fn a_token_and_a_user_are_sent_and_neither_is_ever_shown() {
        let options = ConnectOptions::default().bearer("s3cret-token").unwrap();
        let headers = options.headers_for(&url("https://ann:p%40ss@h/"));
        assert_eq!(headers[header::AUTHORIZATION], "Bearer s3cret-token");
        assert!(!format!("{options:?}").contains("s3cret"), "{options:?}");

        let headers = ConnectOptions::default().headers_for(&url("https://ann:p%40ss@h/"));
        assert_eq!(headers[header::AUTHORIZATION], "Basic YW5uOnBAc3M=");
        assert!(ConnectOptions::default().headers_for(&url("https://h/")).is_empty());
        assert!(ConnectOptions::default().bearer("two\nlines").is_err());
    }

    #[test]
    fn a_header_that_frames_the_request_is_not_sent() {
        let mut options = ConnectOptions::default();
        for name in ["content-length", "connection", "sec-websocket-key", "x-tenant"] {
            options.headers.insert(name, HeaderValue::from_static("7"));
        }
        let headers = options.headers_for(&url("http://h/"));
        assert_eq!(headers.keys().collect::<Vec<_>>(), ["x-tenant"]);
    }

    #[test]
    fn an_address_is_shown_without_its_secrets() {
        let given = "https://ann:p%40ss@h:444/topics/a?access_token=abcd&after=e-1&api_key=k#x";
        let expected = "https://h:444/topics/a?access_token=***&after=e-1&api_key=***";
        assert_eq!(shown(&url(given)), expected);
        assert_eq!(shown(&url("http://h/topics/a?wait=5")), "http://h/topics/a?wait=5");
        assert_eq!(shown(&url("unix:/tmp/socket")), "unix:/tmp/socket");
    }

    #[test]
    fn what_a_server_repeats_of_the_credentials_is_taken_out() {
        let options = ConnectOptions::default().bearer("s3cret-token").unwrap();
        let url = url("http://h/topics/a?access_token=an0ther&api_key=k3yk3y&wait=5000");
        let mut headers = options.headers_for(&url);
        headers.insert(header::HOST, HeaderValue::from_static("example.org"));
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; session=f00d"));
        let told = "bad token s3cret-token in \"Bearer s3cret-token\", an0ther, k3yk3y and f00d at example.org: 5000";
        let told = without_secrets(told, &headers, &url);
        assert_eq!(told, "bad token *** in \"***\", ***, *** and *** at example.org: 5000");
    }
}
