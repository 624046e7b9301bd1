//! TLS of the baseline: the settings of the server, without certificates for several names and without reload.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, UnbufferedServerConnection};

use crate::tls::{HTTP_1, Session};

/// The configuration of all connections.
#[derive(Debug)]
pub(crate) struct Tls(Arc<ServerConfig>);

impl Tls {
    /// Reads the certificate and its key from PEM files. Clients resume sessions by tickets, as with the server.
    ///
    /// # Errors
    /// Fails if a file cannot be read or used.
    pub(crate) fn read(chain: &Path, key: &Path) -> io::Result<Self> {
        let chain = CertificateDer::from_pem_file(chain).map_err(io::Error::other)?;
        let key = PrivateKeyDer::from_pem_file(key).map_err(io::Error::other)?;
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![chain], key))
            .map_err(io::Error::other)?;
        config.alpn_protocols = vec![HTTP_1.to_vec()];
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Ticketer::new().map_err(io::Error::other)?;
        Ok(Self(Arc::new(config)))
    }

    /// Fails if rustls rejects the configuration.
    pub(crate) fn session(&self) -> io::Result<Session<UnbufferedServerConnection>> {
        let connection = UnbufferedServerConnection::new(self.0.clone());
        connection.map(Session::new).map_err(io::Error::other)
    }
}
