//! TLS for tests: a certificate, clients that trust it, and a forwarder, by which clients of a scenario that speak plain
//! HTTP reach a server of TLS.

use std::net::SocketAddr;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig, SupportedProtocolVersion};
use tidings_server::Tls;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::forwarder::{Unchanged, forward_both, set_buffers};

/// A self-signed certificate for `localhost` and `127.0.0.1`.
pub(crate) struct Certificate {
    pub(crate) tls: Tls,
    pub(crate) der: CertificateDer<'static>,
    pub(crate) pem: String,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let signed = rcgen::generate_simple_self_signed(names).unwrap();
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).unwrap();
        let der = signed.cert.der().clone();
        let tls = Tls::from_der(vec![der.clone()], key.clone_key()).unwrap();
        Self { tls, der, pem: signed.cert.pem(), key }
    }

    pub(crate) fn tls_of_http1(&self) -> Tls {
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![self.der.clone()], self.key.clone_key())
            .unwrap();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Tls::from_config(config)
    }

    pub(crate) fn client(&self, version: &'static SupportedProtocolVersion) -> ClientConfig {
        client_that_trusts(self.der.clone(), version)
    }
}

/// The configuration of a client that trusts this certificate, and speaks HTTP/1.1 by this version of TLS.
pub(crate) fn client_that_trusts(
    certificate: CertificateDer<'static>,
    version: &'static SupportedProtocolVersion,
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// The versions of TLS.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&TLS12, &TLS13];

/// Connects a client, and completes the handshake.
pub(crate) async fn connect_tls(
    address: SocketAddr,
    config: Arc<ClientConfig>,
) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(config).connect(name, socket).await.unwrap()
}

/// Accepts plain connections, and forwards each over TLS. Each socket has buffers of `buffer` bytes.
pub(super) async fn forward(
    listener: TcpListener,
    server: SocketAddr,
    config: Arc<ClientConfig>,
    buffer: usize,
) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(forward_one(client, server, config.clone(), buffer));
    }
}

async fn forward_one(
    client: TcpStream,
    server: SocketAddr,
    config: Arc<ClientConfig>,
    buffer: usize,
) {
    let Ok(socket) = TcpStream::connect(server).await else { return };
    set_buffers(&client, &socket, buffer);
    let name = "localhost".try_into().unwrap();
    let Ok(server) = TlsConnector::from(config).connect(name, socket).await else { return };
    forward_both(client, server, |server| server.get_ref().0, (Unchanged, Unchanged)).await;
}
