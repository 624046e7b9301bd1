//! The client of the WebSocket transport.

mod handshake;

use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use futures::{FutureExt, SinkExt, StreamExt};
use tidings_core::Kind;
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Frame, Goodbye, Received, Silence, Target,
};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::{Error, Message, error::ProtocolError};

/// The largest message that is accepted, in bytes.
const MAX_MESSAGE: usize = 16 * 1024 * 1024;
/// How long the server has to close the connection after its close frame (RFC 6455, section 7.1.1).
const CLOSE_LIMIT: Duration = Duration::from_secs(1);
/// How long a server that does not announce its heartbeat may be silent.
const BARE_SILENCE: Duration = Duration::from_secs(90);

/// Subscribes by WebSocket (RFC 6455), over HTTP/1.1: see [HTTP versions](tidings_transport::client#http-versions).
#[derive(Clone, Copy, Debug, Default)]
pub struct WebSocketClient {
    /// Offers no subprotocol if `true`, as `new WebSocket(url)` does. Each frame is then a bare payload, so no ids,
    /// topics, headers and gaps arrive, and the client cannot resume. The default is `false`: the client offers
    /// `tidings.v1`, which has all of them.
    pub bare: bool,
}

impl Client for WebSocketClient {
    fn transport(&self) -> &'static str {
        "websocket"
    }

    fn connect(&self, target: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        connect(target, self.bare).boxed()
    }
}

async fn connect(target: Target, is_bare: bool) -> Result<Arrivals, ClientError> {
    let mut socket = handshake::shake(&target, is_bare).await?;
    // With `tidings.v1`, the server sends the first frame at once, and that frame announces the heartbeat.
    let mut silence =
        Silence::exactly(if is_bare { BARE_SILENCE } else { target.options.limits.head });
    let arrivals = async_stream::try_stream! {
        while let Some(message) = silence.bound(socket.next()).await? {
            let arrival = match message.map_err(|error| broken(&error))? {
                Message::Text(text) if is_bare => received(Kind::Text, text.into()),
                Message::Text(text) => {
                    let frame = Frame::parse(text.as_bytes()).map_err(protocol)?;
                    if let Some(interval) = frame.heartbeat() {
                        silence = Silence::of(interval);
                    }
                    frame.arrival().map_err(protocol)?
                }
                Message::Binary(payload) if is_bare => received(Kind::Binary, payload),
                Message::Binary(_) => {
                    Err(protocol("a binary frame, tidings.v1 has only text frames".to_owned()))?
                }
                Message::Ping(_) => {
                    // The pong is queued. It must be flushed here, because this client sends nothing after it.
                    silence.bound(socket.flush()).await?.map_err(|error| broken(&error))?;
                    if !is_bare {
                        // The JSON heartbeat that follows has the position too.
                        continue;
                    }
                    Arrival::Heartbeat(None)
                }
                Message::Close(frame) => {
                    // The reply is queued too. An error is ignored, because the server may have closed the connection.
                    let _ = timeout(CLOSE_LIMIT, socket.flush()).await;
                    let (code, reason) = match frame {
                        Some(frame) => (Some(frame.code.into()), frame.reason.to_string()),
                        None => (None, String::new()),
                    };
                    yield Arrival::Goodbye(Goodbye { code, reason });
                    let _ = timeout(CLOSE_LIMIT, socket.next()).await;
                    return;
                }
                Message::Pong(_) | Message::Frame(_) => continue,
            };
            yield arrival;
        }
    };
    Ok(arrivals.boxed())
}

fn received(kind: Kind, payload: Bytes) -> Arrival {
    Arrival::Notification(Received::new(kind, payload))
}

fn protocol(problem: String) -> ClientError {
    ClientError::Protocol { transport: "WebSocket", problem }
}

fn broken(error: &Error) -> ClientError {
    match error {
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => {
            ClientError::Broken("no close frame before its end".to_owned())
        }
        Error::Protocol(_) | Error::Capacity(_) | Error::Utf8(_) => protocol(error.to_string()),
        _ => ClientError::Broken(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tidings_core::{Headers, Position};
    use tidings_transport::Message as Inbound;
    use tidings_transport::client::{ConnectOptions, TimeLimits};
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, TcpStream};
    use tokio::task::JoinHandle;
    use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

    pub(super) const V1: &str = "Sec-WebSocket-Protocol: tidings.v1\r\n";

    async fn read_head(stream: &mut TcpStream) -> String {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        String::from_utf8(head).unwrap()
    }

    /// Starts a server that accepts one client with this additional header, and sends these frames, each in one write.
    /// At the end it returns the request, and the bytes that the client sent before it closed the connection.
    pub(super) async fn server(
        header: &'static str,
        frames: Vec<Vec<u8>>,
    ) -> (Target, JoinHandle<(String, Vec<u8>)>) {
        serve(move |key| [vec![switching(key, header).into_bytes()], frames].concat()).await
    }

    /// Starts a server that accepts one client, sends these frames, and then sends nothing.
    async fn mute(frames: Vec<Vec<u8>>) -> (Target, JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/topics/a", listener.local_addr().unwrap());
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
            stream.write_all(switching(key.unwrap(), V1).as_bytes()).await.unwrap();
            stream.write_all(&frames.concat()).await.unwrap();
            std::future::pending::<()>().await;
        });
        (Target::new(url.parse().unwrap()), server)
    }

    fn switching(key: &str, header: &str) -> String {
        let accept = derive_accept_key(key.as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{header}\r\n"
        )
    }

    /// Starts a server that accepts one request, and sends the pieces that `answer` returns for its key.
    pub(super) async fn serve(
        answer: impl FnOnce(&str) -> Vec<Vec<u8>> + Send + 'static,
    ) -> (Target, JoinHandle<(String, Vec<u8>)>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/topics/a", listener.local_addr().unwrap());
        let target = Target::new(url.parse().unwrap());
        let served = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
            for piece in answer(key.unwrap()) {
                stream.write_all(&piece).await.unwrap();
                tokio::task::yield_now().await;
            }
            stream.shutdown().await.unwrap();
            let mut sent = Vec::new();
            let _ = stream.read_to_end(&mut sent).await;
            (head, sent)
        });
        (target, served)
    }

    /// An unmasked frame with a payload of up to 65,535 bytes (RFC 6455, section 5.2).
    fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
        let length = u16::try_from(payload.len()).unwrap();
        let mut frame = vec![0x80 | opcode];
        match length {
            0..126 => frame.push(length as u8),
            _ => frame.extend([&[126], &length.to_be_bytes()[..]].concat()),
        }
        frame.extend_from_slice(payload);
        frame
    }

    /// The opcode and the payload of the first frame, which is masked, and the bytes after it.
    fn unmasked(bytes: &[u8]) -> (u8, Vec<u8>, &[u8]) {
        assert_eq!(bytes[1] & 0x80, 0x80, "the frame of a client is not masked");
        let end = 6 + usize::from(bytes[1] & 0x7f);
        let payload = bytes[6..end].iter().zip(bytes[2..6].iter().cycle());
        (bytes[0] & 0xf, payload.map(|(byte, mask)| byte ^ mask).collect(), &bytes[end..])
    }

    async fn all(client: WebSocketClient, target: Target) -> Vec<Result<Arrival, ClientError>> {
        client.connect(target).await.unwrap().collect().await
    }

    #[tokio::test]
    async fn everything_that_a_server_sends_arrives_in_order_and_pings_are_answered() {
        let long = "x".repeat(20_000);
        let notice = format!(r#"{{"id":"e-2","topic":"a","data":"{long}"}}"#);
        let (target, served) = server(
            V1,
            vec![
                frame(9, b"are you there?"),
                frame(1, br#"{"ping":25000,"id":"e-1"}"#),
                frame(1, notice.as_bytes()),
                frame(1, br#"{"id":"e-3","topic":"a","data_base64":"AP8="}"#),
                frame(1, br#"{"id":"e-4","topic":"a","headers":{"event":"brewed","time":"?"},"data":""}"#),
                frame(1, br#"{"gap":{"after":"e-3","resume":"e-9","missed":6,"reason":"lagged"}}"#),
                frame(1, br#"{"reply":{"data":"to you"}}"#),
                frame(1, br#"{"reply":{"data_base64":"AP8="}}"#),
                frame(8, b"\x03\xE9bye"),
            ],
        )
        .await;
        let arrivals = all(WebSocketClient::default(), target.position(Position::Earliest)).await;
        let arrivals: Vec<_> = arrivals.into_iter().map(Result::unwrap).collect();
        let notification = |id: &str, kind, payload: Bytes| {
            let mut received = Received::new(kind, payload);
            (received.id, received.topic) = (id.parse().ok(), Some("a".to_owned()));
            Arrival::Notification(received)
        };
        assert_eq!(arrivals[0], Arrival::Heartbeat("e-1".parse().ok()));
        assert_eq!(arrivals[1], notification("e-2", Kind::Text, long.into()));
        assert_eq!(arrivals[2], notification("e-3", Kind::Binary, Bytes::from_static(b"\0\xFF")));
        let brewed = Headers::new().with_event("brewed").unwrap();
        assert!(
            matches!(&arrivals[3], Arrival::Notification(it) if it.headers.as_ref() == Some(&brewed))
        );
        assert!(matches!(arrivals[4], Arrival::Gap(gap) if gap.missed == Some(6)));
        let goodbye = Goodbye { code: Some(1001), reason: "bye".to_owned() };
        let replies = [Inbound::text("to you"), Inbound::binary(&b"\0\xFF"[..])];
        assert_eq!(arrivals[5..7], replies.map(Arrival::Reply));
        assert_eq!(arrivals[7..], [Arrival::Goodbye(goodbye)]);

        let (request, sent) = served.await.unwrap();
        assert!(request.starts_with("GET /topics/a?after=earliest HTTP/1.1\r\n"), "{request}");
        let (opcode, payload, rest) = unmasked(&sent);
        assert_eq!((opcode, &payload[..]), (10, &b"are you there?"[..]));
        let (opcode, payload, rest) = unmasked(rest);
        assert_eq!((opcode, &payload[..2], rest), (8, &[3, 0xE9][..], &b""[..]));
    }

    #[tokio::test]
    async fn a_pong_is_sent_before_the_heartbeat_arrives() {
        let (near, mut far) = (TcpListener::bind("127.0.0.1:0").await.unwrap(), Vec::new());
        let url = format!("http://{}/topics/a", near.local_addr().unwrap()).parse().unwrap();
        let target = Target::new(url);
        let server = async {
            let (mut stream, _) = near.accept().await.unwrap();
            let head = read_head(&mut stream).await;
            let key = head.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
            let accept = derive_accept_key(key.unwrap().as_bytes());
            let head = format!(
                "HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
            );
            stream.write_all(&[head.as_bytes(), &frame(9, b"!")].concat()).await.unwrap();
            far.resize(7, 0);
            stream.read_exact(&mut far).await.unwrap();
        };
        let client = async {
            let mut arrivals = WebSocketClient { bare: true }.connect(target).await.unwrap();
            let heartbeat = arrivals.next().await.unwrap().unwrap();
            assert_eq!(heartbeat, Arrival::Heartbeat(None));
            arrivals
        };
        // The client has only taken the heartbeat from its stream, and the server has received the pong.
        let (_arrivals, ()) = tokio::join!(client, server);
        assert_eq!(unmasked(&far).1, b"!");
    }

    #[tokio::test]
    async fn without_a_subprotocol_each_frame_is_a_bare_payload() {
        let (target, served) =
            server("", vec![frame(1, b"tea"), frame(2, &[0, 255]), frame(8, b"")]).await;
        let arrivals = all(WebSocketClient { bare: true }, target).await;
        let arrivals: Vec<_> = arrivals.into_iter().map(Result::unwrap).collect();
        assert_eq!(
            arrivals,
            [
                received(Kind::Text, "tea".into()),
                received(Kind::Binary, Bytes::from_static(&[0, 255])),
                Arrival::Goodbye(Goodbye { code: None, reason: String::new() }),
            ]
        );
        assert!(!served.await.unwrap().0.contains("sec-websocket-protocol"));
    }

    #[tokio::test]
    async fn a_silent_server_times_out_by_the_heartbeat_that_it_announced() {
        let limits = TimeLimits::default().head(Duration::from_millis(200));
        let options = Arc::new(ConnectOptions::default().limits(limits));
        let ping = frame(1, br#"{"ping":1,"id":"e-1"}"#);
        let half = [&ping[..], &[0x81, 100, b'{']].concat();
        // The silence begins before the first frame, between two frames, and inside a frame.
        for (frames, arrivals) in [(vec![], 0), (vec![ping], 1), (vec![half], 1)] {
            let (mut target, server) = mute(frames).await;
            target.options = options.clone();
            let mut arrived = all(WebSocketClient::default(), target).await;
            let error = arrived.pop().unwrap().unwrap_err();
            assert!(matches!(error, ClientError::TimedOut { .. }), "{error}");
            assert_eq!(arrived.len(), arrivals, "{arrived:?}");
            server.abort();
        }
    }

    #[tokio::test]
    async fn an_end_without_a_close_frame_and_violations_are_errors() {
        for (frames, words) in [
            (vec![], "no close frame before its end"),
            (vec![frame(1, b"{}")], "neither notification, gap, reply nor ping"),
            (vec![frame(1, b"\xFF")], "invalid WebSocket"),
            (vec![frame(2, b"")], "only text frames"),
            (vec![vec![0x82, 127, 0, 0, 0, 0, 1, 0, 0, 1]], "too long"),
        ] {
            let (target, _) = server(V1, frames).await;
            let error = all(WebSocketClient::default(), target).await.pop().unwrap().unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
