//! Rejections: by a broker, or by this crate. The error names the problem and the remedy.

use std::time::Duration;

use async_nats::jetstream;
use tidings_core::broker::Start;
use tidings_core::{BrokerError, Notification};
use tidings_message_queue::{BrokerConfig, Keep, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};
use tokio::time::timeout;

/// How long it may take until connecting to a missing broker fails. It must hold on a machine that is many times
/// slower.
const SOON: Duration = Duration::from_secs(120);

fn rejection<T: std::fmt::Debug>(result: Result<T, BrokerError>) -> String {
    match result {
        Err(BrokerError::Rejected { problem, .. }) => problem,
        other => panic!("not rejected: {other:?}"),
    }
}

#[tokio::test]
async fn a_url_of_no_broker_is_rejected_with_the_valid_schemes() {
    let problem = rejection(connect("http://127.0.0.1:1", BrokerConfig::default()).await);
    assert!(problem.contains("nats://") && problem.contains("redis://"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_away_in_bounded_time() {
    for url in ["nats://127.0.0.1:1", "redis://127.0.0.1:1"] {
        let connecting = connect(url, BrokerConfig::default());
        let error = timeout(SOON, connecting).await.expect("it fails in time").unwrap_err();
        assert!(matches!(error, BrokerError::Away { .. }), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_cannot_be_the_log_is_rejected_and_not_changed() {
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
    let problem = rejection(connect(server.url().as_str(), BrokerConfig::default()).await);
    assert!(problem.contains("retention") && problem.contains("?stream="), "{problem}");

    // The operator may choose other limits.
    let fit = jetstream::stream::Config {
        name: "news".into(),
        subjects: vec!["news.>".into()],
        max_messages: 2,
        ..Default::default()
    };
    jetstream.create_stream(fit).await.unwrap();
    let url = format!("{}?stream=news", server.url());
    let broker = connect(&url, BrokerConfig::default()).await.unwrap();
    for _ in 0..4 {
        broker.publish(Notification::text("a".parse().unwrap(), "x"), None).await.unwrap();
    }
    let tail = broker.tail(Start::Newest(9)).await.unwrap();
    assert_eq!((tail.floor, tail.head), (2, 4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_error_of_a_full_redis_is_that_of_redis() {
    let settings = ["--maxmemory", "3mb", "--maxmemory-policy", "noeviction"];
    let settings = settings.map(str::to_owned).to_vec();
    let config = LocalConfig { settings, ..LocalConfig::default() };
    let server = LocalRedis::start(config).await.unwrap();
    let broker = connect(server.url().as_str(), BrokerConfig::default()).await.unwrap();
    let mut last = Ok(());
    for _ in 0..100 {
        let large = Notification::text("a".parse().unwrap(), "x".repeat(100_000));
        if let Err(error) = broker.publish(large, None).await {
            last = Err(error);
            break;
        }
    }
    let problem = rejection(last);
    assert!(problem.contains("OOM") && problem.contains("maxmemory"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_setting_that_the_log_cannot_have_is_rejected_with_a_remedy() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let client = async_nats::connect(server.url().as_str()).await.unwrap();
    let jetstream = jetstream::new(client);
    let source = jetstream::stream::Source { name: "origin".into(), ..Default::default() };
    let plain = |name: &str| jetstream::stream::Config {
        name: name.into(),
        subjects: vec![format!("{name}.>")],
        ..Default::default()
    };
    jetstream.create_stream(plain("origin")).await.unwrap();
    let cases = [
        (
            jetstream::stream::Config {
                discard: jetstream::stream::DiscardPolicy::New,
                max_messages: 5,
                ..plain("full")
            },
            "discard",
        ),
        (
            jetstream::stream::Config {
                subjects: Vec::new(),
                mirror: Some(source.clone()),
                ..plain("mirror")
            },
            "mirror",
        ),
        (jetstream::stream::Config { sources: Some(vec![source]), ..plain("copy") }, "sources"),
        (jetstream::stream::Config { max_messages_per_subject: 1, ..plain("last") }, "subject"),
        (jetstream::stream::Config { no_ack: true, ..plain("mute") }, "no_ack"),
        (
            jetstream::stream::Config {
                retention: jetstream::stream::RetentionPolicy::Interest,
                ..plain("interest")
            },
            "interest",
        ),
    ];
    for (config, expected) in cases {
        let name = config.name.clone();
        jetstream.create_stream(config).await.unwrap();
        let url = format!("{}?stream={name}", server.url());
        let problem = rejection(connect(&url, BrokerConfig::default()).await);
        assert!(problem.contains(expected) && problem.contains("?stream="), "{name}: {problem}");
    }
    jetstream.create_stream(plain("sealed")).await.unwrap();
    let sealed = jetstream::stream::Config { sealed: true, ..plain("sealed") };
    jetstream.update_stream(sealed).await.unwrap();
    let url = format!("{}?stream=sealed", server.url());
    let problem = rejection(connect(&url, BrokerConfig::default()).await);
    assert!(problem.contains("sealed"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publish_to_a_full_stream_is_rejected_and_not_retried() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let broker = connect(server.url().as_str(), BrokerConfig::default()).await.unwrap();
    let publish = || broker.publish(Notification::text("a".parse().unwrap(), "x"), None);
    publish().await.unwrap();
    // The operator changes it while a hub uses it.
    let client = async_nats::connect(server.url().as_str()).await.unwrap();
    let full = jetstream::stream::Config {
        name: "tidings".into(),
        subjects: vec!["tidings.>".into()],
        discard: jetstream::stream::DiscardPolicy::New,
        max_messages: 1,
        ..Default::default()
    };
    jetstream::new(client).update_stream(full).await.unwrap();
    let problem = rejection(publish().await);
    assert!(problem.contains("maximum messages") && problem.contains("discard"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_with_too_few_consumers_is_named_in_the_error() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let client = async_nats::connect(server.url().as_str()).await.unwrap();
    let few = jetstream::stream::Config {
        name: "tidings".into(),
        subjects: vec!["tidings.>".into()],
        max_consumers: 1,
        ..Default::default()
    };
    jetstream::new(client).create_stream(few).await.unwrap();
    let broker = connect(server.url().as_str(), BrokerConfig::default()).await.unwrap();
    let _tail = broker.tail(Start::Newest(1)).await.unwrap();
    let problem = rejection(broker.tail(Start::Newest(1)).await);
    assert!(problem.contains("max_consumers"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_that_is_too_large_for_its_server_is_rejected_with_the_flag() {
    let server = LocalNats::start(LocalConfig::default()).await.unwrap();
    let keep = Keep::default().bytes(Some(1 << 60));
    let config = BrokerConfig::default().keep(keep);
    let problem = rejection(connect(server.url().as_str(), config).await);
    assert!(problem.contains("--keep-bytes"), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redis_with_a_key_of_another_type_is_rejected() {
    let server = LocalRedis::start(LocalConfig::default()).await.unwrap();
    let client = redis::Client::open(server.url().as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let _: () = redis::cmd("SET")
        .arg("{tidings}:log")
        .arg("mine")
        .query_async(&mut connection)
        .await
        .unwrap();
    let problem = rejection(connect(server.url().as_str(), BrokerConfig::default()).await);
    assert!(problem.contains("WRONGTYPE") && problem.contains("?stream="), "{problem}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_of_redis_is_away_until_it_is_a_master() {
    let server = LocalRedis::start(LocalConfig::default()).await.unwrap();
    let client = redis::Client::open(server.url().as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut follow = redis::cmd("REPLICAOF");
    let _: () = follow.arg("127.0.0.1").arg(1).query_async(&mut connection).await.unwrap();
    let error = connect(server.url().as_str(), BrokerConfig::default()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Away { .. }), "{error}");
    assert!(error.to_string().contains("replica"), "{error}");
    let mut lead = redis::cmd("REPLICAOF");
    let _: () = lead.arg("NO").arg("ONE").query_async(&mut connection).await.unwrap();
    connect(server.url().as_str(), BrokerConfig::default()).await.unwrap();
}
