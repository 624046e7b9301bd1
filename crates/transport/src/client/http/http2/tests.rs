use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Version};
use http_body_util::Full;
use tidings_core::Kind;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use crate::client::scripted::impatient;
use crate::client::{ClientError, ConnectOptions, Http, Publisher, Target, request};

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
/// `:status: 200`, and `:status: 400` (RFC 7541, appendix A).
const STATUS_200: u8 = 0x88;
const STATUS_400: u8 = 0x8c;

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

fn head(stream: u32, status: u8) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &[status])
}

fn response(stream: u32, status: u8, body: &str) -> Vec<u8> {
    [head(stream, status), frame(DATA, END_STREAM, stream, body.as_bytes())].concat()
}

fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &code.to_be_bytes())
}

fn goaway(last_stream: u32) -> Vec<u8> {
    frame(GOAWAY, 0, 0, &[last_stream.to_be_bytes(), [0; 4]].concat())
}

/// What a server sends on one connection: a reply to each `HEADERS` of the client. It closes after the reply that is
/// empty, and otherwise keeps the connection open.
type Replies = Vec<Vec<u8>>;

/// Starts a server with these connections.
async fn server(connections: Vec<Replies>) -> (Target, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/topics/a", listener.local_addr().unwrap());
    let served = tokio::spawn(async move {
        for replies in connections {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(serve(stream, replies));
        }
    });
    let mut options = (*impatient()).clone();
    options.limits.connect = Duration::from_secs(10);
    options.http2_prior_knowledge = true;
    (Target::new(url.parse().unwrap()).options(options), served)
}

async fn serve(mut stream: TcpStream, replies: Replies) {
    stream.read_exact(&mut [0; 24]).await.unwrap();
    stream.write_all(&frame(SETTINGS, 0, 0, &[])).await.unwrap();
    let mut replies = replies.into_iter();
    let mut head = [0; 9];
    while stream.read_exact(&mut head).await.is_ok() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        stream.read_exact(&mut payload).await.unwrap();
        if head[3] == HEADERS {
            match replies.next() {
                Some(reply) if reply.is_empty() => return,
                Some(reply) => stream.write_all(&reply).await.unwrap(),
                None => {}
            }
        }
    }
}

/// The target with time limits that no response exceeds.
fn patient(target: Target) -> Target {
    target.options(ConnectOptions::default().http2_prior_knowledge(true))
}

fn published(stream: u32, seq: u32) -> Vec<u8> {
    response(stream, STATUS_200, &format!("{{\"id\":\"e-{seq}\"}}"))
}

async fn publish(publisher: &mut Publisher) -> Result<u64, ClientError> {
    Ok(publisher.publish(Kind::Text, "tea".into()).await?.seq)
}

#[tokio::test]
async fn requests_are_streams_of_one_connection() {
    let (target, _) = server(vec![vec![published(1, 1), published(3, 2)]]).await;
    let mut publisher = Publisher::connect(patient(target)).await.unwrap();
    assert_eq!(publish(&mut publisher).await.unwrap(), 1);
    assert_eq!(publish(&mut publisher).await.unwrap(), 2);
}

#[tokio::test]
async fn a_request_has_the_scheme_the_authority_and_the_length() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    // Many times the window of a server, which is 64 KiB.
    let body = Bytes::from(vec![b'x'; 1_000_000]);
    let length = body.len();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let (request, mut respond) = connection.accept().await.unwrap().unwrap();
        let serving = async {
            let (head, mut body) = request.into_parts();
            let mut received = 0;
            while let Some(chunk) = body.data().await {
                received += chunk.as_ref().unwrap().len();
                body.flow_control().release_capacity(chunk.unwrap().len()).unwrap();
            }
            respond.send_response(http::Response::new(()), true).unwrap();
            (head, received)
        };
        let (served, _) = tokio::join!(serving, connection.accept());
        served
    });
    let mut options = ConnectOptions::default().bearer("t0ken").unwrap();
    options.http2_prior_knowledge = true;
    options.headers.insert("proxy-connection", "keep-alive".parse().unwrap());
    let url = format!("http://{address}/topics/a?after=e-1").parse().unwrap();
    let target = Target::new(url).options(options);
    let mut http = Http::connect(&target).await.unwrap();
    let mut post = request(&target.url).unwrap();
    *post.method_mut() = Method::POST;
    *post.body_mut() = Full::new(body);
    let response = http.send(post).await.unwrap();
    assert_eq!(response.version(), Version::HTTP_2);
    assert_eq!(http.whole(response.into_body(), 0).await.unwrap(), "");
    drop(http);
    let (head, received) = served.await.unwrap();
    assert_eq!(head.uri.to_string(), target.url.as_str());
    assert_eq!(head.headers["content-length"], length.to_string().as_str());
    assert_eq!(head.headers["authorization"], "Bearer t0ken");
    assert!(!head.headers.contains_key("host") && received == length, "{head:?}");
}

#[tokio::test]
async fn a_rejection_has_the_servers_message() {
    let text = r#"{"error":{"code":"bad","message":"no such day"}}"#;
    let (target, _) = server(vec![vec![response(1, STATUS_400, text)]]).await;
    let mut publisher = Publisher::connect(patient(target)).await.unwrap();
    let error = publish(&mut publisher).await.unwrap_err();
    assert!(error.to_string().ends_with("400 Bad Request: no such day"), "{error}");
    assert!(error.is_final());
}

#[tokio::test]
async fn a_server_that_is_silent_times_out() {
    const HEAD: &str = "the head of a response";
    const REST: &str = "the rest of a response";
    let half = [head(1, STATUS_200), frame(DATA, 0, 1, b"half")].concat();
    for (replies, waited_for) in
        [(vec![], HEAD), (vec![head(1, STATUS_200)], REST), (vec![half], REST)]
    {
        let (target, _) = server(vec![replies]).await;
        let mut http = Http::connect(&target).await.unwrap();
        let body = match http.send(request(&target.url).unwrap()).await {
            Ok(response) => http.whole(response.into_body(), 9).await.map(drop),
            Err(error) => Err(error),
        };
        let error = body.unwrap_err();
        assert!(error.to_string().ends_with(waited_for), "{error}");
        assert!(!error.is_final() && !http.check_open().await);
    }
}

#[tokio::test]
async fn a_publish_that_the_server_refused_is_sent_again_over_a_new_connection() {
    for refused in [reset(1, h2::Reason::REFUSED_STREAM.into()), goaway(0)] {
        let (target, _) = server(vec![vec![refused], vec![published(1, 7)]]).await;
        let mut publisher = Publisher::connect(patient(target)).await.unwrap();
        assert_eq!(publish(&mut publisher).await.unwrap(), 7);
    }
}

#[tokio::test]
async fn a_publish_that_may_be_processed_is_not_sent_again() {
    let cancelled = reset(1, h2::Reason::CANCEL.into());
    for reply in [cancelled, vec![]] {
        let (target, _) = server(vec![vec![reply], vec![published(1, 7)]]).await;
        let mut publisher = Publisher::connect(patient(target)).await.unwrap();
        let error = publish(&mut publisher).await.unwrap_err();
        assert!(matches!(error, ClientError::Broken(_)) && !error.is_final(), "{error}");
    }
}

#[tokio::test]
async fn after_a_goaway_the_response_is_read_to_its_end_and_the_next_request_connects_again() {
    let last = [head(1, STATUS_200), goaway(1), frame(DATA, END_STREAM, 1, b"{\"id\":\"e-1\"}")];
    let (target, _) = server(vec![vec![last.concat()], vec![published(1, 2)]]).await;
    let mut publisher = Publisher::connect(patient(target)).await.unwrap();
    assert_eq!(publish(&mut publisher).await.unwrap(), 1);
    assert!(!publisher.http.check_open().await);
    assert_eq!(publish(&mut publisher).await.unwrap(), 2);
}

#[tokio::test]
async fn a_goaway_does_not_end_a_body_but_closes_the_connection_for_requests() {
    let replies = [head(1, STATUS_200), goaway(1), frame(DATA, 0, 1, b"half")].concat();
    let (target, _) = server(vec![vec![replies]]).await;
    let target = patient(target);
    let mut http = Http::connect(&target).await.unwrap();
    let response = http.send(request(&target.url).unwrap()).await.unwrap();
    assert_eq!(http.chunk(&mut response.into_body()).await.unwrap().unwrap(), "half");
    assert!(!http.check_open().await);
    let failed = http.try_send(request(&target.url).unwrap()).await.unwrap_err();
    assert!(failed.unsent.is_some(), "{failed:?}");
}

#[tokio::test]
async fn a_body_that_is_reset_or_malformed_is_an_error() {
    let half = [head(1, STATUS_200), frame(DATA, 0, 1, b"half")].concat();
    let cut = [half.clone(), reset(1, h2::Reason::INTERNAL_ERROR.into())].concat();
    let violation = [half, frame(DATA, 0, 0, b"x")].concat();
    for (replies, is_violation) in [(vec![cut], false), (vec![violation], true)] {
        let (target, _) = server(vec![replies]).await;
        let target = patient(target);
        let mut http = Http::connect(&target).await.unwrap();
        let response = http.send(request(&target.url).unwrap()).await.unwrap();
        let mut body = response.into_body();
        assert_eq!(http.chunk(&mut body).await.unwrap().unwrap(), "half");
        let error = http.chunk(&mut body).await.unwrap_err();
        match is_violation {
            true => assert!(matches!(error, ClientError::Protocol { .. }), "{error}"),
            false => assert!(matches!(error, ClientError::Broken(_)), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_response_that_is_not_read_does_not_block_the_next_request() {
    // The first response fills the window of the connection.
    let frames: Vec<u8> = (0..16).flat_map(|_| frame(DATA, 0, 1, &[b'x'; 16_000])).collect();
    let first = [head(1, STATUS_200), frames].concat();
    let (target, _) = server(vec![vec![first, published(3, 2)]]).await;
    let target = patient(target);
    let mut http = Http::connect(&target).await.unwrap();
    drop(http.send(request(&target.url).unwrap()).await.unwrap());
    let response = http.send(request(&target.url).unwrap()).await.unwrap();
    assert_eq!(http.whole(response.into_body(), 99).await.unwrap(), "{\"id\":\"e-2\"}");
}

#[tokio::test]
async fn a_server_of_http_1_is_an_error_that_names_the_option() {
    let (mut target, server) =
        crate::client::scripted::mute("HTTP/1.1 400 Bad Request\r\n\r\n").await;
    target.options = Arc::new(ConnectOptions::default().http2_prior_knowledge(true));
    let mut http = Http::connect(&target).await.unwrap();
    let error = http.send(request(&target.url).unwrap()).await.unwrap_err();
    assert!(error.to_string().contains("does the server speak HTTP/2 without TLS?"), "{error}");
    server.abort();
}
