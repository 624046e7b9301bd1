//! The certificates of sessions.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::Version;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use tidings_core::{Hub, HubConfig, Position};
use tidings_server::{ServeBy, Server, Tls, transports};
use tidings_transport::client::{ClientError, Http, request};
use tokio::sync::oneshot;

use crate::support::{
    Follower, Mover, Raw, Running, Sessions, VERSIONS, client_that_trusts, connect_tls, in_time,
    trusting,
};

/// Writes a new certificate for `localhost` and `127.0.0.1` and its key into one file, and returns the certificate.
fn renew(path: &Path, days: u32) -> String {
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut params = CertificateParams::new(names).unwrap();
    let day = Duration::from_secs(24 * 3600);
    let from = SystemTime::now() - day;
    (params.not_before, params.not_after) = (from.into(), (from + days * day).into());
    let key = KeyPair::generate().unwrap();
    let pem = params.self_signed(&key).unwrap().pem();
    fs::write(path, format!("{pem}{}", key.serialize_pem())).unwrap();
    pem
}

async fn follow(sessions: &Sessions) -> Result<Follower, ClientError> {
    let listed = transports().pop().unwrap();
    let target = sessions.target("t").position(Position::Live);
    listed.client.connect(target).await.map(Follower::new)
}

#[tokio::test]
async fn new_sessions_use_a_renewed_certificate_and_open_ones_go_on() {
    in_time(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("both.pem");
        let old = renew(&path, 13);
        let tls = Tls::from_files([(&path, &path)]).unwrap();
        let setup = Mover::SESSION.config_of(Hub::new(HubConfig::default()));
        let hub = Running::start_sessions(setup, &tls, &old).await;
        let sessions = hub.sessions.as_ref().unwrap();
        let mut first = follow(sessions).await.unwrap();
        let about = Raw::get(hub.address, "/transports").await.json();
        let old_hash = about["webtransport"]["hashes"][0].clone();
        assert!(old_hash.as_str().is_some_and(|hash| hash.len() == 44), "{about}");

        let new = renew(&path, 15);
        tls.reload().unwrap();
        // A client that has connected before resumes its TLS session, which needs no certificate.
        let another = Sessions { options: trusting(&old), address: sessions.address };
        let error = follow(&another).await.err().expect("the old certificate is not used");
        assert!(matches!(error, ClientError::Certificate { .. }), "{error:?}");
        assert!(error.is_final(), "the new one has another authority");
        let renewed = Sessions { options: trusting(&new), address: sessions.address };
        let mut second = follow(&renewed).await.unwrap();
        hub.publish("t", "to both").await;
        assert_eq!(first.text().await.1, "to both");
        assert_eq!(second.text().await.1, "to both");
        // A browser accepts a hash only for a certificate of at most 14 days.
        let about = Raw::get(hub.address, "/transports").await.json();
        assert_eq!(about["webtransport"]["hashes"], serde_json::json!([]));
        drop((first, second));
        hub.stop().await;
    })
    .await;
}

/// Returns `/transports` over HTTP/2.
async fn about_over_http2(sessions: &Sessions) -> Value {
    let mut target = sessions.target("t");
    target.url.set_path("/transports");
    let mut http = Http::connect(&target).await.unwrap();
    let response = http.send(request(&target.url).unwrap()).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    let mut body = response.into_body();
    let mut text = Vec::new();
    while let Some(chunk) = http.chunk(&mut body).await.unwrap() {
        text.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&text).unwrap()
}

#[tokio::test]
async fn each_of_several_listeners_with_tls_describes_its_own_endpoint() {
    in_time(async {
        for serve_by in [ServeBy::Lanes, ServeBy::GeneralPath] {
            let folder = tempfile::tempdir().unwrap();
            let builder = Server::builder(Hub::default()).serve_by(serve_by);
            let mut server = builder.build().bind("127.0.0.1:0").await.unwrap();
            let plain = server.local_addrs()[0];
            let mut listeners = Vec::new();
            for name in ["one.pem", "two.pem", "three.pem"] {
                let path = folder.path().join(name);
                let pem = renew(&path, 13);
                let tls = Tls::from_files([(&path, &path)]).unwrap();
                let (with_tls, sessions) = Sessions::add(server, &tls, &pem);
                server = with_tls;
                listeners.push((sessions, pem));
            }
            let (stop, stopped) = oneshot::channel::<()>();
            let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
            let mut hashes = HashSet::new();
            for (sessions, pem) in &listeners {
                let certificate = CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
                let client = client_that_trusts(certificate, VERSIONS[1]);
                let stream = connect_tls(sessions.address, Arc::new(client)).await;
                let mut raw = Raw::over(stream);
                raw.send("GET /transports HTTP/1.1\r\nHost: hub\r\n\r\n").await;
                let about = raw.answer().await.json();
                assert_eq!(about["webtransport"]["port"], sessions.address.port(), "{serve_by:?}");
                let over_http2 = about_over_http2(sessions).await;
                assert_eq!(about["webtransport"], over_http2["webtransport"], "{serve_by:?}");
                hashes.insert(about["webtransport"]["hashes"].to_string());
                follow(sessions).await.unwrap();
            }
            assert_eq!(hashes.len(), 3, "each has another certificate: {hashes:?}");
            // A listener without TLS describes the first endpoint.
            let about = Raw::get(plain, "/transports").await.json();
            assert_eq!(about["webtransport"]["port"], listeners[0].0.address.port());
            stop.send(()).unwrap();
            serving.await.unwrap().unwrap();
        }
    })
    .await;
}
