//! `subscribe`, `publish` and `compare --url` against remote servers: with TLS and a path prefix, with credentials,
//! silent, or moved by a redirect.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;

use rcgen::{CertificateParams, KeyPair};
use tidings_testkit::{COMPARE_LIMIT, LIMIT, TestProgram};
use tokio::io::{AsyncReadExt, AsyncWriteExt, split};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

const TOKEN: &str = "s3cret-token";

fn tidings(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(args).env_remove("TIDINGS_TOKEN");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs the program with this input and returns its exit code, standard output and standard error.
fn run(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let limit = if args[0] == "compare" { COMPARE_LIMIT } else { LIMIT };
    let output = TestProgram::run_within(limit, &mut tidings(args), input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// Starts the program and reads the first line of its output.
fn first_line(args: &[&str]) -> (TestProgram, String) {
    let mut program = TestProgram::start(&mut tidings(args));
    let line = program.line();
    (program, line)
}

/// A server behind a reverse proxy that terminates TLS, serves below `/app` and requires a token.
struct Deployment {
    _hub: TestProgram,
    /// The server's address at the proxy.
    url: String,
    /// A file with the authority of the proxy's certificate.
    ca: PathBuf,
}

impl Deployment {
    fn start(name: &str) -> Self {
        let (hub, line) = first_line(&["serve", "--listen", "127.0.0.1:0"]);
        let address = line.strip_prefix("listening on http://").unwrap().to_owned();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(["localhost".to_owned()]).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let ca = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.pem"));
        std::fs::write(&ca, certificate.pem()).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        // The proxy edits the requests, which must be text for that.
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}/app", listener.local_addr().unwrap().port());
        listener.set_nonblocking(true).unwrap();
        thread::spawn(move || proxy(listener, &TlsAcceptor::from(Arc::new(config)), &address));
        Self { _hub: hub, url, ca }
    }

    fn topic(&self) -> String {
        format!("{}/topics/greetings", self.url)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn proxy(listener: TcpListener, acceptor: &TlsAcceptor, hub: &str) {
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let (acceptor, hub) = (acceptor.clone(), hub.to_owned());
        tokio::spawn(async move {
            // The handshake fails if the client does not trust the certificate.
            let Ok(client) = acceptor.accept(client).await else { return };
            let hub = TcpStream::connect(hub).await.unwrap();
            let (mut from_client, mut to_client) = split(client);
            let (mut from_hub, mut to_hub) = hub.into_split();
            let upwards = async move {
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    let read = from_client.read(&mut buffer).await.unwrap_or(0);
                    let bytes = buffer.get(..read).filter(|bytes| !bytes.is_empty())?;
                    let text = String::from_utf8_lossy(bytes);
                    // Our clients write each request head at once. Anything else is a body or a frame.
                    if !text.contains(" HTTP/1.1\r\n") {
                        to_hub.write_all(bytes).await.ok()?;
                        continue;
                    }
                    if !text.contains(&format!("authorization: Bearer {TOKEN}\r\n")) {
                        return Some(text.into_owned());
                    }
                    let request = text.replacen(" /app/", " /", 1);
                    to_hub.write_all(request.as_bytes()).await.ok()?;
                }
            };
            tokio::select! {
                rejected = upwards => if let Some(request) = rejected {
                    // Like a server that includes the request in its error.
                    let length = request.len();
                    let answer = format!(
                        "HTTP/1.1 401 Unauthorized\r\nContent-Length: {length}\r\n\r\n{request}"
                    );
                    let _ = to_client.write_all(answer.as_bytes()).await;
                },
                _ = tokio::io::copy(&mut from_hub, &mut to_client) => {}
            }
            let _ = to_client.shutdown().await;
        });
    }
}

#[test]
fn a_publish_reaches_subscribers_of_each_transport_through_a_tls_proxy() {
    let deployment = Deployment::start("subscribers");
    let (topic, ca) = (deployment.topic(), deployment.ca.to_str().unwrap());
    let with = ["--ca", ca, "--token", TOKEN];
    let publish = |text| {
        let (code, id, error) = run(&[&["publish", &topic][..], &with].concat(), text);
        assert_eq!(code, Some(0), "{error}");
        id.trim_end().to_owned()
    };
    let first = publish("one\n");
    publish("two\n");
    for transport in ["websocket", "sse", "long-polling"] {
        let args = ["subscribe", &topic, "--transport", transport, "--after", &first];
        let (_subscriber, line) = first_line(&[&args[..], &with].concat());
        assert_eq!(line, "two", "{transport}");
    }
    // The same with `wss`, with a header instead of the token, and with the environment variable.
    let wss = topic.replace("https://", "wss://");
    let header = format!("Authorization: Bearer {TOKEN}");
    let args = ["subscribe", &wss, "--after", &first, "--ca", ca, "-H", &header];
    assert_eq!(first_line(&args).1, "two");
    let mut publish = tidings(&["publish", &topic, "--ca", ca]);
    let publish = TestProgram::run(publish.env("TIDINGS_TOKEN", TOKEN), "three");
    assert!(publish.status.success());
}

#[test]
fn compare_measures_a_running_server() {
    let (_server, line) = first_line(&["serve", "--listen", "127.0.0.1:0"]);
    let url = line.strip_prefix("listening on ").unwrap();
    let size = ["--clients", "2", "--rounds", "1", "--seconds", "0.2", "--rate", "100"];
    let (code, table, error) = run(&[&["compare", "--url", url][..], &size].concat(), "");
    assert_eq!(code, Some(0), "{error}{table}");
    for transport in ["WebSocket", "SSE", "long-polling"] {
        assert!(table.contains(transport), "{table}");
    }
}

#[test]
fn compare_sends_the_token_below_the_path_and_never_prints_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/app", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut head = [0; 4096];
                let read = stream.read(&mut head).unwrap_or(0);
                let text = String::from_utf8_lossy(&head[..read]).into_owned();
                let is_right = text.contains(" /app/topics/compare.")
                    || text.contains(" /app/topics/rehearsal.");
                let has_token = text.contains(&format!("authorization: Bearer {TOKEN}\r\n"));
                let status = if is_right && has_token { 401 } else { 418 };
                let response = format!("HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n");
                let _ = stream.write_all(response.as_bytes());
            });
        }
    });
    let (code, _, error) = run(&["compare", "--url", &url, "--token", TOKEN, "--quick"], "");
    assert_eq!(code, Some(1));
    assert!(error.contains("401") && !error.contains("s3cret"), "{error}");
    let (code, _, error) = run(&["compare", "--url", "https://u:s3cret@localhost/"], "");
    assert_eq!(code, Some(2));
    assert!(error.contains("without TLS") && !error.contains("s3cret"), "{error}");
}

#[test]
fn an_error_about_rejected_credentials_does_not_contain_them() {
    let deployment = Deployment::start("rejected");
    let (topic, ca) = (deployment.topic(), deployment.ca.to_str().unwrap());
    let with_user = topic.replace("https://", "https://ann:s3cret-password@");
    for (url, more) in [
        (&topic, &["--token", "s3cret-wrong"][..]),
        (&topic, &["-H", "X-Api-Key: s3cret-key"]),
        (&with_user, &[]),
    ] {
        for command in ["publish", "subscribe"] {
            let args = [&[command, url.as_str(), "--ca", ca][..], more].concat();
            let (code, _, error) = run(&args, "x");
            assert_eq!(code, Some(1), "{error}");
            assert!(error.contains("401 Unauthorized"), "{error}");
            assert!(!error.contains("s3cret") && !error.contains("YW5uOn"), "{error}");
        }
    }
    // The same if the certificate is not trusted, because --ca is missing.
    let (code, _, error) = run(&["publish", &topic, "--token", "s3cret-wrong"], "x");
    assert_eq!(code, Some(1));
    assert!(error.contains("the certificate of localhost:"), "{error}");
    assert!(error.contains("--ca FILE") && !error.contains("s3cret"), "{error}");
}

#[test]
fn credentials_do_not_follow_a_redirect_to_another_server() {
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let elsewhere = format!("http://{}/topics/t", other.local_addr().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/topics/t", listener.local_addr().unwrap());
    let answer = format!(
        "HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
    );
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    for command in ["publish", "subscribe"] {
        let (code, _, error) = run(&[command, &url, "--token", TOKEN], "x");
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(&elsewhere), "{error}");
    }
    other.set_nonblocking(true).unwrap();
    assert!(other.accept().is_err(), "the redirect was followed");
}

#[test]
fn a_server_that_accepts_and_never_answers_is_given_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/topics/t", listener.local_addr().unwrap());
    // The kernel accepts the connections, and nothing reads from them.
    let subscribers = ["websocket", "sse", "long-polling"].map(|transport| {
        TestProgram::start(&mut tidings(&["subscribe", &url, "--transport", transport]))
    });
    let (code, _, error) = run(&["publish", &url], "x");
    assert_eq!(code, Some(1));
    assert!(error.contains("the server is silent"), "{error}");
    for mut subscriber in subscribers {
        let line = subscriber.log_line().unwrap();
        assert!(line.contains("the server is silent") && line.contains("retrying in"), "{line}");
        assert!(!line.contains("retrying in 0.0"), "{line}");
    }
}

#[test]
fn errors_about_a_wrong_scheme_and_binary_input_contain_the_solution() {
    let (_hub, line) = first_line(&["serve", "--listen", "127.0.0.1:0"]);
    let topic = |scheme: &str| line.trim_end().replace("listening on http", scheme) + "/topics/t";
    let (code, _, error) = run(&["publish", &topic("https")], "x");
    assert!(code == Some(1) && error.contains("use http:// in place of https://"), "{error}");

    let output = TestProgram::run(&mut tidings(&["publish", &topic("http")]), b"ab\xff");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(error.contains("not UTF-8 at byte 2, publish it with --binary"), "{error}");
}

#[test]
fn wrong_arguments_of_every_command_exit_with_2() {
    let url = "http://127.0.0.1:1/topics/t";
    for wrong in [
        &["publish", "127.0.0.1:1/topics/t"][..],
        &["publish", "localhost:1/topics/t"],
        &["publish", "ftp://127.0.0.1/topics/t"],
        &["publish", "http://127.0.0.1:99999/topics/t"],
        &["publish", url, "-H", "no colon"],
        &["publish", url, "-H", "Content-Length: 1"],
        &["publish", url, "--token", "two\nlines"],
        &["publish", url, "--event", "gap"],
        &["publish", url, "--event", "two words"],
        &["publish", url, "--content-type", "json"],
        &["publish", url, "--time", "tomorrow"],
        &["publish", url, "--ndjson", "--event", "news"],
        &["publish", url, "--ndjson", "--content-type", "text/plain"],
        &["publish", url, "--ndjson", "--time", "now"],
        &["publish", url, "--ndjson", "--binary"],
        &["publish", url, "--ndjson", "--raw"],
        &["publish", url, "--ndjson", "--idempotency-key", "k"],
        &["publish", url, "--ca", "/no/such/file"],
        &["publish", url, "--ca", "/dev/null"],
        &["subscribe", "127.0.0.1:1/topics/t"],
        &["subscribe", "http://", "--transport", "sse"],
        &["subscribe", "http://127.0.0.1:1"],
        &["subscribe", "ws://127.0.0.1:1/"],
        &["subscribe", url, "-H", "Connection: close"],
        &["subscribe", url, "--http2-prior-knowledge"],
        &["compare", "--url", "127.0.0.1:1"],
        &["compare", "--url", "http://"],
        &["compare", "--token", "without-url"],
        &["compare", "--rate", "0"],
        &["compare", "--rate", "1e300"],
        &["compare", "--payload", "1"],
        &["compare", "--rounds", "0"],
        &["compare", "--seconds", "1e9"],
        &["serve", "--listen", "foo"],
        &["serve", "--listen", ":8080"],
        &["serve", "--listen", "127.0.0.1:99999"],
        &["serve", "--workers", "0"],
        &["serve", "--workers", "100000"],
        &["serve", "--retain", "0"],
        &["serve", "--heartbeat", "1e9"],
    ] {
        let (code, _, error) = run(wrong, "x");
        assert_eq!(code, Some(2), "{wrong:?}: {error}");
        assert!(!error.is_empty());
    }
    let (_, _, error) = run(&["subscribe", "localhost:8080/topics/t"], "");
    assert!(error.contains("expected http://localhost:8080/topics/t"), "{error}");
    let (_, _, error) = run(&["subscribe", "http://ann:pass@127.0.0.1:1/"], "");
    let expected =
        r#"invalid URL "http://127.0.0.1:1/": no topic, expected http://127.0.0.1:1/topics/NAME"#;
    assert!(error.contains(expected), "{error}");
    let (_, _, error) = run(&["subscribe", url, "--http2-prior-knowledge"], "");
    assert!(error.contains("choose --transport sse or long-polling"), "{error}");
    let (_, _, error) = run(&["publish", url, "--ndjson", "--event", "news"], "");
    let conflict = "the argument '--ndjson' cannot be used with '--event <NAME>'";
    assert!(error.contains(conflict), "{error}");
}
