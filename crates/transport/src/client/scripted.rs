//! A hub for tests that answers by heart.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::Target;

/// Connections, each a list of answers, each written in these pieces. A connection is closed behind its
/// last answer.
pub(super) type Script = &'static [&'static [&'static [&'static str]]];

/// A hub on a free port, and the requests that it was sent once the script is over.
pub(super) async fn hub(script: Script) -> (Target, JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let target = Target {
        url: format!("http://{address}/topics/a").parse().unwrap(),
        position: Default::default(),
        meter: Default::default(),
        local: None,
    };
    let served = tokio::spawn(async move {
        let mut requests = Vec::new();
        for answers in script {
            let (mut stream, _) = listener.accept().await.unwrap();
            for pieces in *answers {
                requests.push(request(&mut stream).await);
                for piece in *pieces {
                    stream.write_all(piece.as_bytes()).await.unwrap();
                    tokio::task::yield_now().await;
                }
            }
        }
        requests
    });
    (target, served)
}

async fn request(stream: &mut TcpStream) -> String {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.unwrap());
    }
    let head = String::from_utf8(request.clone()).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body).await.unwrap();
    head + &String::from_utf8(body).unwrap()
}
