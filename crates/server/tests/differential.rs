//! A lane may parse a request itself only if hyper would understand it in the same way. So a server with lanes and a
//! server without them must give the same responses to every request, valid or not.

mod support;

use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use tidings_core::HubConfig;
use tokio::task::JoinSet;

use crate::support::{Mover, Raw, Running};

/// The number of conversations with disturbed bytes.
const DISTURBED: usize = 600;

/// Ends each conversation that is still valid.
const LAST: &str = "GET /healthz HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n";

/// Requests whose responses end without a further request.
const REQUESTS: &[&str] = &[
    "POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\nhello",
    "POST /topics/a.b?x=%41 HTTP/1.1\r\nhost: hub\r\ncontent-length:0\r\n\r\n",
    "GET /topics HTTP/1.1\r\nHost: hub\r\n\r\n",
    "POST /topics/t HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "POST /topics/t HTTP/1.1\r\nHost: hub\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nhi",
    "GET /topics/t?wait=0&after=earliest HTTP/1.1\r\nHost: hub\r\nAccept: */*\r\n\r\n",
    "GET /topics/t,%3E?transport=long-polling HTTP/1.1\r\nHost: hub\r\nLast-Event-ID: a-1\r\n\r\n",
    "GET http://hub/healthz HTTP/1.1\r\nHost: hub\r\nContent-Length: 0\r\n\r\n",
    "GET /topics/t?wait=0 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
    "HEAD /healthz HTTP/1.1\r\nHost: hub\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: hub\r\nAccept: text/html\r\nAccept-Encoding: gzip\r\n\r\n",
    "GET / HTTP/1.1\r\nHost: hub\r\nAccept: text/html\r\nIf-None-Match: *\r\n\r\n",
    "OPTIONS * HTTP/1.1\r\nHost: hub\r\n\r\n",
    "GET /topics/t?wait=0&after=earliest HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\nhello",
    "GET /healthz HTTP/1.1\r\nHost: hub\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    "GET /topics/t?wait=0 HTTP/1.1\r\nHost: hub\r\nContent-Length: 36\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: hub\r\n\r\n",
    "HEAD /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi",
    "GET /topics/>?wait=0 HTTP/1.1\r\nHost: hub\r\n\r\n",
    "PUT /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 1\r\n\r\nx",
    "GET /healthz HTTP/1.1\r\nHost: hub\r\nX: folded\r\n line\r\n\r\n",
    "GET /healthz HTTP/1.1\nHost: hub\n\n",
    "\r\n\r\nGET /healthz HTTP/1.1\r\nHost: hub\r\n\r\n",
];

/// Bytes that mean something to a parser.
const DISTURBING: &[u8] = b"\r\n :,;%/?=&0123456789\0\x7f\xffxX\t";

/// One byte of a conversation that is inserted, removed or replaced.
#[derive(Clone, Copy, Debug)]
struct Disturbance {
    place: prop::sample::Index,
    byte: u8,
    how: u8,
}

/// Bytes, and the place at which they are cut into two segments.
type Conversation = (Vec<u8>, usize);

fn conversations() -> impl Strategy<Value = Conversation> {
    let disturbance = (any::<prop::sample::Index>(), prop::sample::select(DISTURBING), 0..3_u8)
        .prop_map(|(place, byte, how)| Disturbance { place, byte, how });
    let requests = prop::collection::vec(prop::sample::select(REQUESTS), 1..4);
    let disturbances = prop::collection::vec(disturbance, 0..4);
    let parts = (requests, disturbances, any::<prop::sample::Index>());
    parts.prop_map(|(requests, disturbances, cut)| {
        let mut bytes = requests.concat().into_bytes();
        for Disturbance { place, byte, how } in disturbances {
            let place = place.index(bytes.len());
            match how {
                0 => bytes.insert(place, byte),
                1 => bytes[place] = byte,
                _ => drop(bytes.remove(place)),
            }
        }
        let cut = cut.index(bytes.len());
        (bytes, cut)
    })
}

async fn start(mover: Mover) -> Running {
    let mut config = mover.config(HubConfig::default()).await;
    let patience = Duration::from_secs(3);
    (config.head_deadline, config.idle_timeout, config.body_deadline) =
        (patience, patience, patience);
    Running::start(config).await
}

/// The status of each response. The version is not compared: to a client of HTTP/1.0, hyper responds with that version
/// and a lane with HTTP/1.1, which RFC 9110, section 2.5 allows.
async fn answered(address: std::net::SocketAddr, (bytes, cut): &Conversation) -> Vec<String> {
    let mut raw = Raw::connect(address).await;
    raw.stream.set_nodelay(true).unwrap();
    raw.try_send(&bytes[..*cut]).await;
    // Gives the server time to act on the first segment before the second one comes.
    Raw::get(address, "/healthz").await;
    raw.try_send([&bytes[*cut..], LAST.as_bytes()].concat()).await;
    let answers = raw.rest().await;
    let answers = String::from_utf8_lossy(&answers);
    let statuses = answers.match_indices("HTTP/1.");
    statuses.map(|(at, _)| answers[at..].chars().skip(9).take(3).collect()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_lanes_responds_as_one_without_lanes() {
    let (lanes, hyper) = (start(Mover::LANE).await, start(Mover::STREAM).await);
    let mut runner = TestRunner::deterministic();
    let whole = REQUESTS.iter().map(|request| (request.as_bytes().to_vec(), 0));
    let in_two = REQUESTS.iter().filter_map(|request| {
        let body = request.find("\r\n\r\n")? + 4;
        (body < request.len()).then(|| (request.as_bytes().to_vec(), body))
    });
    let plain = whole.chain(in_two);
    let disturbed =
        (0..DISTURBED).map(|_| conversations().new_tree(&mut runner).unwrap().current());
    let mut conversing = JoinSet::new();
    let mut answers = 0;
    for conversation in plain.chain(disturbed) {
        let (lanes, hyper) = (lanes.address, hyper.address);
        conversing.spawn(async move {
            let statuses =
                (answered(lanes, &conversation).await, answered(hyper, &conversation).await);
            (conversation, statuses)
        });
        // Many at once, because some of them wait for a deadline.
        while conversing.len() >= 50 {
            answers += judged(conversing.join_next().await.unwrap().unwrap());
        }
    }
    while let Some(ended) = conversing.join_next().await {
        answers += judged(ended.unwrap());
    }
    assert!(answers > DISTURBED, "most requests are valid");
    lanes.stop().await;
    hyper.stop().await;
}

/// Asserts that both servers gave the same responses, and counts them.
fn judged(((bytes, cut), (lanes, hyper)): (Conversation, (Vec<String>, Vec<String>))) -> usize {
    assert_eq!(lanes, hyper, "{:?}, cut at {cut}", String::from_utf8_lossy(&bytes));
    lanes.len()
}
