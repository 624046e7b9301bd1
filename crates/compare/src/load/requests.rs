//! The bytes that clients and publishers send.

use std::fmt::Display;
use std::io::Write;
use std::net::SocketAddr;

use url::Url;

use super::failure::Failure;
use super::socket::resolve;
use super::stamp::Run;
use super::wire::{nats, redis};
use crate::protocol::Transport;

/// The requests of one load.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) transport: Transport,
    servers: Vec<Server>,
    /// Further header lines of each request.
    headers: String,
    run: Run,
    /// The topic, or the first part of all topics.
    topic: String,
    /// How many clients have a topic of their own. With 1 there is one topic for all.
    topics: u64,
    /// Whether clients request all that the server still has.
    pub(crate) from_start: bool,
}

/// A server and how requests name it.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    host: String,
    /// The path below which topics are, without a slash at its end.
    path: String,
}

impl Requests {
    /// Resolves the servers.
    ///
    /// # Errors
    /// If a name cannot be resolved.
    pub(crate) fn new(
        transport: Transport,
        urls: &[Url],
        headers: String,
        run: Run,
        topics: u64,
    ) -> Result<Self, Failure> {
        let servers = urls.iter().map(Server::of).collect::<Result<_, _>>()?;
        let topic = format!("compare.{run}");
        Ok(Self { transport, servers, headers, run, topic, topics, from_start: false })
    }

    /// Changes the topic of all requests that follow.
    pub(crate) fn set_topic(&mut self, name: &str) {
        self.topic = format!("{name}.{}", self.run);
    }

    /// Returns the server of a client.
    pub(crate) fn server(&self, index: usize) -> SocketAddr {
        self.of_client(index).address
    }

    /// Returns the topic of a client or of a publish.
    pub(crate) fn topic(&self, number: u64) -> String {
        match self.topics {
            1 => self.topic.clone(),
            topics => format!("{}.{}", self.topic, number % topics),
        }
    }

    /// Appends what a client sends first.
    pub(crate) fn subscribe(&self, out: &mut Vec<u8>, index: usize) {
        let topic = || self.topic(index as u64);
        match self.transport {
            Transport::WebSocket => {
                self.get(out, index);
                out.extend_from_slice(
                    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                      Sec-WebSocket-Protocol: tidings.v1\r\n\
                      Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                );
            }
            Transport::Sse => {
                self.get(out, index);
                out.extend_from_slice(b"Accept: text/event-stream\r\n\r\n");
            }
            Transport::LongPolling => {
                self.get(out, index);
                out.extend_from_slice(b"\r\n");
            }
            Transport::Nats => nats::subscribe(out, &topic()),
            Transport::JetStream => {
                nats::consume(out, &topic(), &format!("_INBOX.{}.c{index}", self.run));
            }
            Transport::Redis => redis::subscribe(out, &topic()),
        }
    }

    /// Appends the poll that follows a response with this cursor. It is held for as long as servers allow, so that
    /// quiet clients cost them as little as possible.
    pub(crate) fn poll(&self, out: &mut Vec<u8>, index: usize, cursor: &[u8]) {
        let cursor = str::from_utf8(cursor).unwrap_or_default();
        let query = format_args!("?after={cursor}&wait=60");
        self.head(out, "GET", self.of_client(index), index as u64, query);
        out.extend_from_slice(b"\r\n");
    }

    /// Appends what a publisher sends first. Returns how many responses follow.
    pub(crate) fn begin_publishing(&self, out: &mut Vec<u8>, publisher: u16) -> usize {
        match self.transport {
            Transport::Nats => nats::begin(out, None, false),
            Transport::JetStream => {
                nats::begin(out, Some(&self.publisher_inbox(publisher)), publisher == 0);
            }
            _ => return 0,
        }
        1
    }

    /// Appends a publish of `length` bytes up to its payload. Returns what follows the payload.
    pub(crate) fn publish(
        &self,
        out: &mut Vec<u8>,
        publisher: u16,
        sequence: u64,
        length: usize,
    ) -> &'static [u8] {
        match self.transport {
            Transport::Nats => nats::publish(out, &self.topic(sequence), None, length),
            Transport::JetStream => {
                let inbox = self.publisher_inbox(publisher);
                nats::publish(out, &self.topic(sequence), Some(&inbox), length);
            }
            Transport::Redis => redis::publish(out, &self.topic(sequence), length),
            _ => {
                self.head(out, "POST", &self.servers[0], sequence, "");
                write(out, format_args!("Content-Length: {length}\r\n\r\n"));
                return b"";
            }
        }
        b"\r\n"
    }

    fn publisher_inbox(&self, publisher: u16) -> String {
        format!("_INBOX.{}.p{publisher}", self.run)
    }

    /// Appends the head of a client's first request without its last line end.
    fn get(&self, out: &mut Vec<u8>, index: usize) {
        let query = if self.from_start { "?after=earliest" } else { "" };
        self.head(out, "GET", self.of_client(index), index as u64, query);
    }

    /// Appends the request line, `Host` and the further headers.
    fn head(
        &self,
        out: &mut Vec<u8>,
        method: &str,
        server: &Server,
        number: u64,
        query: impl Display,
    ) {
        let Server { host, path, .. } = server;
        let (topic, headers) = (&self.topic, &self.headers);
        write(out, format_args!("{method} {path}/topics/{topic}"));
        if self.topics > 1 {
            write(out, format_args!(".{}", number % self.topics));
        }
        write(out, format_args!("{query} HTTP/1.1\r\nHost: {host}\r\n{headers}"));
    }

    fn of_client(&self, index: usize) -> &Server {
        &self.servers[index % self.servers.len()]
    }

    /// Long-polling of `x`.
    #[cfg(test)]
    pub(crate) fn fixture() -> Self {
        let urls = ["http://127.0.0.1/".parse().unwrap()];
        let run = Run::new(super::inbox::fixture::RUN);
        let requests = Self::new(Transport::LongPolling, &urls, String::new(), run, 1).unwrap();
        Self { topic: "x".to_owned(), ..requests }
    }
}

impl Server {
    fn of(url: &Url) -> Result<Self, Failure> {
        let address = resolve(url)?;
        let host = url.host_str().unwrap_or_default();
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        Ok(Self { address, host, path: url.path().trim_end_matches('/').to_owned() })
    }
}

fn write(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("text written to memory cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_below_the_server_s_path_and_headers_in_every_request() {
        let urls = ["http://127.0.0.1:8080/news/".parse().unwrap()];
        let headers = "Authorization: Bearer x\r\n".to_owned();
        let run = Run::new(1);
        let requests = Requests::new(Transport::Sse, &urls, headers, run, 10).unwrap();
        let mut out = Vec::new();
        requests.subscribe(&mut out, 12);
        let expected = "GET /news/topics/compare.00000001.2 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
                        Authorization: Bearer x\r\nAccept: text/event-stream\r\n\r\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
