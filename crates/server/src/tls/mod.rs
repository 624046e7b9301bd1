//! Certificates and TLS settings of listeners.

mod certificate;
mod files;
mod resolver;
mod session;
#[cfg(test)]
mod tests;
mod watch;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rustls::ServerConfig;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;

use certificate::Certificate;
use files::Pair;
use resolver::Resolver;
pub(crate) use session::{Opened, Session};
use watch::Stamp;

/// The certificates and TLS settings of listeners, for [`Server::bind_tls`](crate::Server::bind_tls). Cloning is cheap,
/// and clones share their certificates.
///
/// It accepts TLS 1.2 and 1.3, and offers `h2` and `http/1.1` (ALPN, RFC 7301). Several certificates are chosen by the
/// host name that a client sends (SNI, RFC 6066): first one that is for this name, then one for a wildcard, such as
/// `*.example.org`, and otherwise the first certificate. If several are for the same name, the first one whose key the
/// client supports is chosen.
///
/// Clients resume sessions by tickets (RFC 5077), whose keys are in memory and shared by all clones. Tickets remain
/// valid when certificates change. Early data (0-RTT) is never accepted, because an attacker could replay a publish.
///
/// ```no_run
/// use tidings_core::Hub;
/// use tidings_server::{Server, Tls};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> std::io::Result<()> {
/// let tls = Tls::from_files([("/etc/tidings/chain.pem", "/etc/tidings/key.pem")])?;
/// Server::builder(Hub::default()).bind_tls("0.0.0.0:443", &tls).await?.serve(std::future::pending()).await
/// # }
/// ```
#[derive(Clone)]
pub struct Tls(Arc<Inner>);

struct Inner {
    config: Arc<ServerConfig>,
    /// `None` if the application has its own configuration.
    resolver: Option<Arc<Resolver>>,
    files: Vec<Pair>,
    /// The state of each file before it was last read. Locked during a reload.
    seen: Mutex<Vec<Option<Stamp>>>,
}

impl Tls {
    /// How often a server that serves checks whether the files have changed: every 10 s.
    pub const WATCH_PERIOD: Duration = Duration::from_secs(10);

    /// Reads certificates and private keys from PEM files. Each pair is a certificate chain, in which the certificate
    /// of the server is first, and its key. Both may be in one file.
    ///
    /// A server that serves reads the files again when they change: see [`watch`](Self::watch).
    ///
    /// A certificate that has expired or is not valid yet is not an error. It is logged at WARN, as is one that expires
    /// within 14 days, or within the last quarter of its validity if that is shorter.
    ///
    /// # Errors
    /// Fails if a file cannot be read, has no certificate or key, or has a malformed, encrypted or unsupported one, or
    /// if a key does not belong to its certificate. The error names the file. Also fails if there are no pairs.
    pub fn from_files<C, K>(pairs: impl IntoIterator<Item = (C, K)>) -> io::Result<Self>
    where
        C: Into<PathBuf>,
        K: Into<PathBuf>,
    {
        let pairs = pairs.into_iter().map(|(chain, key)| Pair::new(chain.into(), key.into()));
        let files: Vec<_> = pairs.collect();
        let seen = watch::stamps(&files);
        let certificates = files::read(&files)?;
        Self::new(certificates, files, seen)
    }

    /// Uses a certificate chain, in which the certificate of the server is first, and its private key.
    ///
    /// # Errors
    /// Fails if there is no certificate, the certificate or the key is malformed or unsupported, or the key does not
    /// belong to the certificate.
    pub fn from_der(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> io::Result<Self> {
        Self::new(vec![Certificate::new(chain, key).map_err(invalid)?], Vec::new(), Vec::new())
    }

    /// Uses the configuration of the application, for example one that verifies certificates of clients, or one whose
    /// certificates an ACME client renews. If it has no ALPN protocols, `h2` and `http/1.1` are added. Early data
    /// (0-RTT) is disabled.
    pub fn from_config(mut config: ServerConfig) -> Self {
        config.max_early_data_size = 0;
        if config.alpn_protocols.is_empty() {
            config.alpn_protocols = protocols();
        }
        Self(Arc::new(Inner {
            config: Arc::new(config),
            resolver: None,
            files: Vec::new(),
            seen: Mutex::default(),
        }))
    }

    fn new(
        certificates: Vec<Certificate>,
        files: Vec<Pair>,
        seen: Vec<Option<Stamp>>,
    ) -> io::Result<Self> {
        if certificates.is_empty() {
            return Err(invalid("TLS needs at least one certificate with its key"));
        }
        let resolver = Arc::new(Resolver::new(certificates));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .with_no_client_auth()
            .with_cert_resolver(resolver.clone());
        config.alpn_protocols = protocols();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(invalid)?;
        let config = Arc::new(config);
        let resolver = Some(resolver);
        Ok(Self(Arc::new(Inner { config, resolver, files, seen: Mutex::new(seen) })))
    }

    /// The handshake of the session uses the certificates that are current at its start.
    ///
    /// # Errors
    /// Fails if rustls rejects the configuration.
    pub(crate) fn session(&self) -> io::Result<Session> {
        Session::new(self.0.config.clone()).map_err(invalid)
    }

    /// The configuration reads the current certificates at each handshake.
    #[cfg(any(test, feature = "webtransport"))]
    pub(crate) fn config(&self) -> &Arc<ServerConfig> {
        &self.0.config
    }

    /// The certificates that a browser accepts by their hash (W3C WebTransport, "custom certificate requirements"):
    /// valid for at most 14 days, with a key of ECDSA P-256.
    #[cfg(feature = "webtransport")]
    pub(crate) fn short_lived(&self) -> Vec<CertificateDer<'static>> {
        let certificates = self.0.resolver.iter().flat_map(|resolver| resolver.current().to_vec());
        certificates
            .filter(|it| it.is_short_lived())
            .filter_map(|it| it.key.cert.first().cloned())
            .collect()
    }

    /// Reads the files again. New handshakes use the new certificates, and connections that are open stay open. Does
    /// nothing if the certificates are not from files.
    ///
    /// # Errors
    /// Any error of [`from_files`](Self::from_files). The old certificates stay in use then.
    pub fn reload(&self) -> io::Result<()> {
        let Inner { resolver: Some(resolver), files, seen, .. } = &*self.0 else { return Ok(()) };
        if files.is_empty() {
            return Ok(());
        }
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the files are read, so that a change in between is noticed at the next check.
        *seen = watch::stamps(files);
        resolver.replace(files::read(files)?);
        Ok(())
    }

    /// Checks in this period whether the files have changed, and reloads them if so. A failure is logged at ERROR, and
    /// the old certificates stay in use until the files change again. Symbolic links are followed, because Kubernetes
    /// renews a mounted secret by replacing a link. The warnings of [`from_files`](Self::from_files) are repeated once
    /// a day.
    ///
    /// [`Server::serve`](crate::Server::serve) does this for its listeners, every
    /// [`WATCH_PERIOD`](Self::WATCH_PERIOD). The future never resolves. It stops when it is dropped.
    pub fn watch(&self, period: Duration) -> impl Future<Output = ()> + Send + 'static {
        watch::watch(self.clone(), period)
    }

    fn has_changed(&self) -> bool {
        let Inner { files, seen, .. } = &*self.0;
        let seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        *seen != watch::stamps(files)
    }

    /// Logs a warning for each certificate from a file that has expired or expires soon.
    fn warn(&self) {
        let current = self.0.resolver.as_ref().map(|resolver| resolver.current());
        for (pair, certificate) in self.0.files.iter().zip(current.iter().flat_map(|all| &**all)) {
            files::warn(&pair.chain, certificate);
        }
    }

    /// When the first of the certificates expires, `None` for a configuration of the application.
    pub(crate) fn expiry(&self) -> Option<SystemTime> {
        let current = self.0.resolver.as_ref()?.current();
        current.iter().map(|certificate| certificate.not_after).min()
    }

    pub(crate) fn is_clone_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn has_files(&self) -> bool {
        !self.0.files.is_empty()
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").field("files", &self.0.files).finish_non_exhaustive()
    }
}

/// The cryptography of all certificates and sessions. It is passed explicitly, so that another default of the process
/// has no effect.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The protocols that the server offers, in its order of preference.
fn protocols() -> Vec<Vec<u8>> {
    vec![b"h2".to_vec(), b"http/1.1".to_vec()]
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
