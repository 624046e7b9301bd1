//! A certificate, and the TLS of both sides.

use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rcgen::CertifiedKey;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use tidings_server::Tls;

/// The host name in the certificate.
const NAME: &str = "localhost";

/// A self-signed certificate, and clients that trust it.
pub(crate) struct Certificate {
    certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
    client: Arc<ClientConfig>,
}

impl Certificate {
    pub(crate) fn new() -> Self {
        let signed = rcgen::generate_simple_self_signed([NAME.to_owned()]);
        let CertifiedKey { cert, signing_key } = signed.expect("the name is valid");
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("it was just made");
        let certificate: CertificateDer<'static> = cert.der().clone();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone()).expect("it was just made");
        let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("the provider has TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self { certificate, key, client: Arc::new(client) }
    }

    pub(crate) fn server(&self) -> Tls {
        let chain = vec![self.certificate.clone()];
        Tls::from_der(chain, self.key.clone_key()).expect("the key is that of the certificate")
    }

    pub(crate) fn connect(&self, address: SocketAddr) -> StreamOwned<ClientConnection, TcpStream> {
        let name = ServerName::try_from(NAME).expect("it is a name");
        let client = ClientConnection::new(self.client.clone(), name);
        let socket = TcpStream::connect(address).expect("it listens");
        StreamOwned::new(client.expect("the configuration is complete"), socket)
    }
}
