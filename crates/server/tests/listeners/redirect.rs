//! Requests through plain listeners are redirected to https if the server is configured so.

use tidings_core::Hub;
use tidings_server::{ServeBy, Server};

use crate::support::{Raw, in_time};

/// The status and the location of the responses to these requests over TCP. Asserts that a request through a Unix
/// socket is not redirected.
async fn answers(serve_by: ServeBy, port: u16, requests: &[String]) -> Vec<(u16, String)> {
    let server = Server::builder(Hub::default()).serve_by(serve_by);
    let server = server.configure(|config| config.redirect_to_https = Some(port));
    let server = server.bind("127.0.0.1:0").await.unwrap();
    #[cfg(unix)]
    let folder = tempfile::tempdir().unwrap();
    #[cfg(unix)]
    let server = server.bind_unix(folder.path().join("socket")).unwrap();
    let address = server.local_addrs()[0];
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    let mut answers = Vec::new();
    for request in requests {
        let answer = Raw::request(address, request).await;
        answers.push((answer.status, answer.header("location").unwrap_or_default().to_owned()));
    }
    #[cfg(unix)]
    {
        let socket = tokio::net::UnixStream::connect(folder.path().join("socket")).await;
        let mut raw = Raw::over(socket.unwrap());
        raw.send("GET /transports HTTP/1.1\r\nHost: a.example\r\n\r\n").await;
        assert_eq!(raw.answer().await.status, 200, "a proxy has TLS");
    }
    stop.send(()).unwrap();
    serving.await.unwrap().unwrap();
    answers
}

#[tokio::test]
async fn all_but_health_checks_are_redirected_to_the_same_path() {
    let get = |path: &str, host: &str| format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    let chunked = "Transfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let requests = [
        get("/", "localhost:8080"),
        get("/topics/a?after=earliest&x=%20", "[::1]:8080"),
        get("http://127.0.0.1:80/metrics", "localhost"),
        "POST /topics/a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\nhi".to_owned(),
        format!("POST /topics/a HTTP/1.1\r\nHost: localhost\r\n{chunked}"),
        get("/healthz", "localhost"),
        get("/readyz", "localhost"),
        get("/", "evil.example"),
        "GET / HTTP/1.0\r\n\r\n".to_owned(),
    ];
    let expected = |port: &str| {
        let redirect = |host: &str, path: &str| (308, format!("https://{host}{port}{path}"));
        let other = |status| (status, String::new());
        vec![
            redirect("localhost", "/"),
            redirect("[::1]", "/topics/a?after=earliest&x=%20"),
            redirect("127.0.0.1", "/metrics"),
            redirect("localhost", "/topics/a"),
            redirect("localhost", "/topics/a"),
            other(200),
            other(200),
            other(421),
            other(400),
        ]
    };
    for serve_by in [ServeBy::Lanes, ServeBy::GeneralPath] {
        assert_eq!(answers(serve_by, 443, &requests).await, expected(""));
        assert_eq!(answers(serve_by, 8443, &requests).await, expected(":8443"));
    }
}

#[tokio::test]
async fn a_redirect_to_the_listener_with_tls_needs_one() {
    let server = Server::builder(Hub::default());
    let server = server.configure(|config| config.redirect_to_https = Some(0));
    let server = server.bind("127.0.0.1:0").await.unwrap();
    let error = in_time(server.serve(std::future::pending())).await.unwrap_err();
    assert!(error.to_string().contains("bind_tls"), "{error}");
}
