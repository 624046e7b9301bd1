//! Servers that require a login, encrypted and not.

#[path = "login/certificates.rs"]
mod certificates;
#[path = "login/jwt.rs"]
mod jwt;

use futures::StreamExt;
use redis::cmd;
use tidings_core::broker::Start;
use tidings_core::{BrokerError, Notification};
use tidings_message_queue::{BrokerConfig, connect};
use tidings_testkit::{LocalConfig, LocalNats, LocalRedis};

use self::certificates::Certificates;

/// A password with every character that must be percent-encoded in a URL.
const PASSWORD: &str = "s3cret@:/?#,%";
const ENCODED: &str = "s3cret%40%3A%2F%3F%23%2C%25";

async fn nats(settings: &[String]) -> LocalNats {
    let config = LocalConfig { settings: settings.to_vec(), ..LocalConfig::default() };
    LocalNats::start(config).await.unwrap()
}

/// Starts Redis. Each word of a setting is a separate argument.
async fn redis(settings: &[&str]) -> LocalRedis {
    let words = settings.iter().flat_map(|setting| setting.split(' '));
    let settings = words.map(str::to_owned).collect();
    LocalRedis::start(LocalConfig { settings, ..LocalConfig::default() }).await.unwrap()
}

/// `HOST:PORT` of a URL.
fn host(url: &url::Url) -> String {
    format!("{}:{}", url.host_str().unwrap(), url.port().unwrap())
}

/// Asserts that a notification which is published through this URL arrives.
async fn works(url: &str) {
    let broker = connect(url, BrokerConfig::default()).await;
    let broker = broker.unwrap_or_else(|error| panic!("{url}: {error}"));
    let mut tail = broker.tail(Start::Newest(0)).await.unwrap();
    broker.publish(Notification::text("a".parse().unwrap(), "hello"), None).await.unwrap();
    let stored = tail.arrivals.next().await.unwrap().unwrap();
    assert_eq!(stored.notification.unwrap().as_text(), Some("hello"), "{url}");
}

/// Asserts that the connection is rejected, and that the error contains the hint and not the secret.
async fn is_rejected(url: &str, hint: &str) {
    let error = connect(url, BrokerConfig::default()).await.unwrap_err();
    assert!(matches!(error, BrokerError::Rejected { .. }), "{url}: {error}");
    let printed = format!("{error} {error:?}");
    assert!(printed.contains(hint) && !printed.contains("s3cret"), "{url}: {printed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_lets_a_user_in_with_the_password_of_the_url() {
    let settings = [format!("authorization {{ user: \"h@b\", password: {PASSWORD:?} }}")];
    let server = nats(&settings).await;
    let host = host(&server.url());
    works(&format!("nats://h%40b:{ENCODED}@{host}")).await;
    // The first of several servers does not respond. Its login is used for all of them.
    works(&format!("nats://h%40b:{ENCODED}@127.0.0.1:1,nats://{host}")).await;
    works(&format!("nats://other:s3cret@127.0.0.1:1,h%40b:{ENCODED}@{host}?stream=news")).await;
    // A login of the second host only may be half of a login with a bare comma. It is not sent to the first host.
    is_rejected(&format!("nats://127.0.0.1:1,h%40b:s3cret@{host}"), "first host").await;
    is_rejected(&format!("nats://{host}"), "USER:PASSWORD@").await;
    is_rejected(&format!("nats://h%40b:s3cret@{host}"), "USER:PASSWORD@").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_lets_in_with_a_token() {
    let server = nats(&[format!("authorization {{ token: {PASSWORD:?} }}")]).await;
    let host = host(&server.url());
    works(&format!("nats://{ENCODED}@{host}")).await;
    is_rejected(&format!("nats://s3cret@{host}"), "TOKEN@").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_lets_in_with_a_credentials_file() {
    let identity = jwt::Identity::new();
    let server = nats(&identity.settings).await;
    let host = host(&server.url());
    works(&format!("nats://{host}?creds={}", identity.credentials.display())).await;
    is_rejected(&format!("nats://{host}"), "creds=FILE").await;
    is_rejected(&format!("nats://{host}?creds=/nowhere.creds"), "/nowhere.creds").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nats_is_reached_encrypted_with_a_certificate_of_the_client() {
    let certificates = Certificates::new();
    let [ca, server_cert, server_key, cert, key] = certificates.paths();
    let settings = [format!(
        "tls {{ cert_file: {server_cert:?}, key_file: {server_key:?}, ca_file: {ca:?}, verify: true }}"
    )];
    let server = nats(&settings).await;
    let host = host(&server.url());
    let files = format!("ca={}&cert={}&key={}", ca.display(), cert.display(), key.display());
    works(&format!("tls://{host}?{files}")).await;
    // The server requires TLS.
    works(&format!("nats://{host}?stream=news&{files}")).await;
    let error = connect(&format!("tls://{host}"), BrokerConfig::default()).await.unwrap_err();
    assert!(error.to_string().contains("ca=FILE"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_lets_a_user_in_with_the_password_of_the_url() {
    let user = format!("hub on >{PASSWORD} ~{{tidings}}:* ~{{news}}:* +@all");
    let server = redis(&["--user", &user, "--user", "default on nopass -@all +info +quit"]).await;
    let host = host(&server.url());
    works(&format!("redis://hub:{ENCODED}@{host}")).await;
    works(&format!("redis://hub:{ENCODED}@{host}/3?stream=news")).await;
    is_rejected(&format!("redis://{host}"), "NOPERM").await;
    is_rejected(&format!("redis://hub:s3cret@{host}"), "USER:PASSWORD@").await;
    is_rejected(&format!("redis://hub:{ENCODED}@{host}?stream=other"), "NOPERM").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_lets_in_with_the_password_of_the_default_user() {
    let server = redis(&[]).await;
    let client = redis::Client::open(server.url().as_str()).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let mut set = cmd("CONFIG");
    set.arg("SET").arg("requirepass").arg(PASSWORD);
    let _: () = set.query_async(&mut connection).await.unwrap();
    let host = host(&server.url());
    works(&format!("redis://:{ENCODED}@{host}")).await;
    works(&format!("redis://{ENCODED}@{host}?stream=news")).await;
    works(&format!("redis://default:{ENCODED}@{host}?stream=more")).await;
    is_rejected(&format!("redis://{host}"), ":PASSWORD@").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_reached_encrypted_with_a_certificate_of_the_client() {
    let certificates = Certificates::new();
    let [ca, server_cert, server_key, cert, key] = certificates.paths();
    let text = |path: &std::path::Path| path.display().to_string();
    let (ca, cert, key) = (text(ca), text(cert), text(key));
    // A port that was free a moment ago. The other port of the server is for checks of whether it is ready.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = redis(&[
        "--tls-port",
        &port.to_string(),
        "--tls-cert-file",
        &text(server_cert),
        "--tls-key-file",
        &text(server_key),
        "--tls-ca-cert-file",
        &ca,
    ])
    .await;
    works(&format!("rediss://127.0.0.1:{port}?ca={ca}&cert={cert}&key={key}")).await;
    let error = connect(&format!("rediss://127.0.0.1:{port}"), BrokerConfig::default()).await;
    assert!(error.as_ref().unwrap_err().to_string().contains("ca=FILE"), "{error:?}");
}
