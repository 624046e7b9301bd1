//! The log of a server with a broker, as an operator reads it.

use tidings_testkit::{LocalConfig, LocalNats, LocalRedis, TestProgram};

use super::program::{Program, serve};

fn settings(settings: &[&str]) -> LocalConfig {
    let settings = settings.iter().map(|&setting| setting.to_owned()).collect();
    LocalConfig { settings, ..LocalConfig::default() }
}

/// The settings of a NATS server on which every client has these permissions, without a login.
fn user(publish: &str, subscribe: &str) -> LocalConfig {
    settings(&[&format!(
        "no_auth_user: u\nauthorization {{ users: [{{ user: u, password: p, permissions: \
         {{ publish: [{publish}], subscribe: [{subscribe}] }} }}] }}"
    )])
}

/// nats.rs#1485.
#[tokio::test(flavor = "multi_thread")]
async fn a_publish_that_nats_does_not_permit_is_answered_at_once_and_logged_once() {
    let server = LocalNats::start(user(r#""$JS.>", "_INBOX.>""#, r#"">""#)).await.unwrap();
    let mut hub = Program::start(server.url().as_str(), &[], "warn");
    for topic in ["a", "b", "c"] {
        let (status, answer) = hub.publish(topic, "hello");
        assert!(status == 503 && answer.contains("broker_rejected"), "{answer}");
        assert!(answer.contains("permissions violation"), "{answer}");
    }
    let line = hub.logs("permissions violation");
    assert!(line.contains("tidings.a") && line.contains("$JS.API.>"), "{line}");
    let written = hub.end();
    let denials = written.lines().filter(|line| line.contains("nats::events")).count();
    assert_eq!(denials, 1, "{written}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_about_missing_jetstream_permissions_lists_what_to_permit() {
    for config in [user(r#""tidings.>", "_INBOX.>""#, r#"">""#), user(r#"">""#, r#""tidings.>""#)] {
        let server = LocalNats::start(config).await.unwrap();
        let output = TestProgram::run(&mut serve(server.url().as_str(), &[], "warn"), "");
        let written = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{written}");
        assert!(written.contains("permissions violation"), "{written}");
        assert!(written.contains("$JS.API.>") && written.contains("_INBOX.>"), "{written}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_that_can_lose_notifications_are_logged_at_the_start() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let mut hub = Program::start(server.url().as_str(), &["--keep-messages", "5"], "warn");
    assert_eq!(hub.publish("t", "hello").0, 200);
    assert!(!hub.end().contains("WARN"), "a stream that the server created has good settings");
    hub = Program::start(server.url().as_str(), &["--keep-messages", "6"], "warn");
    let line = hub.logs("WARN");
    assert!(line.contains("--keep-messages") && line.contains("nats stream edit"), "{line}");
    drop(hub);

    let server = LocalRedis::start(LocalConfig::default()).await.unwrap();
    let hub = Program::start(server.url().as_str(), &[], "warn");
    assert_eq!(hub.publish("t", "hello").0, 200);
    assert!(!hub.end().contains("WARN"));
    let flags = ["--appendonly", "no", "--maxmemory", "2gb", "--maxmemory-policy", "allkeys-lru"];
    let server = LocalRedis::start(settings(&flags)).await.unwrap();
    let mut hub = Program::start(server.url().as_str(), &[], "warn");
    hub.logs("allkeys-lru");
    hub.logs("append-only file");
}
