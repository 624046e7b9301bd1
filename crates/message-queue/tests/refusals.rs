//! What an engine, or we, will not do, and that it says so.

use std::time::Duration;

use async_nats::jetstream;
use tidings_core::{BrokerError, Notification, Start};
use tidings_message_queue::local::{LocalConfig, LocalNats, LocalRedis};
use tidings_message_queue::{EngineConfig, connect};
use tokio::time::timeout;

/// How long connecting to an engine that is not there may take, on a machine that is many times slower as well.
const SOON: Duration = Duration::from_secs(120);

fn refusal<T: std::fmt::Debug>(result: Result<T, BrokerError>) -> String {
    match result {
        Err(BrokerError::Refused { problem, .. }) => problem,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_url_of_no_engine_is_refused_with_those_that_are() {
    let problem = refusal(connect("http://127.0.0.1:1", EngineConfig::default()).await);
    assert!(problem.contains("nats://") && problem.contains("redis://"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_is_not_there_is_away_in_bounded_time() {
    for url in ["nats://127.0.0.1:1", "redis://127.0.0.1:1"] {
        let connecting = connect(url, EngineConfig::default());
        let error = timeout(SOON, connecting).await.expect("it does not wait").unwrap_err();
        assert!(matches!(error, BrokerError::Away { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_unfit_is_refused_and_left_alone() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let client = async_nats::connect(server.url().as_str()).await.unwrap();
    let jetstream = jetstream::new(client);
    let unfit = jetstream::stream::Config {
        name: "tidings".into(),
        subjects: vec!["tidings.>".into()],
        retention: jetstream::stream::RetentionPolicy::WorkQueue,
        ..Default::default()
    };
    jetstream.create_stream(unfit).await.unwrap();
    let problem = refusal(connect(server.url().as_str(), EngineConfig::default()).await);
    assert!(problem.contains("retention") && problem.contains("?stream="), "{problem}");

    // Other limits are its operator's to choose.
    let fit = jetstream::stream::Config {
        name: "news".into(),
        subjects: vec!["news.>".into()],
        max_messages: 2,
        ..Default::default()
    };
    jetstream.create_stream(fit).await.unwrap();
    let url = format!("{}?stream=news", server.url());
    let broker = connect(&url, EngineConfig::default()).await.unwrap();
    for _ in 0..4 {
        broker.publish(Notification::text("a".parse().unwrap(), "x"), None).await.unwrap();
    }
    let tail = broker.tail(Start::Newest(9)).await.unwrap();
    assert_eq!((tail.floor, tail.head), (2, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_that_is_full_refuses_in_its_own_words() {
    let settings = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"];
    let settings = settings.map(str::to_owned).to_vec();
    let config = LocalConfig { settings, ..LocalConfig::default() };
    let server = LocalRedis::start(config).await.unwrap();
    let broker = connect(server.url().as_str(), EngineConfig::default()).await.unwrap();
    let mut last = Ok(());
    for _ in 0..100 {
        let large = Notification::text("a".parse().unwrap(), "x".repeat(100_000));
        if let Err(error) = broker.publish(large, None).await {
            last = Err(error);
            break;
        }
    }
    let problem = refusal(last);
    assert!(problem.contains("OOM"), "{problem}");
}
