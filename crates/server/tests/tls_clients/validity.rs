//! Certificates whose times are wrong.

use std::error::Error;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use tidings_core::{Hub, HubConfig};
use tidings_server::{Tls, transports};
use tidings_transport::client::ClientError;

use crate::support::{Mover, Running, in_time};

/// A certificate for `127.0.0.1` that is valid in these years, and the PEM text of the authority that signed it. The
/// authority is valid.
fn signed(first_year: i32, last_year: i32) -> (Tls, String) {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let authority = params.self_signed(&key).unwrap().pem();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    params.not_before = date_time_ymd(first_year, 1, 1);
    params.not_after = date_time_ymd(last_year, 12, 31);
    let key = KeyPair::generate().unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (Tls::from_der(vec![certificate], key).unwrap(), authority)
}

/// Every transport that is compiled is connected with, also WebTransport.
#[tokio::test]
async fn an_error_names_the_address_and_that_a_certificate_has_expired_or_is_not_valid_yet() {
    for (first_year, last_year, words) in [
        (2000, 2001, Some("certificate expired")),
        (3000, 3001, Some("certificate not valid yet")),
        (2000, 3001, None),
    ] {
        let (tls, authority) = signed(first_year, last_year);
        let setup = Mover::SESSION.config_of(Hub::new(HubConfig::default()));
        let server = Running::start_sessions(setup, &tls, &authority).await;
        let sessions = server.sessions.as_ref().unwrap();
        for listed in transports() {
            let connected = in_time(listed.client.connect(sessions.target("t"))).await;
            let Some(words) = words else {
                connected.map(drop).expect("only the times are wrong above");
                continue;
            };
            let error = connected.map(drop).unwrap_err();
            assert!(matches!(error, ClientError::Tls { .. }), "{error:?}");
            assert!(error.to_string().contains(&sessions.address.to_string()), "{error}");
            let source = error.source().unwrap().to_string();
            eprintln!("{}: {error}: {source}", listed.server.name());
            assert!(source.contains(words), "{source}");
            assert!(!error.is_final(), "a certificate can be renewed");
        }
        server.stop().await;
    }
}
