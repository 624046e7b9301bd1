//! The certificates of sessions.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use rcgen::{CertificateParams, KeyPair};
use tidings_core::{Hub, HubConfig, Position};
use tidings_server::{Tls, transports};
use tidings_transport::client::ClientError;

use crate::support::{Follower, Mover, Raw, Running, Sessions, in_time, trusting};

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
        assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
        assert!(!error.is_final(), "a certificate can be renewed");
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
