//! How `subscribe`, `publish` and `compare --url` reach a server: URL, credentials and certificates.
//!
//! clap accepts every value of these arguments, because its errors print the invalid value, which may be a secret. They
//! are parsed afterwards.

use std::convert::Infallible;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use tidings::transport::client::{ConnectOptions, Tls};
use url::Url;

use crate::usage::Usage;

/// The environment variable for the token. Unlike an argument, it is not shown in the list of processes.
const TOKEN: &str = "TIDINGS_TOKEN";

// Not a doc comment, because clap would show it as the description of each command.
// Credentials, and certificates for `https`.
#[derive(Debug, clap::Args)]
pub(crate) struct RemoteArgs {
    #[command(flatten)]
    credentials: CredentialArgs,
    /// Trust the certificate authorities in this PEM file instead of the system's
    #[arg(long, value_name = "FILE", requires = "url")]
    ca: Option<PathBuf>,
    /// Trust only the certificate with this SHA-256 fingerprint, as serve --tls-self-signed prints it
    #[arg(
        long,
        value_name = "HEX",
        requires = "url",
        conflicts_with = "ca",
        value_parser = fingerprint
    )]
    tls_fingerprint: Option<Fingerprint>,
    /// Speak HTTP/2 over http, which the server must support [default: HTTP/1.1]. Over https, the server always chooses
    #[arg(long, requires = "url")]
    http2_prior_knowledge: bool,
}

/// The SHA-256 fingerprint of a certificate.
type Fingerprint = [u8; 32];

#[derive(Debug, clap::Args)]
pub(crate) struct CredentialArgs {
    /// Send this token as Authorization: Bearer [default: the environment variable TIDINGS_TOKEN]
    #[arg(long, value_name = "TOKEN", requires = "url")]
    token: Option<Secret>,
    /// Send this header with each request, such as 'X-Tenant: acme'; repeatable
    #[arg(short = 'H', long = "header", value_name = "NAME: VALUE", requires = "url")]
    headers: Vec<Secret>,
}

/// A value that may contain a secret. `Debug` does not print it.
#[derive(Clone)]
pub(crate) struct Secret(String);

impl RemoteArgs {
    /// The options for connections to this server.
    ///
    /// # Errors
    /// Fails if a header or the token is malformed, the file of `--ca` cannot be read or contains no certificate, or a
    /// certificate is given for a URL without TLS. The message does not contain the value of a header or the token.
    pub(crate) fn options(&self, url: &Url) -> Result<Arc<ConnectOptions>, Usage> {
        let certificates =
            [("--ca", self.ca.is_some()), ("--tls-fingerprint", self.tls_fingerprint.is_some())];
        let has_tls = matches!(url.scheme(), "https" | "wss");
        if let Some((name, _)) = certificates.iter().find(|(_, is_given)| *is_given && !has_tls) {
            let scheme = url.scheme();
            let remedy = "expected https, or leave the option out";
            return Err(Usage::new(format!("invalid {name} for a URL with {scheme}: {remedy}")));
        }
        let mut options = self.credentials.options()?;
        if let Some(path) = &self.ca {
            options.tls = authorities(path)
                .map_err(|error| Usage::new(format!("invalid --ca {}: {error}", path.display())))?;
        }
        if let Some(fingerprint) = self.tls_fingerprint {
            let tls = Tls::with_fingerprint(fingerprint);
            options.tls = tls.map_err(|error| Usage::new(error.to_string()))?;
        }
        Ok(Arc::new(options.http2_prior_knowledge(self.http2_prior_knowledge)))
    }
}

impl CredentialArgs {
    /// Options with the headers and the token.
    ///
    /// # Errors
    /// Fails if a header or the token is malformed. The message does not contain the value of a header or the token.
    fn options(&self) -> Result<ConnectOptions, Usage> {
        let mut options = ConnectOptions::default();
        let named = self.token.as_ref().map(|token| token.0.clone());
        let token = named.or_else(|| std::env::var(TOKEN).ok().filter(|token| !token.is_empty()));
        if let Some(token) = token {
            options = options.bearer(token.trim()).map_err(|_| {
                Usage::new("invalid --token: it contains characters that are invalid in a header")
            })?;
        }
        for header in &self.headers {
            let (name, value) = parse_header(&header.0).map_err(Usage::new)?;
            options.headers.append(name, value);
        }
        Ok(options)
    }

    /// The headers as lines of a request, each with its line end.
    ///
    /// # Errors
    /// Fails if a header or the token is malformed.
    pub(crate) fn header_lines(&self) -> Result<String, Usage> {
        let options = self.options()?;
        let line = |(name, value): (&HeaderName, &HeaderValue)| {
            format!("{name}: {}\r\n", String::from_utf8_lossy(value.as_bytes()))
        };
        Ok(options.headers.iter().map(line).collect())
    }
}

fn authorities(path: &Path) -> std::io::Result<Tls> {
    Tls::with_authorities(&std::fs::read(path)?)
}

/// Parses a fingerprint of 32 bytes in hexadecimal, with or without colons.
///
/// # Errors
/// Fails with the accepted form if the text is not such a fingerprint.
fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let wanted = || "expected 32 bytes in hexadecimal, such as 5C:0B:…:9E".to_owned();
    let digits: Vec<char> = text.chars().filter(|digit| *digit != ':').collect();
    let byte = |pair: &[char]| {
        let [high, low] = *pair else { return None };
        u8::try_from(high.to_digit(16)? * 16 + low.to_digit(16)?).ok()
    };
    let bytes: Option<Vec<u8>> = digits.chunks(2).map(byte).collect();
    bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(wanted)
}

fn parse_header(header: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = header
        .split_once(':')
        .ok_or("invalid --header: no colon, expected 'NAME: VALUE'".to_owned())?;
    let parsed = HeaderName::from_str(name.trim())
        .map_err(|_| format!("invalid --header: {name:?} is not a header name"))?;
    if ConnectOptions::is_reserved(&parsed) {
        return Err(format!("invalid --header: {parsed} is set by this program"));
    }
    let mut value = HeaderValue::from_str(value.trim()).map_err(|_| {
        format!("invalid --header: the value of {parsed} contains control characters")
    })?;
    value.set_sensitive(true);
    Ok((parsed, value))
}

impl Secret {
    /// Parses the URL of a server or of a topic.
    ///
    /// # Errors
    /// Fails if it is not a URL of the scheme `http`, `https`, `ws` or `wss`. The message does not contain the user,
    /// the password or the query.
    pub(crate) fn url(&self) -> Result<Url, Usage> {
        if !self.0.contains("://") {
            let shown = self.shown();
            return Err(
                self.invalid(&format!("no scheme, expected http://{shown} or https://{shown}"))
            );
        }
        let url = Url::parse(&self.0).map_err(|error| self.invalid(&error.to_string()))?;
        match url.scheme() {
            "http" | "https" | "ws" | "wss" => Ok(url),
            other => Err(self.invalid(&format!("scheme {other}, expected http or https"))),
        }
    }

    /// Parses the URL of a topic or of filters.
    ///
    /// # Errors
    /// Any error of [`url`](Self::url), or a URL without a path. A server answers it with a page, which a subscriber
    /// would take for a fault that passes.
    pub(crate) fn topic_url(&self) -> Result<Url, Usage> {
        let url = self.url()?;
        if url.path() == "/" {
            let server = self.shown();
            let server = server.trim_end_matches('/');
            return Err(self.invalid(&format!("no topic, expected {server}/topics/NAME")));
        }
        Ok(url)
    }

    fn invalid(&self, problem: &str) -> Usage {
        Usage::new(format!("invalid URL {:?}: {problem}", self.shown()))
    }

    /// The URL without user, password, query and fragment.
    fn shown(&self) -> String {
        let address = self.0.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = match address.split_once("://") {
            Some((scheme, rest)) => (format!("{scheme}://"), rest),
            None => (String::new(), address),
        };
        format!("{scheme}{}", rest.rsplit_once('@').map_or(rest, |(_, rest)| rest))
    }
}

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> Secret {
        Secret(text.to_owned())
    }

    #[test]
    fn an_error_about_a_url_contains_the_expected_form_and_no_secret() {
        for (given, words) in [
            ("127.0.0.1:8080/topics/a", "expected http://127.0.0.1:8080/topics/a or https://"),
            ("localhost:8080/topics/a", "no scheme"),
            ("/topics/a", "no scheme"),
            ("", "no scheme"),
            ("ftp://h/topics/a", "scheme ftp"),
            ("http://", "empty host"),
            ("http://h:99999/", "invalid port"),
            ("http://ann:p@ss w@h:x/?access_token=hidden", "\"http://h:x/\": invalid port"),
            ("ann:pass@h/topics/a?token=hidden", "expected http://h/topics/a or"),
        ] {
            let error = secret(given).url().unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
            assert!(!error.contains("hidden") && !error.contains("ss w"), "{error}");
        }
        for given in ["http://h/topics/a", "wss://h/app/topics/a", "https://ann:pass@h/topics/a"] {
            assert!(secret(given).url().is_ok(), "{given}");
        }
    }

    #[test]
    fn a_fingerprint_has_32_bytes() {
        let [plain, colons] = ["", ":"].map(|between| ["5c"; 32].join(between));
        assert_eq!(fingerprint(&plain), Ok([0x5c; 32]));
        assert_eq!(fingerprint(&colons.to_uppercase()), Ok([0x5c; 32]));
        for wrong in ["", &plain[1..], &plain[2..], &format!("{plain}00"), &plain.replace('c', "g")]
        {
            assert!(fingerprint(wrong).unwrap_err().contains("32 bytes"), "{wrong}");
        }
    }

    #[test]
    fn an_error_about_a_header_does_not_contain_its_value() {
        let (name, value) = parse_header("X-Tenant:  acme: west ").unwrap();
        assert_eq!((name.as_str(), value.to_str().unwrap()), ("x-tenant", "acme: west"));
        for (given, words) in [
            ("hidden", "no colon"),
            ("two words: hidden", "\"two words\" is not a header name"),
            ("X-Key: hid\nden", "the value of x-key"),
            ("Content-Length: 7", "content-length is set by this program"),
            ("Sec-WebSocket-Key: hidden", "set by this program"),
        ] {
            let error = parse_header(given).unwrap_err();
            assert!(error.contains(words) && !error.contains("hid"), "{error}");
        }
        assert_eq!(format!("{:?}", secret("hidden")), "***");
    }
}
