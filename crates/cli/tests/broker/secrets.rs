//! The password in the URL of the broker is in no log and no error, at every log level and after every failure.

use tidings_testkit::{LocalConfig, LocalNats, LocalRedis, TestProgram};

use super::program::{Program, serve};

const LOG: &str = "trace,async_nats=trace,redis=trace";

fn has_no_secret(written: &str) {
    let line = written.lines().find(|line| line.to_lowercase().contains("s3cret"));
    assert_eq!(line, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_logs_everything_logs_no_password() {
    let settings = vec!["authorization { user: hub, password: s3cret }".to_owned()];
    let config = LocalConfig { settings, ..LocalConfig::default() };
    let mut nats = LocalNats::start(config).await.unwrap();
    let users = "--user default on nopass -@all +info +quit --user hub on >s3cret ~* +@all";
    let settings = users.split(' ').map(str::to_owned).collect();
    let mut redis =
        LocalRedis::start(LocalConfig { settings, ..LocalConfig::default() }).await.unwrap();

    let url = |url: url::Url| url.as_str().replace("://", "://hub:s3cret@");
    let mut hub = Program::start(&url(nats.url()), &[], LOG);
    assert_eq!(hub.publish("t", "hello").0, 200);
    nats.kill().await.unwrap();
    hub.logs("broker stream ended");
    nats.start_again().await.unwrap();
    hub.publishes("t");
    has_no_secret(&hub.end());

    let mut hub = Program::start(&url(redis.url()), &[], LOG);
    assert_eq!(hub.publish("t", "hello").0, 200);
    redis.kill().await.unwrap();
    hub.logs("broker stream ended");
    redis.start_again().await.unwrap();
    hub.publishes("t");
    has_no_secret(&hub.end());

    // Both servers reject a wrong password.
    for url in [url(nats.url()), url(redis.url())] {
        let wrong = url.replace("s3cret", "wrong-s3cret");
        let output = TestProgram::run(&mut serve(&wrong, &[], LOG), "");
        let written = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{written}");
        assert!(written.contains("USER:PASSWORD@"), "{written}");
        has_no_secret(&written);
    }
}

#[test]
fn a_url_that_is_wrong_is_not_printed() {
    for url in [
        "nats://hub:s3cret@127.0.0.1?colour=red",
        "nats://hub:s3cret/x@127.0.0.1",
        "http://hub:s3cret@127.0.0.1",
        "redis://hub:s3cret@127.0.0.1/x",
        "hub:s3cret@127.0.0.1",
    ] {
        let output = TestProgram::run(&mut serve(url, &[], "warn"), "");
        let written = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{written}");
        assert!(written.contains("--broker"), "{written}");
        has_no_secret(&written);
    }
}
