//! The requests to a server of another project.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use httparse::{EMPTY_HEADER, Response, Status};

use crate::peers::{Adapter, Creation, Peer};
use crate::protocol::Setup;

/// The status of a response to the creation of something that exists.
const CONFLICT: u16 = 409;

/// The longest time until a topic is created.
const CREATE: Duration = Duration::from_secs(10);

/// The longest head of a response to a creation.
const LONGEST: usize = 8 * 1024;

/// The adapter of the peer of a setup, or `None` if it names no peer.
///
/// # Errors
/// Fails if there is no such peer, or it does not have the transport.
pub(super) fn adapter(setup: &Setup) -> anyhow::Result<Option<&'static Adapter>> {
    let Some(name) = &setup.peer else { return Ok(None) };
    let peer = Peer::named(name).with_context(|| format!("unknown peer {name:?}"))?;
    let adapter = peer.adapter(setup.transport);
    Ok(Some(adapter.with_context(|| format!("{name} does not have {:?}", setup.transport))?))
}

/// Creates a topic, and waits until it exists.
///
/// # Errors
/// Fails if the server does not respond in time, or responds with a status other than success and conflict.
pub(super) fn create(
    creation: &Creation,
    adapter: &Adapter,
    topic: &str,
    server: SocketAddr,
    host: &str,
) -> anyhow::Result<()> {
    let Creation { method, target, body } = creation;
    let (target, body) = (Adapter::fill(target, topic), Adapter::fill(body, topic));
    let failed = || format!("cannot create {target}");
    let mut socket = TcpStream::connect_timeout(&server, CREATE).with_context(failed)?;
    socket.set_read_timeout(Some(CREATE))?;
    let (headers, length) = (adapter.headers, body.len());
    let request = format!(
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\
         Content-Length: {length}\r\n\r\n{body}"
    );
    socket.write_all(request.as_bytes()).with_context(failed)?;
    let mut received = vec![0; LONGEST];
    let mut length = 0;
    loop {
        if let Some(status) = status(&received[..length])? {
            let is_created = (200..300).contains(&status) || status == CONFLICT;
            ensure!(is_created, "{}: the server responded with {status}", failed());
            return Ok(());
        }
        match socket.read(&mut received[length..]).with_context(failed)? {
            0 => bail!("{}: the server sent no response", failed()),
            read => length += read,
        }
    }
}

/// The status of a response, or `None` if its head is not complete.
fn status(received: &[u8]) -> anyhow::Result<Option<u16>> {
    let mut headers = [EMPTY_HEADER; 32];
    let mut response = Response::new(&mut headers);
    Ok(match response.parse(received)? {
        Status::Complete(_) => response.code,
        Status::Partial => None,
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use crate::protocol::Transport;

    /// Creates a topic at a server that sends this response. Returns the request.
    fn created(response: &'static str) -> anyhow::Result<String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = vec![0; 4_000];
            let length = socket.read(&mut request).unwrap();
            socket.write_all(response.as_bytes()).unwrap();
            String::from_utf8(request[..length].to_vec()).unwrap()
        });
        let adapter = Adapter { headers: "A: b\r\n", ..Adapter::ours(Transport::Sse) };
        let creation = Creation { method: "PUT", target: "/x/{topic}", body: "{topic}" };
        let result = create(&creation, &adapter, "news", address, "host");
        let request = server.join().unwrap();
        result.map(|()| request)
    }

    #[test]
    fn a_topic_is_created_unless_it_exists() {
        let expected = "PUT /x/news HTTP/1.1\r\nHost: host\r\nConnection: close\r\nA: b\r\n\
                        Content-Length: 4\r\n\r\nnews";
        assert_eq!(created("HTTP/1.1 201 Created\r\n\r\n").unwrap(), expected);
        assert_eq!(created("HTTP/1.1 409 Conflict\r\n\r\n").unwrap(), expected);
        let error = created("HTTP/1.1 500 No\r\n\r\n").unwrap_err().to_string();
        assert_eq!(error, "cannot create /x/news: the server responded with 500");
        let error = created("HTTP/1.1 201").unwrap_err().to_string();
        assert_eq!(error, "cannot create /x/news: the server sent no response");
    }
}
