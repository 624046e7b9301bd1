//! TLS of the clients: the certificate that they trust, and the tickets by which they resume sessions.

use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;
use rustls::client::{
    ClientSessionStore, Resumption, Tls12ClientSessionValue, Tls13ClientSessionValue,
    UnbufferedClientConnection,
};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, NamedGroup, RootCertStore};

use crate::tls::{HTTP_1, HTTP_2, Session};

/// The configuration of all connections of a load.
#[derive(Debug)]
pub(crate) struct Tls {
    /// The configuration, by the protocol that connections offer (ALPN).
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
    tickets: Arc<Tickets>,
}

/// The tickets of the server (RFC 8446, section 4.6.1). Each is used once. They are for any connection, because there
/// is one server.
#[derive(Debug, Default)]
struct Tickets {
    all: Mutex<Vec<Tls13ClientSessionValue>>,
    /// The tickets of thousands of clients take much memory.
    are_kept: bool,
    /// Connections resume sessions.
    are_used: AtomicBool,
}

impl Tls {
    /// Trusts the certificate in a PEM file. No session is resumed before [`resume`](Self::resume).
    ///
    /// # Errors
    /// Fails if the file cannot be read or is not a certificate.
    pub(crate) fn trusting(certificate: &Path, keeps_tickets: bool) -> anyhow::Result<Self> {
        let invalid = || format!("cannot use the certificate {}", certificate.display());
        let mut roots = RootCertStore::empty();
        let trusted = CertificateDer::from_pem_file(certificate).with_context(invalid)?;
        roots.add(trusted).with_context(invalid)?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let tickets = Arc::new(Tickets { are_kept: keeps_tickets, ..Tickets::default() });
        config.resumption = Resumption::store(tickets.clone());
        let [http1, http2] = [HTTP_1, HTTP_2].map(|protocol| offering(&config, protocol).into());
        Ok(Self { http1, http2, tickets })
    }

    /// The configuration of connections that offer another protocol.
    pub(crate) fn config(&self, protocol: &[u8]) -> ClientConfig {
        offering(&self.http1, protocol)
    }

    /// Makes all connections that follow resume a session each, or none.
    pub(crate) fn resume(&self, resumes: bool) {
        self.tickets.are_used.store(resumes, Ordering::Relaxed);
    }

    /// A session with the server at this address, for HTTP/1.1 or HTTP/2.
    ///
    /// # Errors
    /// Fails if rustls rejects the configuration.
    pub(crate) fn session(
        &self,
        server: IpAddr,
        is_http2: bool,
    ) -> Result<Session<UnbufferedClientConnection>, rustls::Error> {
        let name = ServerName::IpAddress(server.into());
        let config = if is_http2 { &self.http2 } else { &self.http1 };
        UnbufferedClientConnection::new(config.clone(), name).map(Session::new)
    }
}

fn offering(config: &ClientConfig, protocol: &[u8]) -> ClientConfig {
    let mut config = config.clone();
    config.alpn_protocols = vec![protocol.to_vec()];
    config
}

impl ClientSessionStore for Tickets {
    fn set_kx_hint(&self, _: ServerName<'static>, _: NamedGroup) {}

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        None
    }

    fn set_tls12_session(&self, _: ServerName<'static>, _: Tls12ClientSessionValue) {}

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        None
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {}

    fn insert_tls13_ticket(&self, _: ServerName<'static>, ticket: Tls13ClientSessionValue) {
        if self.are_kept {
            self.all.lock().unwrap_or_else(PoisonError::into_inner).push(ticket);
        }
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        let are_used = self.are_used.load(Ordering::Relaxed);
        are_used.then(|| self.all.lock().unwrap_or_else(PoisonError::into_inner).pop()).flatten()
    }
}
