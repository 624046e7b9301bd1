//! TLS for clients: rustls with the certificate authorities of the system, or those of a file.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, OnceLock};

use rustls_native_certs::load_native_certs;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::client::WebPkiServerVerifier;
use tokio_rustls::rustls::client::danger::ServerCertVerifier;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{self, ClientConfig, InvalidMessage, RootCertStore};
use url::{Host, Url};

use super::pinned::Pinned;
use super::{CertificateCheck, CertificateProblem, ClientError, socket};

/// The certificates that a client accepts.
///
/// By default, the client trusts the certificate authorities of the system. They are read once, when they are first
/// needed.
#[derive(Clone, Default)]
pub struct Tls(Option<Arc<Trust>>);

struct Trust {
    config: Arc<ClientConfig>,
    verifier: Arc<dyn ServerCertVerifier>,
}

impl Tls {
    /// Trusts only the certificate authorities in this PEM text.
    ///
    /// # Errors
    /// Fails if the text has no certificate, or a malformed one.
    pub fn with_authorities(pem: &[u8]) -> io::Result<Self> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            roots.add(certificate.map_err(invalid)?).map_err(invalid)?;
        }
        if roots.is_empty() {
            return Err(invalid("no PEM certificate found"));
        }
        Ok(Self(Some(Arc::new(trust_in(roots)?))))
    }

    /// Trusts only the certificate with this SHA-256 fingerprint, for example a self-signed one. Its names, its issuer
    /// and its times are not checked.
    ///
    /// # Errors
    /// Never fails with the cryptography that this crate uses.
    pub fn with_fingerprint(fingerprint: [u8; 32]) -> io::Result<Self> {
        let algorithms = ring::default_provider().signature_verification_algorithms;
        let verifier = Arc::new(Pinned { fingerprint, algorithms });
        Ok(Self(Some(Arc::new(Trust::new(verifier)?))))
    }

    /// Returns the configuration for a client that speaks this protocol (ALPN, RFC 7301). For the default, this reads the
    /// authorities of the system at the first call.
    ///
    /// # Errors
    /// Fails if the system has no certificate authorities.
    pub fn client_config(&self, protocol: &str) -> io::Result<ClientConfig> {
        let mut config = ClientConfig::clone(&self.trust()?.config);
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        Ok(config)
    }

    /// Returns the configuration for one handshake, and what will contain the problem of the certificate if it is not
    /// accepted. For a library that returns the error of a handshake only as text. A handshake with this configuration
    /// does not resume a session, because rustls resumes only the sessions of the same verifier.
    ///
    /// # Errors
    /// Fails if the system has no certificate authorities.
    pub fn checked_client_config(
        &self,
        protocol: &str,
    ) -> io::Result<(ClientConfig, Arc<CertificateCheck>)> {
        let verifier = self.trust()?.verifier.clone();
        let check = Arc::new(CertificateCheck::new(verifier));
        let mut config = self.client_config(protocol)?;
        config.dangerous().set_certificate_verifier(check.clone());
        Ok((config, check))
    }

    /// For the default, reads the authorities of the system at the first call. Fails if the system has none.
    fn trust(&self) -> io::Result<Arc<Trust>> {
        static SYSTEM: OnceLock<Arc<Trust>> = OnceLock::new();
        if let Some(trust) = self.0.as_ref().or_else(|| SYSTEM.get()) {
            return Ok(trust.clone());
        }
        let found = load_native_certs();
        let mut roots = RootCertStore::empty();
        // A system may have certificates that rustls cannot parse. It is an error only if there are no others.
        let (added, _unreadable) = roots.add_parsable_certificates(found.certs);
        if added == 0 {
            let reason = found.errors.first().map(|error| format!(" ({error})"));
            let reason = reason.unwrap_or_default();
            return Err(invalid(CertificateProblem::NoAuthorities { reason }));
        }
        let trust = Arc::new(trust_in(roots)?);
        Ok(SYSTEM.get_or_init(|| trust).clone())
    }

    /// Opens TLS over a connection to this host, and offers these protocols (ALPN, RFC 7301). Fails if the handshake
    /// fails, for example because the certificate is not valid.
    pub(super) async fn open(
        &self,
        host: Host<&str>,
        stream: TcpStream,
        offered: &[&[u8]],
    ) -> io::Result<TlsStream<TcpStream>> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(invalid)?,
            Host::Ipv4(ip) => ServerName::IpAddress(IpAddr::from(ip).into()),
            Host::Ipv6(ip) => ServerName::IpAddress(IpAddr::from(ip).into()),
        };
        let offered = offered.iter().map(|protocol| protocol.to_vec()).collect();
        let connector = TlsConnector::from(self.trust()?.config.clone());
        connector.with_alpn(offered).connect(name, stream).await.map_err(explained)
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authorities = if self.0.is_some() { "named" } else { "of the system" };
        f.debug_struct("Tls").field("authorities", &authorities).finish()
    }
}

fn trust_in(roots: RootCertStore) -> io::Result<Trust> {
    let provider = Arc::new(ring::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider);
    Trust::new(verifier.build().map_err(invalid)?)
}

impl Trust {
    fn new(verifier: Arc<dyn ServerCertVerifier>) -> io::Result<Self> {
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(invalid)?
            .dangerous();
        let config = builder.with_custom_certificate_verifier(verifier.clone());
        Ok(Self { config: Arc::new(config.with_no_client_auth()), verifier })
    }
}

/// Returns the error of a TLS handshake with this address of the host of `url`: [`ClientError::Certificate`] if `error`
/// contains a [`CertificateProblem`] or the error of rustls for one, otherwise [`ClientError::Tls`].
pub fn handshake_error(url: &Url, address: SocketAddr, error: io::Error) -> ClientError {
    let name = url.host().map(|host| socket::name(&host, url)).unwrap_or_default();
    let ip = address.to_string();
    let address = if name == ip { name } else { format!("{name} ({ip})") };
    let problem = error.get_ref().and_then(|inner| {
        let of_rustls = || inner.downcast_ref().and_then(CertificateProblem::of);
        inner.downcast_ref().cloned().or_else(of_rustls)
    });
    match problem {
        Some(problem) => ClientError::Certificate { address, problem },
        None => ClientError::Tls { address, source: error },
    }
}

/// Replaces the error for a server that responds without TLS by one that names the remedy.
fn explained(error: io::Error) -> io::Error {
    let is_plain = error.get_ref().and_then(|source| source.downcast_ref()).is_some_and(|source| {
        matches!(source, rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType))
    });
    match is_plain {
        true => invalid("the server responded without TLS: use http:// in place of https://"),
        false => error,
    }
}

fn invalid(error: impl Into<Box<dyn Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::task::JoinHandle;
    use tokio_rustls::TlsAcceptor;
    use tokio_rustls::rustls::ServerConfig;
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;

    use super::*;
    use crate::client::scripted::{impatient, mute};
    use crate::client::{ClientError, ConnectOptions, Http, Target, connect, request};

    /// Starts a server with a self-signed certificate for this name, and returns the certificate in PEM. The server
    /// sends this response, closes TLS properly if `ends_tls`, and returns the request that it received.
    async fn server(
        name: &str,
        answer: &'static str,
        ends_tls: bool,
    ) -> (Target, Vec<u8>, JoinHandle<String>) {
        server_of(&[b"http/1.1"], name, answer, ends_tls).await
    }

    /// Starts a server as [`server`] does, which accepts these protocols, the first of them if it can.
    async fn server_of(
        protocols: &[&[u8]],
        name: &str,
        answer: &'static str,
        ends_tls: bool,
    ) -> (Target, Vec<u8>, JoinHandle<String>) {
        let key = KeyPair::generate().unwrap();
        let certificate =
            CertificateParams::new([name.to_owned()]).unwrap().self_signed(&key).unwrap();
        let pem = certificate.pem().into_bytes();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://localhost:{}/topics/a", listener.local_addr().unwrap().port());
        let served = tokio::spawn(async move {
            let (stream, _) = listener.accept().await.unwrap();
            let Ok(mut stream) = acceptor.accept(stream).await else { return String::new() };
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                match stream.read_u8().await {
                    Ok(byte) => request.push(byte),
                    Err(_) => break,
                }
            }
            let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
            assert_eq!(is_http2, request.starts_with(b"PRI * HTTP/2"));
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            if ends_tls {
                stream.shutdown().await.unwrap();
            }
            String::from_utf8(request).unwrap()
        });
        (Target::new(url.parse().unwrap()), pem, served)
    }

    fn trusting(target: Target, pem: &[u8]) -> Target {
        let tls = Tls::with_authorities(pem).unwrap();
        Target { options: Arc::new(ConnectOptions { tls, ..ConnectOptions::default() }), ..target }
    }

    async fn get(target: &Target) -> Result<String, ClientError> {
        let mut http = Http::connect(target).await?;
        let response = http.send(request(&target.url)?).await?;
        let body = http.whole(response.into_body(), 1024).await?;
        Ok(String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_server_with_a_trusted_certificate_is_sent_http_1_requests() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntea";
        let (target, pem, served) = server("localhost", answer, true).await;
        let target = trusting(target, &pem);
        assert_eq!(get(&target).await.unwrap(), "tea");
        let request = served.await.unwrap();
        assert!(request.starts_with("GET /topics/a HTTP/1.1\r\n"), "{request}");
        assert!(request.contains(&format!("host: {}\r\n", target.url.authority())), "{request}");
    }

    #[tokio::test]
    async fn a_server_chooses_http_2_except_for_an_upgrade() {
        const UPGRADED: &str =
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: tea\r\n\r\n";
        let protocols: [&[u8]; 2] = [b"h2", b"http/1.1"];
        let (target, pem, served) = server_of(&protocols, "localhost", "", true).await;
        assert!(get(&trusting(target, &pem)).await.is_err());
        assert_eq!(served.await.unwrap(), "PRI * HTTP/2.0\r\n\r\n");

        let (target, pem, served) = server_of(&protocols, "localhost", UPGRADED, true).await;
        let target = trusting(target, &pem);
        Http::upgrade(&target, request(&target.url).unwrap()).await.unwrap();
        assert!(served.await.unwrap().starts_with("GET /topics/a HTTP/1.1\r\n"));
    }

    #[tokio::test]
    async fn a_certificate_of_another_authority_or_another_name_is_an_error() {
        let (target, _, _served) = server("localhost", "", true).await;
        let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let target = trusting(target, other.cert.pem().as_bytes());
        let error = Http::connect(&target).await.map(drop).unwrap_err();
        let text = error.to_string();
        assert!(text.starts_with("the certificate of localhost:"), "{text}");
        assert!(text.contains("no trusted authority has signed it: "), "{text}");
        assert!(text.contains("Tls::with_authorities"), "{text}");
        assert!(error.is_final());

        let (target, pem, _served) = server("other.example", "", true).await;
        let error = Http::connect(&trusting(target, &pem)).await.map(drop).unwrap_err();
        let text = error.to_string();
        assert!(text.contains("it is not for localhost, but for other.example: "), "{text}");
        assert!(error.is_final());
    }

    #[tokio::test]
    async fn a_certificate_is_trusted_by_its_fingerprint_alone() {
        let answer = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\ntea";
        for is_right in [true, false] {
            let (target, pem, _served) = server("other.example", answer, true).await;
            let certificate = CertificateDer::from_pem_slice(&pem).unwrap();
            let hash = ::ring::digest::digest(&::ring::digest::SHA256, &certificate);
            let mut fingerprint: [u8; 32] = hash.as_ref().try_into().unwrap();
            let shown: Vec<_> = fingerprint.iter().map(|byte| format!("{byte:02X}")).collect();
            fingerprint[0] ^= u8::from(!is_right);
            let tls = Tls::with_fingerprint(fingerprint).unwrap();
            let options = Arc::new(ConnectOptions { tls, ..ConnectOptions::default() });
            match get(&Target { options, ..target }).await {
                Ok(body) => assert!(is_right && body == "tea"),
                Err(error) => {
                    let text = error.to_string();
                    assert!(!is_right && text.contains(&shown.join(":")), "{text}");
                    assert!(text.contains("Tls::with_fingerprint") && error.is_final(), "{text}");
                }
            }
        }
    }

    #[tokio::test]
    async fn a_body_that_ends_without_a_proper_end_of_tls_is_an_error() {
        let answer = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhalf";
        for (ends_tls, is_whole) in [(true, true), (false, false)] {
            let (target, pem, _served) = server("localhost", answer, ends_tls).await;
            assert_eq!(get(&trusting(target, &pem)).await.is_ok(), is_whole);
        }
    }

    #[tokio::test]
    async fn a_server_that_is_silent_or_has_no_tls_is_an_error() {
        for (sent, words) in [("", "took too long"), ("HTTP/1.1 400 Bad\r\n\r\n", "")] {
            let (target, server) = mute(sent).await;
            let mut url = target.url.clone();
            url.set_scheme("https").unwrap();
            let key = KeyPair::generate().unwrap();
            let certificate = CertificateParams::new(["h".to_owned()]).unwrap().self_signed(&key);
            let tls = Tls::with_authorities(certificate.unwrap().pem().as_bytes()).unwrap();
            let options = ConnectOptions { tls, ..(*impatient()).clone() };
            let target = Target { options: Arc::new(options), ..Target::new(url) };
            let error = connect(&target).await.unwrap_err();
            let ClientError::Tls { source, .. } = error else { panic!("{error}") };
            assert!(source.to_string().contains(words), "{source}");
            server.abort();
        }
    }

    #[test]
    fn a_file_without_certificates_is_an_error() {
        assert!(Tls::with_authorities(b"nothing").unwrap_err().to_string().contains("no PEM"));
        let broken = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert!(Tls::with_authorities(broken).is_err());
    }
}
