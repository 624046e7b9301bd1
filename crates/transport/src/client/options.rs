//! The options of a client's connections.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{self, HeaderMap, HeaderName, HeaderValue, InvalidHeaderValue};
use percent_encoding::percent_decode_str;
use url::Url;

/// The options of all connections of a client. The default adds no headers, trusts the certificate authorities of the
/// system, and has a time limit of 10 s for each step.
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct ConnectOptions {
    /// Headers for every request, such as `Authorization`. They replace headers of the client with the same name.
    /// Headers that [are reserved](Self::is_reserved) are not sent.
    pub headers: HeaderMap,
    /// How long to wait for a server.
    pub limits: TimeLimits,
    /// Whether to speak HTTP/2 over `http`. It is not negotiated, so requests to a server without HTTP/2 fail. Default
    /// `false`: HTTP/1.1. Over `https`, the server chooses in the TLS handshake, whatever this value is. WebSockets
    /// always use HTTP/1.1.
    pub http2_prior_knowledge: bool,
    /// The certificates to accept for `https`.
    #[cfg(feature = "tls")]
    pub tls: super::Tls,
}

/// How long a client waits for a server in each step of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TimeLimits {
    /// The limit for name resolution, the TCP connection and the TLS handshake together. Default 10 s.
    pub connect: Duration,
    /// The limit from the beginning of a request to the head of its response. For a held poll, the hold is added. For a
    /// publish, one second is added for each 16 KiB of payload. Default 10 s. With a shorter limit, a client detects a
    /// dead server sooner, but may give up a slow one.
    pub head: Duration,
    /// The limit for a pause in the body of a response. The body of a subscription is limited by its heartbeats
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
    /// Changes the time limit for name resolution, the TCP connection and the TLS handshake together.
    pub fn connect(self, limit: Duration) -> Self {
        Self { connect: limit, ..self }
    }

    /// Changes the time limit from the beginning of a request to the head of its response.
    pub fn head(self, limit: Duration) -> Self {
        Self { head: limit, ..self }
    }

    /// Changes the time limit for a pause in the body of a response.
    pub fn body(self, limit: Duration) -> Self {
        Self { body: limit, ..self }
    }
}

impl ConnectOptions {
    /// Changes how long to wait for a server.
    pub fn limits(self, limits: TimeLimits) -> Self {
        Self { limits, ..self }
    }

    /// Changes whether to speak HTTP/2 over `http`, which is not negotiated.
    pub fn http2_prior_knowledge(self, is_known: bool) -> Self {
        Self { http2_prior_knowledge: is_known, ..self }
    }

    /// Changes the certificates to accept for `https`.
    #[cfg(feature = "tls")]
    pub fn tls(self, tls: super::Tls) -> Self {
        Self { tls, ..self }
    }

    /// Adds the token as `Authorization: Bearer` (RFC 6750, section 2.1).
    ///
    /// # Errors
    /// Fails if the token has characters that a header may not have.
    pub fn bearer(mut self, token: &str) -> Result<Self, InvalidHeaderValue> {
        let value = HeaderValue::try_from(format!("Bearer {token}"))?;
        self.headers.insert(header::AUTHORIZATION, value);
        Ok(self)
    }

    /// Returns `true` for headers that only the client may set, because they frame the request, belong to the WebSocket
    /// handshake, or contain the position.
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

    /// Returns the headers for requests to this URL: those of the options, and `Authorization: Basic` (RFC 7617) if the
    /// URL has a user or a password and the options have no `Authorization`.
    pub fn headers_for(&self, url: &Url) -> HeaderMap {
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
        // `Debug` does not print sensitive values.
        headers.values_mut().for_each(|value| value.set_sensitive(true));
        headers
    }
}

impl fmt::Debug for ConnectOptions {
    /// Writes the names of the headers, but not their values, which may be credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.keys().collect();
        f.debug_struct("ConnectOptions")
            .field("headers", &names)
            .field("limits", &self.limits)
            .field("http2_prior_knowledge", &self.http2_prior_knowledge)
            .finish_non_exhaustive()
    }
}

/// Returns the URL for logs and errors: without user, password and fragment, and with `***` in place of the values of
/// query parameters other than the server's.
pub fn shown(url: &Url) -> String {
    let mut shown = url.clone();
    // This fails for a URL without a host, which has no user either.
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

/// Any parameter except the server's may contain a credential.
fn may_be_secret(name: &str) -> bool {
    const HARMLESS: [&str; 4] = ["after", "last_event_id", "transport", "wait"];
    !HARMLESS.contains(&name)
}

/// Replaces credentials in a server's message by `***`, because a server may repeat a part of the request in an error.
pub(super) fn without_secrets(text: &str, headers: &HeaderMap, url: &Url) -> String {
    /// Shorter values are not replaced, because they may be parts of ordinary words.
    const SHORTEST: usize = 4;
    let is_secret = |name: &HeaderName| {
        ["auth", "cookie", "key", "password", "secret", "session", "token"]
            .iter()
            .any(|part| name.as_str().contains(part))
    };
    let values = headers.iter().filter(|(name, _)| is_secret(name));
    let values = values.filter_map(|(_, value)| value.to_str().ok());
    // A server may repeat a part of a value: the token of `Bearer TOKEN`, or the value of `session=VALUE`.
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
    fn a_token_or_a_user_is_sent_and_not_shown() {
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
    fn a_url_is_shown_without_its_secrets() {
        let given = "https://ann:p%40ss@h:444/topics/a?access_token=abcd&after=e-1&api_key=k#x";
        let expected = "https://h:444/topics/a?access_token=***&after=e-1&api_key=***";
        assert_eq!(shown(&url(given)), expected);
        assert_eq!(shown(&url("http://h/topics/a?wait=5")), "http://h/topics/a?wait=5");
        assert_eq!(shown(&url("unix:/tmp/socket")), "unix:/tmp/socket");
    }

    #[test]
    fn credentials_in_a_message_of_the_server_are_replaced() {
        let options = ConnectOptions::default().bearer("s3cret-token").unwrap();
        let url = url("http://h/topics/a?access_token=an0ther&api_key=k3yk3y&wait=5000");
        let mut headers = options.headers_for(&url);
        headers.insert(header::HOST, HeaderValue::from_static("example.org"));
        headers.insert(header::COOKIE, HeaderValue::from_static("a=b; session=f00d"));
        let text = "bad token s3cret-token in \"Bearer s3cret-token\", an0ther, k3yk3y and f00d at example.org: 5000";
        let text = without_secrets(text, &headers, &url);
        assert_eq!(text, "bad token *** in \"***\", ***, *** and *** at example.org: 5000");
    }
}
