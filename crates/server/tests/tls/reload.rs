//! Certificates that are replaced while notifications are published, delivered and resumed.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::TLS13;
use tidings_core::{HubConfig, Id, Kind, Position};
use tidings_server::{Listed, Tls, transports};
use tidings_transport::client::{Arrival, Publisher, Target};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::{
    Follower, Mover, Running, Sessions, client_that_trusts, connect_tls, in_time, trusting,
};

/// How often the certificate is replaced.
const RELOADS: usize = 4;

/// The fewest notifications between two reloads.
const BETWEEN: u64 = 50;

/// After how many notifications a client that changes its connection disconnects.
const PORTION: usize = 25;

const END: &str = "end";

/// A certificate authority that all clients trust.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    pem: String,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Self { issuer: Issuer::new(params, key), pem }
    }

    /// Replaces the file by a new certificate for `localhost` and `127.0.0.1` with its key. Returns the certificate.
    fn renew(&self, path: &Path) -> CertificateDer<'static> {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let new = path.with_extension("new");
        fs::write(&new, format!("{}{}", certificate.pem(), key.serialize_pem())).unwrap();
        fs::rename(&new, path).unwrap();
        certificate.der().clone()
    }
}

/// Publishes numbers from 1 on, until `is_last` is `true`, and then the end. Returns the last number.
async fn publish(
    mut publisher: Publisher,
    published: watch::Sender<u64>,
    is_last: watch::Receiver<bool>,
) -> u64 {
    let mut number = 0;
    while !*is_last.borrow() {
        number += 1;
        publisher.publish(Kind::Text, number.to_string().into()).await.unwrap();
        published.send_replace(number);
    }
    publisher.publish(Kind::Text, END.into()).await.unwrap();
    number
}

/// Follows from this id on, and returns the numbers that are received before the end. Changes the connection after each
/// portion, and continues after the last notification that was received.
async fn follow(listed: Listed, target: Target, mut after: Id, portion: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    loop {
        let target = target.clone().position(Position::After(after));
        let mut follower = Follower::new(listed.client.connect(target).await.unwrap());
        for _ in 0..portion {
            let received = match follower.news().await {
                Arrival::Notification(received) => received,
                // What it covers is counted as lost.
                Arrival::Gap(_) => continue,
                other => panic!("{other:?}"),
            };
            let text = str::from_utf8(&received.payload).unwrap();
            if text == END {
                return numbers;
            }
            numbers.push(text.parse().unwrap());
            after = received.id.unwrap();
        }
    }
}

/// What went wrong with the numbers of a client.
#[derive(Debug, Default, PartialEq, Eq)]
struct Faults {
    lost: u64,
    duplicated: u64,
    reordered: u64,
}

fn faults(numbers: &[u64], last: u64) -> Faults {
    let different: BTreeSet<_> = numbers.iter().collect();
    Faults {
        lost: last - different.len() as u64,
        duplicated: (numbers.len() - different.len()) as u64,
        reordered: numbers.windows(2).filter(|pair| pair[1] < pair[0]).count() as u64,
    }
}

async fn play(mover: Mover) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("both.pem");
    let authority = Authority::new();
    let mut current = authority.renew(&path);
    let tls = Tls::from_files([(&path, &path)]).unwrap();
    let setup = mover.config(HubConfig::default()).await;
    let server = Running::start_sessions(setup, &tls, &authority.pem).await;
    let sessions = server.sessions.clone().unwrap();
    // With its own options, a client does not resume the TLS session of another one.
    let target = || {
        let options = trusting(&authority.pem);
        Sessions { options, ..sessions.clone() }.target("t")
    };
    let start = server.hub.log().head();
    let mut clients = JoinSet::new();
    let mut join = |portion| {
        for listed in transports() {
            clients.spawn(follow(listed, target(), start, portion));
        }
    };
    join(usize::MAX);
    join(PORTION);

    let (published, mut watched) = watch::channel(0);
    let (ending, is_last) = watch::channel(false);
    let publisher = Publisher::connect(target()).await.unwrap();
    let publishing = tokio::spawn(publish(publisher, published, is_last));
    let authority_der = CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap();
    let mut next = BETWEEN;
    for reload in 0..RELOADS {
        watched.wait_for(|&number| number >= next).await.unwrap();
        let old = std::mem::replace(&mut current, authority.renew(&path));
        tls.reload().unwrap();
        let client = Arc::new(client_that_trusts(authority_der.clone(), &TLS13));
        let stream = connect_tls(sessions.address, client).await;
        let presented = &stream.get_ref().1.peer_certificates().unwrap()[0];
        assert!(*presented != old && *presented == current, "reload {reload}");
        join(usize::MAX);
        join(PORTION);
        next = *watched.borrow_and_update() + BETWEEN;
    }
    watched.wait_for(|&number| number >= next).await.unwrap();
    ending.send(true).unwrap();
    let last = publishing.await.unwrap();
    assert!(last >= BETWEEN * RELOADS as u64);

    let number = 2 * (1 + RELOADS) * transports().len();
    let received = clients.join_all().await;
    assert_eq!(received.len(), number);
    for numbers in received {
        assert_eq!(faults(&numbers, last), Faults::default(), "of {last}");
    }
    server.stop().await;
}

#[tokio::test]
async fn a_reload_under_load_loses_nothing_on_lanes() {
    in_time(Box::pin(play(Mover::LANE))).await;
}

#[tokio::test]
async fn a_reload_under_load_loses_nothing_on_the_general_path() {
    in_time(Box::pin(play(Mover::STREAM))).await;
}
