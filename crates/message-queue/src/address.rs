//! Parses the URL of a broker.

use std::fmt;
use std::path::PathBuf;

use tidings_core::BrokerError;
use url::{Host, Url};

use crate::fault::rejected;
use crate::login::Login;

/// The stream of a URL that does not name one.
pub(crate) const DEFAULT_STREAM: &str = "tidings";

const MAX_NAME_BYTES: usize = 64;

/// One server and its login. `Display` prints `HOST:PORT` without the login.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Server {
    /// A name or an address. An IPv6 address has no brackets.
    pub host: String,
    /// The port. 4222 by default for NATS, 6379 for Redis.
    pub port: u16,
    /// Whether the connection must be encrypted: `tls://` and `rediss://`.
    pub tls: bool,
    /// `USER:PASSWORD@` or `SECRET@` of the URL.
    pub login: Option<Login>,
}

/// The files of a TLS connection, in PEM format. By default there are none, and the certificate authorities of the
/// system are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tls {
    /// The certificate authorities to trust instead of those of the system: `?ca=FILE`.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key, for a server that requires them: `?cert=FILE&key=FILE`.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The kind of broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokerKind {
    Nats,
    Redis,
}

/// A parsed URL: `SCHEME://[LOGIN@]HOST[:PORT][,…][/DATABASE][?stream=NAME&…]`.
#[derive(Debug)]
pub(crate) struct Address {
    pub(crate) servers: Vec<Server>,
    pub(crate) stream: String,
    /// The database of Redis. 0 by default.
    pub(crate) database: u32,
    /// A file with the JWT and the seed of a NATS user.
    pub(crate) credentials: Option<PathBuf>,
    pub(crate) tls: Tls,
}

/// Advice for a URL whose login contains special characters.
const ENCODE: &str = "percent-encode special characters of the user and password: %40 for @, %3A for :, %2F for /, \
                      %3F for ?, %23 for #, %2C for a comma";

impl BrokerKind {
    /// The kind for the scheme of a URL, `None` if no broker has that scheme.
    pub(crate) fn of(url: &str) -> Option<Self> {
        let (scheme, _) = url.split_once("://")?;
        [Self::Nats, Self::Redis].into_iter().find(|kind| kind.schemes().contains(&scheme))
    }

    fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::Redis => "Redis",
        }
    }

    /// Plain and encrypted.
    fn schemes(self) -> [&'static str; 2] {
        match self {
            Self::Nats => ["nats", "tls"],
            Self::Redis => ["redis", "rediss"],
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Self::Nats => 4222,
            Self::Redis => 6379,
        }
    }
}

impl Address {
    /// Parses a URL. It is split at commas first, because the `url` crate does not parse a URL with several hosts.
    ///
    /// # Errors
    /// Fails with [`BrokerError::Rejected`] if the URL is invalid. The error never contains a part of the URL that
    /// could belong to a login.
    pub(crate) fn parse(text: &str, kind: BrokerKind) -> Result<Self, BrokerError> {
        Self::read(text, kind).map_err(|problem| rejected(kind.name(), problem))
    }

    fn read(text: &str, kind: BrokerKind) -> Result<Self, String> {
        let [plain, encrypted] = kind.schemes();
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let scheme = scheme
            .filter(|scheme| kind.schemes().contains(scheme))
            .ok_or_else(|| format!("its URL must begin with {plain}:// or {encrypted}://"))?;
        let (hosts, query) = text.split_once('?').unwrap_or((text, ""));
        if query.contains('@') {
            return Err(format!("its URL has an @ after a ?: {ENCODE}"));
        }
        let mut path = String::new();
        let mut servers = Vec::new();
        for host in hosts.split(',') {
            // Only the last of several hosts can have a path. A path of another one is part of a password that is not
            // percent-encoded, and the first part of that password would be taken for a host.
            if !path.is_empty() {
                return Err(format!("its URL has a / before a comma: {ENCODE}"));
            }
            let has_scheme = host.contains("://");
            let url = if has_scheme { host.parse() } else { format!("{scheme}://{host}").parse() };
            let url: Url = url.map_err(|error| unreadable(hosts, error))?;
            servers.push(Server::of(&url, kind)?);
            url.path().trim_matches('/').clone_into(&mut path);
        }
        // The servers of one cluster have the same users. If only a later host has a login, that may be the second half
        // of a login with a bare comma. It must not be sent to the text before the comma.
        let login = servers.first().and_then(|server: &Server| server.login.clone());
        if login.is_none() && servers.iter().any(|server| server.login.is_some()) {
            return Err(format!("its URL has a login, but not for its first host: {ENCODE}"));
        }
        for server in &mut servers {
            server.login = server.login.take().or_else(|| login.clone());
        }
        let stream = DEFAULT_STREAM.to_owned();
        let (credentials, tls) = (None, Tls::default());
        let mut address = Self { servers, stream, database: 0, credentials, tls };
        address.read_path(&path, kind)?;
        address.read_query(query, kind)?;
        Ok(address)
    }

    fn read_path(&mut self, path: &str, kind: BrokerKind) -> Result<(), String> {
        match (path, kind) {
            ("", _) => Ok(()),
            (_, BrokerKind::Nats) => {
                Err("its URL has a path: name the stream with ?stream=NAME".into())
            }
            (number, BrokerKind::Redis) => {
                self.database = number.parse().map_err(|_| {
                    "the path of its URL is not the number of a database: redis://HOST:PORT/0"
                        .to_owned()
                })?;
                Ok(())
            }
        }
    }

    fn read_query(&mut self, query: &str, kind: BrokerKind) -> Result<(), String> {
        let (mut cert, mut key) = (None, None);
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match (&*name, kind) {
                ("stream", _) => self.stream = value,
                ("ca", _) => self.tls.ca = Some(value.into()),
                ("cert", _) => cert = Some(value.into()),
                ("key", _) => key = Some(value.into()),
                ("creds", BrokerKind::Nats) => self.credentials = Some(value.into()),
                (other, BrokerKind::Nats) => {
                    return Err(format!(
                        "its URL has the unknown parameter {other:?}: use stream, creds, ca, cert or key"
                    ));
                }
                (other, BrokerKind::Redis) => {
                    return Err(format!(
                        "its URL has the unknown parameter {other:?}: use stream, ca, cert or key"
                    ));
                }
            }
        }
        self.tls.client = match (cert, key) {
            (Some(cert), Some(key)) => Some((cert, key)),
            (None, None) => None,
            _ => {
                return Err(
                    "its URL has only one of cert and key: a client certificate needs both".into(),
                );
            }
        };
        if self.credentials.is_some() && self.servers.iter().any(|server| server.login.is_some()) {
            return Err("its URL has both a login and creds: use one of them".into());
        }
        // With nats:// the connection is encrypted if the server requires it, so files are allowed.
        let is_plain = self.servers.iter().all(|server| !server.tls);
        if kind == BrokerKind::Redis && is_plain && self.tls != Tls::default() {
            return Err(
                "its URL has files for TLS, but redis:// is not encrypted: use rediss://".into()
            );
        }
        check_stream(&self.stream)
    }

    /// The kind of broker and its servers, for errors and logs.
    pub(crate) fn name(kind: BrokerKind, servers: &[Server]) -> String {
        let hosts = servers.iter().map(Server::to_string).collect::<Vec<_>>();
        format!("{} at {}", kind.name(), hosts.join(","))
    }
}

impl Server {
    /// The server of a URL with one host. Ignores the path and the query.
    pub(crate) fn of(url: &Url, kind: BrokerKind) -> Result<Self, String> {
        let [plain, encrypted] = kind.schemes();
        if !kind.schemes().contains(&url.scheme()) {
            return Err(format!(
                "each of its servers must begin with {plain}:// or {encrypted}://"
            ));
        }
        if url.fragment().is_some() {
            return Err(format!("its URL has a #: {ENCODE}"));
        }
        let host = match url.host() {
            Some(Host::Ipv6(address)) => address.to_string(),
            Some(host) => host.to_string(),
            None => String::new(),
        };
        if host.is_empty() {
            return Err(format!("its URL has no host: use {plain}://HOST:PORT"));
        }
        let port = url.port().unwrap_or(kind.default_port());
        Ok(Self { host, port, tls: url.scheme() == encrypted, login: Login::of(url)? })
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port, .. } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

fn unreadable(hosts: &str, error: url::ParseError) -> String {
    let hint = if hosts.contains('@') { format!(": {ENCODE}") } else { String::new() };
    format!("cannot parse its URL: {error}{hint}")
}

/// Checks that the name is one token of a NATS subject, and that it needs no quoting in a Redis key.
fn check_stream(name: &str) -> Result<(), String> {
    let is_sound = (1..=MAX_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-');
    let problem =
        || format!("invalid stream name {name:?}: use 1 to {MAX_NAME_BYTES} of A-Z a-z 0-9 _ -");
    is_sound.then_some(()).ok_or_else(problem)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::Secret;

    fn nats(text: &str) -> Address {
        Address::parse(text, BrokerKind::Nats).unwrap()
    }

    fn login(user: Option<&str>, secret: &str) -> Option<Login> {
        Some(Login { user: user.map(str::to_owned), secret: Secret::new(secret) })
    }

    #[test]
    fn several_hosts_and_the_stream_are_parsed() {
        let address = nats("nats://u:secret@a:1,b:2?stream=news");
        assert_eq!(address.stream, "news");
        assert_eq!(Address::name(BrokerKind::Nats, &address.servers), "NATS at a:1,b:2");
        assert_eq!(address.servers[0].login, address.servers[1].login);
        assert_eq!(nats("nats://a").stream, "tidings");
    }

    #[test]
    fn each_form_of_a_nats_url_is_parsed() {
        for (text, servers) in [
            ("nats://a", "a:4222"),
            ("nats://a/", "a:4222"),
            ("tls://a", "a:4222 tls"),
            ("nats://a,b:1", "a:4222 b:1"),
            ("nats://a,nats://b", "a:4222 b:4222"),
            ("tls://a,b", "a:4222 tls b:4222 tls"),
            ("nats://a,tls://b", "a:4222 b:4222 tls"),
            ("nats://[::1]:1,127.0.0.1", "[::1]:1 127.0.0.1:4222"),
        ] {
            let found = nats(text).servers.into_iter();
            let found = found.map(|one| format!("{one}{}", if one.tls { " tls" } else { "" }));
            assert_eq!(found.collect::<Vec<_>>().join(" "), servers, "{text}");
        }
    }

    #[test]
    fn a_login_is_percent_decoded_and_without_a_colon_it_is_a_secret() {
        for (text, expected) in [
            ("nats://hub:p%40ss@a", login(Some("hub"), "p@ss")),
            ("nats://h%3Aub:p%2C%2F%3F%23@a", login(Some("h:ub"), "p,/?#")),
            ("nats://:p@a", login(None, "p")),
            ("nats://t0ken@a", login(None, "t0ken")),
            ("nats://a", None),
        ] {
            assert_eq!(nats(text).servers[0].login, expected, "{text}");
        }
        // A server without a login has that of the first one.
        let servers = nats("nats://x:1@a,b,y:2@c").servers;
        assert_eq!(servers[1].login, login(Some("x"), "1"));
        assert_eq!(servers[2].login, login(Some("y"), "2"));
    }

    #[test]
    fn files_are_named_in_the_query() {
        let address = nats("tls://a?creds=/run/hub.creds&ca=ca.pem&cert=c.pem&key=k.pem");
        assert_eq!(address.credentials, Some("/run/hub.creds".into()));
        let client = Some(("c.pem".into(), "k.pem".into()));
        assert_eq!(address.tls, Tls { ca: Some("ca.pem".into()), client });
        let address = Address::parse("rediss://a/3?ca=ca.pem", BrokerKind::Redis).unwrap();
        assert_eq!((address.database, address.servers[0].tls), (3, true));
    }

    #[test]
    fn each_fault_is_named_and_neither_the_error_nor_debug_contains_the_secret() {
        let cases = [
            (BrokerKind::Nats, "redis://u:s3cret@a", "nats://"),
            (BrokerKind::Nats, "nats://u:s3cret@", "host"),
            (BrokerKind::Nats, "nats://u:s3cret@a?stream=a.b", "\"a.b\""),
            (BrokerKind::Nats, "nats://u:s3cret@a?colour=red", "colour"),
            (BrokerKind::Nats, "nats://u:s3cret@a/b", "path"),
            (BrokerKind::Nats, "nats://u:s3cret#x@a", "%23"),
            (BrokerKind::Nats, "nats://u:s3cret/x@a", "%2F"),
            (BrokerKind::Nats, "nats://s3cret?x=s3cret@a", "%3F"),
            (BrokerKind::Nats, "nats://u:s3cret@a,http://b", "tls://"),
            (BrokerKind::Nats, "nats://u:s3cret%ff@a", "UTF-8"),
            (BrokerKind::Nats, "nats://u:s3cret@a?creds=f", "creds"),
            // A bare slash or comma in a password splits it into hosts.
            (BrokerKind::Nats, "nats://ann:12/s3cret@a,b", "before a comma"),
            (BrokerKind::Nats, "nats://ann:12,s3cret@a", "first host"),
            (BrokerKind::Nats, "nats://u:s3cret@a?cert=f", "key"),
            (BrokerKind::Redis, "nats://u:s3cret@a", "rediss://"),
            (BrokerKind::Redis, "redis://u:s3cret@a/x", "database"),
            (BrokerKind::Redis, "redis://u:s3cret@a?ca=f", "rediss://"),
            (BrokerKind::Redis, "redis://u:s3cret@a?creds=f", "creds"),
            (BrokerKind::Redis, "rediss://u:s3cret@a#insecure", "#"),
        ];
        for (kind, text, expected) in cases {
            let error = Address::parse(text, kind).unwrap_err();
            let printed = format!("{error} {error:?}");
            assert!(printed.contains(expected) && !printed.contains("s3cret"), "{text}: {printed}");
        }
        assert!(!format!("{:?}", nats("nats://u:s3cret@a")).contains("s3cret"));
    }
}
