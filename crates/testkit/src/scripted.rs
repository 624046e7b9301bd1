//! A server for tests of clients, which sends scripted responses.

use std::future::pending;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::timeout;
use url::Url;

use crate::LIMIT;

/// The connections of a scripted server, each a list of responses, each written in these pieces.
pub type Script = &'static [&'static [&'static [&'static str]]];

/// Starts a server on a free port, which closes each connection after its last response. Returns the URL of a topic, and
/// a task that returns the requests that the server received once the script is over.
///
/// The server reads a request to the end of its body, which must have a `Content-Length`, before it sends the response.
/// The task panics if the client does not connect within [`LIMIT`], or if a request or a write fails.
///
/// ```
/// use tidings_testkit::{scripted, Script};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
/// use tokio::net::TcpStream;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// const ONE_RESPONSE: Script = &[&[&["HTTP/1.1 204 No ", "Content\r\n\r\n"]]];
/// let (url, requests) = scripted(ONE_RESPONSE).await;
/// let mut client = TcpStream::connect(url.socket_addrs(|| None)?[0]).await?;
/// client.write_all(b"GET /topics/a HTTP/1.1\r\n\r\n").await?;
/// let mut response = String::new();
/// client.read_to_string(&mut response).await?;
/// assert_eq!(response, "HTTP/1.1 204 No Content\r\n\r\n");
/// assert_eq!(requests.await?, ["GET /topics/a HTTP/1.1\r\n\r\n"]);
/// # Ok(())
/// # }
/// ```
///
/// # Panics
/// Panics if the server cannot listen.
pub async fn scripted(script: Script) -> (Url, JoinHandle<Vec<String>>) {
    let (listener, url) = listen().await;
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for responses in script {
            requests.extend(serve(&listener, responses).await.1);
        }
        requests
    });
    (url, served)
}

/// Starts a server as [`scripted`] does, which keeps the connections open and sends nothing more after their last
/// response. The task does not end until it is aborted.
///
/// # Panics
/// Panics if the server cannot listen.
pub async fn scripted_until_silent(script: Script) -> (Url, JoinHandle<()>) {
    let (listener, url) = listen().await;
    let served = tokio::spawn(async move {
        let mut held = Vec::new();
        for responses in script {
            held.push(serve(&listener, responses).await.0);
        }
        pending::<()>().await;
    });
    (url, served)
}

async fn listen() -> (TcpListener, Url) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a loopback address has a port");
    let address = listener.local_addr().expect("a listener has an address");
    (listener, format!("http://{address}/topics/a").parse().expect("it is a URL"))
}

/// Accepts a connection, reads its requests and sends these responses.
async fn serve(
    listener: &TcpListener,
    responses: &[&'static [&'static str]],
) -> (TcpStream, Vec<String>) {
    // A script whose connections do not come would be waited for without a limit.
    let accepted = timeout(LIMIT, listener.accept()).await.expect("the client connects in time");
    let (mut stream, _) = accepted.expect("a connection is accepted");
    let mut requests = Vec::new();
    for pieces in responses {
        requests.push(request(&mut stream).await);
        for piece in *pieces {
            stream.write_all(piece.as_bytes()).await.expect("the client reads");
            tokio::task::yield_now().await;
        }
    }
    (stream, requests)
}

/// Reads a request with its body.
async fn request(stream: &mut TcpStream) -> String {
    const CUT: &str = "the client sends a whole request";
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect(CUT));
    }
    let text = |bytes| String::from_utf8(bytes).expect("a request is text");
    let head = text(head);
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().expect("a length"))];
    stream.read_exact(&mut body).await.expect(CUT);
    head + &text(body)
}
