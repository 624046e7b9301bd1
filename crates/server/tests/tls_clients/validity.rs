//! Certificates that a client does not accept.

use std::error::Error;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::pki_types::PrivateKeyDer;
use tidings_core::{Hub, HubConfig};
use tidings_server::{Tls, transports};
use tidings_transport::client::{
    CertificateProblem, ClientError, ConnectOptions, Target, Tls as Trust,
};

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
        (2000, 2001, Some("it expired on Mon, 31 Dec 2001 00:00:00 GMT: renew it")),
        (3000, 3001, Some("it is not valid yet, but from Wed, 01 Jan 3000 00:00:00 GMT: correct")),
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
            assert!(matches!(error, ClientError::Certificate { .. }), "{error:?}");
            assert!(error.source().is_none(), "{error:?}");
            let beginning = format!("the certificate of {} is not accepted: ", sessions.address);
            let text = error.to_string();
            eprintln!("{}: {text}", listed.server.name());
            assert!(text.starts_with(&beginning) && text.contains(words), "{text}");
            assert!(error.is_final(), "{text}");
        }
        server.stop().await;
    }
}

/// A self-signed certificate for this name, and its PEM text. Many tools create that of an authority.
fn self_signed(name: &str, is_authority: bool) -> (Tls, String) {
    let mut params = CertificateParams::new([name.to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    if is_authority {
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    }
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    (Tls::from_der(vec![certificate.der().clone()], key).unwrap(), certificate.pem())
}

#[tokio::test]
async fn a_certificate_that_is_not_accepted_is_the_same_final_error_for_every_transport() {
    let (_, unrelated) = self_signed("unrelated.example", false);
    let with = |pem: &str| Trust::with_authorities(pem.as_bytes()).unwrap();
    for (name, is_authority, is_pinned, expected, words) in [
        ("127.0.0.1", false, false, "UnknownIssuer", "no trusted authority has signed it: trust"),
        ("127.0.0.1", true, false, "IsAuthority", "and not of a server: trust only this"),
        ("other.example", false, false, "WrongName", "it is not for 127.0.0.1, but for other.ex"),
        ("127.0.0.1", false, true, "Fingerprint", "its SHA-256 fingerprint is "),
    ] {
        let (tls, own) = self_signed(name, is_authority);
        let setup = Mover::SESSION.config_of(Hub::new(HubConfig::default()));
        let server = Running::start_sessions(setup, &tls, &own).await;
        let sessions = server.sessions.as_ref().unwrap();
        for listed in transports() {
            let trust = match is_pinned {
                true => Trust::with_fingerprint([0; 32]).unwrap(),
                false => with(if expected == "UnknownIssuer" { &unrelated } else { &own }),
            };
            let url = format!("https://{}/topics/t", sessions.address).parse().unwrap();
            let target = Target::new(url).options(ConnectOptions::default().tls(trust));
            let error = in_time(listed.client.connect(target)).await.map(drop).unwrap_err();
            let text = error.to_string();
            eprintln!("{}: {text}", listed.server.name());
            let ClientError::Certificate { problem, .. } = &error else { panic!("{error:?}") };
            assert!(format!("{problem:?}").starts_with(expected), "{problem:?}");
            assert!(text.contains(words) && error.is_final(), "{text}");
            assert_eq!(text.matches(&sessions.address.to_string()).count(), 1, "{text}");
            if let CertificateProblem::WrongName { names, .. } = problem {
                assert_eq!(names, &["other.example"]);
            }
        }
        server.stop().await;
    }
}
