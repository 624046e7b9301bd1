//! A broker that starts later than the server, or never.

use std::time::Instant;

use tidings_testkit::{LocalConfig, LocalNats, LocalRedis, TestProgram};

use super::program::{Program, SOON, serve};

/// Checks the responses of a server while it waits for its broker.
fn waits(hub: &mut Program) {
    hub.logs("waits for its broker");
    assert_eq!((hub.get("/healthz").0, hub.get("/readyz").0), (200, 503));
    let (status, answer) = hub.publish("t", "early");
    assert!(status == 503 && answer.contains("\"unavailable\""), "{answer}");
    let (status, answer) = hub.get("/topics/t?wait=0");
    assert!(status == 503 && answer.contains("\"unavailable\""), "{answer}");
    assert!(
        hub.get("/metrics").1.contains("tidings_broker_connected 0"),
        "the broker is not connected"
    );
}

/// Checks the responses of a server once its broker is connected.
fn is_ready(mut hub: Program) {
    hub.logs("the server is ready");
    assert_eq!(hub.get("/readyz").0, 200);
    assert_eq!(hub.publish("t", "hello").0, 200);
    // The notification is stored, but the server may not have received it from the broker yet.
    let (status, answer) = hub.get("/topics/t?after=earliest&wait=10");
    assert!(status == 200 && answer.contains("hello") && !answer.contains("early"), "{answer}");
    assert!(
        hub.get("/metrics").1.contains("tidings_broker_connected 1"),
        "the broker is connected"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_nats_server_that_starts_later() {
    let mut server = LocalNats::start(LocalConfig::default()).await.unwrap();
    server.stop().await.unwrap();
    let mut hub = Program::start(server.url().as_str(), &[], "warn");
    waits(&mut hub);
    server.start_again().await.unwrap();
    is_ready(hub);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_waits_for_a_redis_server_that_starts_later() {
    let mut server = LocalRedis::start(LocalConfig::default()).await.unwrap();
    server.stop().await.unwrap();
    let mut hub = Program::start(server.url().as_str(), &[], "warn");
    waits(&mut hub);
    server.start_again().await.unwrap();
    is_ready(hub);
}

#[test]
fn a_server_exits_with_1_after_its_broker_timeout_and_names_the_broker() {
    for broker in ["nats://127.0.0.1:1", "redis://127.0.0.1:1"] {
        let began = Instant::now();
        let output = TestProgram::run(&mut serve(broker, &["--broker-timeout", "0.5"], "warn"), "");
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{error}");
        assert!(error.contains("127.0.0.1:1") && error.contains("is away"), "{error}");
        assert!(began.elapsed() < SOON);
    }
}
