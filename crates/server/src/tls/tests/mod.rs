//! Certificates in handshakes, in memory.

use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, date_time_ymd};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, ClientConnection, Resumption};
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::ServerConnection;
use rustls::{
    DigitallySignedStruct, HandshakeKind, ProtocolVersion, SignatureScheme,
    SupportedProtocolVersion,
};
use tempfile::TempDir;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

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
fn a_reload_replaces_certificates_and_a_bad_file_keeps_them() {
    let (folder, old, new) =
        (Folder::new(), Made::new(&["old.example"]), Made::new(&["new.example"]));
    let tls = Tls::from_files(folder.write_pair(&old)).unwrap();
    let current = || presented(&tls, client(), "a.example");
    assert_eq!(current(), old.chain[0]);

    folder.write("chain", &new.certificate_pem);
    assert!(tls.has_changed());
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("does not belong"), "{error}");
    assert!(!tls.has_changed(), "a failure is not repeated before the next change");
    assert_eq!(current(), old.chain[0]);

    fs::remove_file(folder.path("key")).unwrap();
    assert!(tls.has_changed());
    assert_eq!(tls.reload().unwrap_err().kind(), io::ErrorKind::NotFound);
    assert_eq!(current(), old.chain[0]);

    folder.write("key", &new.key_pem);
    tls.clone().reload().unwrap();
    assert_eq!(current(), new.chain[0]);
    assert!(!tls.has_changed());
}

#[cfg(unix)]
#[tokio::test(start_paused = true)]
async fn a_link_that_is_replaced_is_noticed_within_the_period() {
    use std::os::unix::fs::symlink;

    let (folder, old, new) = (Folder::new(), Made::new(&["a.example"]), Made::new(&["a.example"]));
    for (version, made) in [("1", &old), ("2", &new)] {
        fs::create_dir(folder.path(version)).unwrap();
        folder.write(&format!("{version}/chain"), &made.certificate_pem);
        folder.write(&format!("{version}/key"), &made.key_pem);
    }
    // As Kubernetes mounts a secret: links to a link to a folder, and that link is replaced.
    symlink("1", folder.path("data")).unwrap();
    for name in ["chain", "key"] {
        symlink(Path::new("data").join(name), folder.path(name)).unwrap();
    }
    let tls = Tls::from_files([(folder.path("chain"), folder.path("key"))]).unwrap();
    let period = Duration::from_secs(10);
    let watching = tokio::spawn(tls.watch(period));
    let current = || presented(&tls, client(), "a.example");
    // From here on the checks are half a period after those of the test.
    tokio::time::sleep(period * 5 / 2).await;
    assert_eq!(current(), old.chain[0]);

    symlink("2", folder.path("next")).unwrap();
    fs::rename(folder.path("next"), folder.path("data")).unwrap();
    tokio::time::sleep(period / 4).await;
    assert_eq!(current(), old.chain[0], "it is not read at each handshake");
    tokio::time::sleep(period).await;
    assert_eq!(current(), new.chain[0]);

    // A failure does not end it.
    fs::remove_file(folder.path("data")).unwrap();
    tokio::time::sleep(period * 2).await;
    symlink("1", folder.path("data")).unwrap();
    tokio::time::sleep(period * 2).await;
    assert_eq!(current(), old.chain[0]);
    assert!(!watching.is_finished());
    watching.abort();
}

#[test]
fn an_error_names_the_file_the_problem_and_the_remedy() {
    let (folder, made, other) =
        (Folder::new(), Made::new(&["a.example"]), Made::new(&["b.example"]));
    let (certificate, key) = (&made.certificate_pem, &made.key_pem);
    let both = format!("{}{certificate}", other.certificate_pem);
    let cut = &certificate[..certificate.len() / 2];
    let junk = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let request = "-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n";
    let public = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n";
    let bad_key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\n\
                         AAAA\n-----END RSA PRIVATE KEY-----\n";
    for (chain_text, key_text, file, problem) in [
        (
            key.as_str(),
            certificate.as_str(),
            "chain",
            "a private key and not a certificate: the files",
        ),
        (certificate, certificate, "key", "a certificate and not a private key: the files"),
        (request, key, "chain", "a certificate request"),
        (public, key, "chain", "no certificate in the PEM text"),
        (certificate, public, "key", "no private key in the PEM text"),
        ("\x30\u{2}", key, "chain", "not PEM"),
        (certificate, "", "key", "not PEM"),
        (cut, key, "chain", "malformed PEM"),
        (junk, key, "chain", "certificate 1 of the chain is malformed"),
        (&format!("{certificate}{junk}"), key, "chain", "certificate 2 of the chain is malformed"),
        (certificate, encrypted, "key", "encrypted: decrypt it with openssl pkey -in "),
        (certificate, old_encrypted, "key", "encrypted: decrypt it with openssl pkey -in "),
        (certificate, bad_key, "key", "not supported"),
        (&other.certificate_pem, key, "chain", "does not belong to the certificate"),
        (
            &both,
            key,
            "chain",
            "belongs to certificate 2 of the chain: put the certificate of the server first",
        ),
    ] {
        let pair = (folder.write("chain", chain_text), folder.write("key", key_text));
        let error = Tls::from_files([pair]).unwrap_err().to_string();
        assert!(error.contains(problem), "{problem:?} in {error:?}");
        assert!(error.starts_with(folder.path(file).to_str().unwrap()), "{error}");
        assert!(!error.contains("AAAA"), "a key is not printed: {error}");
    }
    let missing = Tls::from_files([(folder.path("none"), folder.path("key"))]).unwrap_err();
    assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    assert!(missing.to_string().starts_with("cannot read "), "{missing}");
    assert!(missing.to_string().contains(folder.path("none").to_str().unwrap()), "{missing}");
    let none = Tls::from_files(Vec::<(PathBuf, PathBuf)>::new()).unwrap_err();
    assert!(none.to_string().contains("at least one certificate"), "{none}");
}

#[test]
fn one_file_may_contain_certificate_and_key() {
    let (folder, made) = (Folder::new(), Made::new(&["a.example"]));
    let both = folder.write("both", format!("{}{}", made.key_pem, made.certificate_pem));
    let tls = Tls::from_files([(&both, &both)]).unwrap();
    assert_eq!(presented(&tls, client(), "a.example"), made.chain[0]);
}

#[test]
fn an_expired_certificate_is_used_and_its_times_are_known() {
    let [from, until] = [date_time_ymd(2001, 2, 3), date_time_ymd(2004, 5, 6)];
    let expired =
        Made::of(&["A.example", "*.a.example"], &KeyPair::generate().unwrap(), |params| {
            (params.not_before, params.not_after) = (from, until);
            // As openssl creates it for req -x509.
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        });
    let certificate = expired.certificate();
    assert_eq!(certificate.not_before, SystemTime::from(from));
    assert_eq!(certificate.not_after, SystemTime::from(until));
    assert_eq!(certificate.names, ["a.example", "*.a.example"]);
    assert_eq!(presented(&expired.tls(), client(), "a.example"), expired.chain[0]);

    let until = date_time_ymd(9999, 1, 1);
    let ancient = Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
        (params.not_before, params.not_after) = (date_time_ymd(1970, 1, 1), until);
    });
    let certificate = ancient.certificate();
    assert_eq!(certificate.not_before, SystemTime::UNIX_EPOCH);
    assert_eq!(certificate.not_after, SystemTime::from(until));
}

#[test]
fn a_certificate_expires_soon_in_its_last_14_days_or_its_last_quarter() {
    use files::Validity::{Early, Ending, Expired, Good};

    let day = |day| SystemTime::from(date_time_ymd(2030, 1, day));
    for (first, last, now, expected) in [
        (1, 31, 16, Good),
        (1, 31, 25, Ending),
        (1, 9, 6, Good),
        (1, 9, 8, Ending),
        (5, 9, 4, Early),
        (5, 9, 10, Expired),
    ] {
        let made = Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            params.not_before = date_time_ymd(2030, 1, first);
            params.not_after = date_time_ymd(2030, 1, last);
        });
        let certificate = made.certificate();
        assert_eq!(files::validity(&certificate, day(now)), expected, "{first} {last} {now}");
    }
    let year = Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
        params.not_before = date_time_ymd(2029, 1, 31);
        params.not_after = date_time_ymd(2030, 1, 31);
    });
    assert_eq!(files::validity(&year.certificate(), day(16)), Good);
    assert_eq!(files::validity(&year.certificate(), day(18)), Ending);
}

/// Counts the warnings of this thread.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_expires_soon_is_logged_once_a_day() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let _subscriber = tracing::subscriber::set_default(Warnings(warnings.clone()));
    let (folder, hour) = (Folder::new(), Duration::from_secs(3600));
    let until = |days: u32| {
        Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            params.not_after = (SystemTime::now() + hour * (days * 24)).into();
        })
    };
    let tls = Tls::from_files(folder.write_pair(&until(13))).unwrap();
    let _watching = tokio::spawn(tls.watch(hour));
    for day in 1..4 {
        assert_eq!(warnings.load(Relaxed), day);
        // From here on the pauses end half an hour after those of the watch.
        let first = if day == 1 { hour / 2 } else { Duration::ZERO };
        tokio::time::sleep(24 * hour + first).await;
    }
    folder.write_pair(&until(300));
    tokio::time::sleep(48 * hour).await;
    assert_eq!(warnings.load(Relaxed), 4);
}

#[test]
fn the_expiry_is_that_of_the_certificate_that_expires_first() {
    let until = |year| {
        Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            params.not_after = date_time_ymd(year, 5, 6);
        })
    };
    let tls = of(&[&until(2040), &until(2031), &until(2050)]);
    assert_eq!(tls.expiry(), Some(SystemTime::from(date_time_ymd(2031, 5, 6))));
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
