//! Local servers start, respond, and can be started again on the same port.

use tidings_testkit::{LocalConfig, LocalError, LocalNats, LocalNatsCluster, LocalRedis};

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_started_again_has_the_same_port() {
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
async fn the_error_of_a_missing_program_names_the_package() {
    let config = LocalConfig { program: Some("no-such-program".into()), ..LocalConfig::default() };
    let error = LocalNats::start(config).await.unwrap_err();
    assert!(matches!(error, LocalError::Missing { .. }));
    assert!(error.to_string().contains("apt-get install"));
}
