//! Listeners with TLS: their certificates are reloaded, and they decide differently about hosts and origins.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use tidings_core::Hub;
use tidings_server::{ServeBy, Server, Tls};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Certificate, PATIENCE, Raw, client_that_trusts, connect_tls, in_time};

#[tokio::test]
async fn a_browser_checks_the_name_and_a_page_without_tls_is_foreign() {
    for serve_by in [ServeBy::Lanes, ServeBy::GeneralPath] {
        let certificate = Certificate::new();
        let server = Server::builder(Hub::default()).serve_by(serve_by);
        let server = server.configure(|config| config.redirect_to_https = Some(0));
        let server = server.bind_tls("127.0.0.1:0", &certificate.tls).await.unwrap();
        let server = server.bind("127.0.0.1:0").await.unwrap();
        let [secure, plain] = *server.local_addrs() else { panic!("two listeners") };
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
        let client = Arc::new(certificate.client(&TLS13));
        for (host, origin, expected) in [
            // Through a plain listener on a loopback address this host is rejected.
            ("hub.example", "https://hub.example", 200),
            ("hub.example", "http://hub.example", 403),
            ("hub.example", "https://evil.example", 403),
        ] {
            let head = format!("POST /topics/t HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\n");
            // A lane reads the first, and hyper the second.
            for body in [
                "Content-Length: 2\r\n\r\nhi",
                "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            ] {
                let mut raw = Raw::over(connect_tls(secure, client.clone()).await);
                raw.send(format!("{head}{body}")).await;
                assert_eq!(raw.answer().await.status, expected, "{head}{body}");
            }
        }
        let request = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let mut raw = Raw::over(connect_tls(secure, client.clone()).await);
        raw.send(request).await;
        let help = raw.answer().await.text();
        assert!(help.contains(" https://HOST/") && help.contains("'wss://HOST/"), "{help}");
        assert!(!help.contains("http://") && !help.contains("ws://"), "{help}");
        let answer = in_time(Raw::request(plain, request)).await;
        let location = format!("https://localhost:{}/", secure.port());
        assert_eq!((answer.status, answer.header("location")), (308, Some(&location[..])));
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    }
}

/// Writes a new certificate and its key.
fn write_pair(folder: &Path) -> CertificateDer<'static> {
    let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    fs::write(folder.join("chain"), signed.cert.pem()).unwrap();
    fs::write(folder.join("key"), signed.signing_key.serialize_pem()).unwrap();
    CertificateDer::from_pem_slice(signed.cert.pem().as_bytes()).unwrap()
}

// The threads of the server keep the clock of the test from advancing by itself.
#[tokio::test(start_paused = true)]
async fn a_server_reloads_certificates_whose_files_change() {
    let folder = tempfile::tempdir().unwrap();
    let old = write_pair(folder.path());
    let files = [(folder.path().join("chain"), folder.path().join("key"))];
    let tls = Tls::from_files(files).unwrap();
    let server = Server::builder(Hub::default()).bind_tls("127.0.0.1:0", &tls).await.unwrap();
    let address = server.local_addrs()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    let is_presented = async |der: &CertificateDer<'static>| {
        let client = client_that_trusts(der.clone(), &TLS13);
        let socket = TcpStream::connect(address).await.unwrap();
        let name = "localhost".try_into().unwrap();
        TlsConnector::from(Arc::new(client)).connect(name, socket).await.is_ok()
    };
    assert!(is_presented(&old).await);
    let new = write_pair(folder.path());
    assert!(!is_presented(&new).await, "the files are not read at each handshake");
    tokio::time::advance(Tls::WATCH_PERIOD + Duration::from_millis(1)).await;
    let start = Instant::now();
    while !is_presented(&new).await {
        assert!(start.elapsed() < PATIENCE, "the new certificate is not presented");
    }
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
}
