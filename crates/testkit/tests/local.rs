//! Servers of one's own start, answer, and come back where they were.

use tidings_testkit::{LocalConfig, LocalError, LocalNats, LocalNatsCluster, LocalRedis};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_comes_back_on_its_port() {
    let mut nats = LocalNats::start(LocalConfig::default()).await.unwrap();
    let (url, pid) = (nats.url(), nats.pid());
    nats.stop().await.unwrap();
    assert_eq!(nats.pid(), None);
    nats.start_again().await.unwrap();
    assert_eq!(nats.url(), url);
    assert_ne!(nats.pid(), pid);

    let mut redis = LocalRedis::start(LocalConfig::default()).await.unwrap();
    redis.kill().await.unwrap();
    redis.start_again().await.unwrap();
    assert!(redis.pid().is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn three_servers_find_a_leader() {
    let mut cluster = LocalNatsCluster::start(3, LocalConfig::default()).await.unwrap();
    assert_eq!(cluster.urls().len(), 3);
    cluster.kill(1).await.unwrap();
    cluster.start_again(1).await.unwrap();
}

#[tokio::test]
async fn a_program_that_is_missing_is_named_with_how_to_get_it() {
    let config = LocalConfig { program: Some("no-such-program".into()), ..LocalConfig::default() };
    let error = LocalNats::start(config).await.unwrap_err();
    assert!(matches!(error, LocalError::Missing { .. }));
    assert!(error.to_string().contains("apt-get install"));
}
