//! Certificates in handshakes, in memory.

mod expiry;
mod from_files;

use std::fs;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::ServerConnection;
use rustls::{
    DigitallySignedStruct, HandshakeKind, ProtocolVersion, SignatureScheme,
    SupportedProtocolVersion,
};
use tempfile::TempDir;

use super::*;

/// A certificate with its key.
struct Made {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    certificate_pem: String,
    key_pem: String,
}

impl Made {
    fn new(names: &[&str]) -> Self {
        Self::of(names, &KeyPair::generate().unwrap(), |_| {})
    }

    fn of(names: &[&str], key: &KeyPair, change: impl FnOnce(&mut CertificateParams)) -> Self {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).unwrap();
        change(&mut params);
        let certificate = params.self_signed(key).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key: PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            certificate_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        }
    }

    fn certificate(&self) -> Certificate {
        Certificate::new(self.chain.clone(), self.key.clone_key()).unwrap()
    }

    fn tls(&self) -> Tls {
        Tls::from_der(self.chain.clone(), self.key.clone_key()).unwrap()
    }
}

/// A folder with the files of pairs.
struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    fn write_pair(&self, made: &Made) -> [(PathBuf, PathBuf); 1] {
        [(self.write("chain", &made.certificate_pem), self.write("key", &made.key_pem))]
    }
}

/// Accepts every certificate with a key of these schemes.
#[derive(Debug)]
struct AcceptAll(Vec<SignatureScheme>);

impl ServerCertVerifier for AcceptAll {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.clone()
    }
}

fn client() -> ClientConfig {
    client_of(vec![SignatureScheme::ECDSA_NISTP256_SHA256, SignatureScheme::ED25519])
}

fn client_of(schemes: Vec<SignatureScheme>) -> ClientConfig {
    client_by(schemes, rustls::ALL_VERSIONS)
}

fn client_by(
    schemes: Vec<SignatureScheme>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(AcceptAll(schemes)))
        .with_no_client_auth()
}

/// Completes a handshake. The client has then also read the session tickets.
fn handshake(tls: &Tls, client: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(tls.0.config.clone()).unwrap();
    for _ in 0..4 {
        let (mut to_server, mut to_client) = (Vec::new(), Vec::new());
        while client.wants_write() {
            client.write_tls(&mut to_server).unwrap();
        }
        let mut to_server = &to_server[..];
        while !to_server.is_empty() {
            server.read_tls(&mut to_server).unwrap();
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
        let mut to_client = &to_client[..];
        while !to_client.is_empty() {
            client.read_tls(&mut to_client).unwrap();
            client.process_new_packets().unwrap();
        }
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    client
}

/// The certificate that a client gets for this host name.
fn presented(tls: &Tls, client: ClientConfig, name: &str) -> CertificateDer<'static> {
    let connection = handshake(tls, &Arc::new(client), name);
    connection.peer_certificates().unwrap()[0].clone()
}

fn of(made: &[&Made]) -> Tls {
    let certificates = made.iter().map(|made| made.certificate()).collect();
    Tls::new(certificates, Vec::new(), Vec::new()).unwrap()
}

#[test]
fn the_certificate_is_chosen_by_the_name_of_the_host() {
    let first = Made::new(&["first.example"]);
    let wildcard = Made::new(&["*.b.example", "b.example"]);
    let exact = Made::new(&["Exact.b.example", "other.example"]);
    let tls = of(&[&first, &wildcard, &exact]);
    for (name, expected) in [
        ("first.example", &first),
        ("b.example", &wildcard),
        ("any.b.example", &wildcard),
        ("ANY.b.example", &wildcard),
        ("two.labels.b.example", &first),
        ("exact.b.example", &exact),
        ("other.example", &exact),
        ("unknown.example", &first),
        // Has no SNI.
        ("192.0.2.1", &first),
    ] {
        assert_eq!(presented(&tls, client(), name), expected.chain[0], "{name}");
    }
}

#[test]
fn of_two_certificates_for_a_name_the_client_gets_one_that_it_supports() {
    let ed25519 = Made::of(&["a.example"], &KeyPair::generate_for(&PKCS_ED25519).unwrap(), |_| {});
    let p256 = Made::new(&["a.example"]);
    let tls = of(&[&ed25519, &p256]);
    assert_eq!(presented(&tls, client(), "a.example"), ed25519.chain[0]);
    let old = client_of(vec![SignatureScheme::ECDSA_NISTP256_SHA256]);
    assert_eq!(presented(&tls, old.clone(), "a.example"), p256.chain[0]);
    assert_eq!(presented(&tls, old, "unknown.example"), p256.chain[0]);
}

#[test]
fn tls_1_2_and_1_3_are_accepted_and_http_2_is_preferred() {
    let tls = Made::new(&["a.example"]).tls();
    for (version, expected) in [
        (&rustls::version::TLS12, ProtocolVersion::TLSv1_2),
        (&rustls::version::TLS13, ProtocolVersion::TLSv1_3),
    ] {
        let mut client = client_by(vec![SignatureScheme::ECDSA_NISTP256_SHA256], &[version]);
        client.alpn_protocols = vec![b"http/1.1".to_vec(), b"h2".to_vec()];
        let connection = handshake(&tls, &Arc::new(client.clone()), "a.example");
        assert_eq!(connection.protocol_version(), Some(expected));
        assert_eq!(connection.alpn_protocol(), Some(&b"h2"[..]));
        client.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connection = handshake(&tls, &Arc::new(client), "a.example");
        assert_eq!(connection.alpn_protocol(), Some(&b"http/1.1"[..]));
    }
}

#[test]
fn sessions_are_resumed_after_a_reload_and_never_with_early_data() {
    let (folder, old, new) = (Folder::new(), Made::new(&["a.example"]), Made::new(&["a.example"]));
    let tls = Tls::from_files(folder.write_pair(&old)).unwrap();
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut client = client_by(vec![SignatureScheme::ECDSA_NISTP256_SHA256], &[version]);
        client.resumption = Resumption::in_memory_sessions(8);
        client.enable_early_data = true;
        let client = Arc::new(client);
        let first = handshake(&tls, &client, "a.example");
        assert_eq!(first.handshake_kind(), Some(HandshakeKind::Full));
        folder.write_pair(&new);
        tls.reload().unwrap();
        let mut second = handshake(&tls, &client, "a.example");
        assert_eq!(second.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(!second.is_early_data_accepted() && second.early_data().is_none());
    }
}

#[test]
fn a_configuration_of_the_application_gets_protocols_and_no_early_data() {
    let made = Made::new(&["a.example"]);
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth();
    let mut config = config.with_single_cert(made.chain.clone(), made.key.clone_key()).unwrap();
    config.max_early_data_size = 1024;
    let tls = Tls::from_config(config.clone());
    assert_eq!(tls.0.config.max_early_data_size, 0);
    assert_eq!(tls.0.config.alpn_protocols, protocols());
    assert!(!tls.has_files() && tls.reload().is_ok());
    assert_eq!(tls.expiry(), None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert_eq!(Tls::from_config(config.clone()).0.config.alpn_protocols, config.alpn_protocols);
}
