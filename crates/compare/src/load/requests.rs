//! The requests of clients and publishers, and the readers of their responses.

mod subscribe;

use std::io;
use std::net::SocketAddr;
use std::time::SystemTime;

use rustls::client::UnbufferedClientConnection;
use url::{Position, Url};

pub(crate) use self::subscribe::Subscriber;
use super::payload;
use super::peer;
use super::pusher;
use super::socket::resolve;
use super::stamp::Run;
use super::tls::Tls;
use super::wire::Reader;
use super::wire::http::Responses;
use super::wire::nats::{self, Nats};
use super::wire::redis::{self, Redis};
use crate::peers::Adapter;
use crate::protocol::{Setup, Transport};
use crate::tls::Session;
use crate::workload::Payload;

/// The requests of one load.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) transport: Transport,
    /// The requests of a server of another project.
    adapter: Option<&'static Adapter>,
    /// `true` if clients connect by HTTP/2.
    pub(crate) http2: bool,
    servers: Vec<Server>,
    /// `None` if the servers have no TLS.
    pub(crate) tls: Option<Tls>,
    /// Additional header lines of each request.
    headers: String,
    pub(crate) run: Run,
    payload: Payload,
    /// `true` if clients request compression.
    compression: bool,
    /// The topic, or the common prefix of all topics.
    topic: String,
    /// The number of topics: one for each stream of each client. With 1, all clients share one topic.
    topics: u64,
    /// The number of clients. The topics of one client are this far apart.
    clients: u64,
    /// The streams of each client.
    streams: u64,
    /// The seconds for which a server may hold a poll.
    hold: u32,
    /// The position after which clients subscribe. `None` means with the next notification.
    pub(crate) after: Option<String>,
    /// `true` if each publish has an idempotency key, so that it can be sent again.
    pub(crate) has_keys: bool,
}

/// A server, with its `Host` and path.
#[derive(Debug)]
struct Server {
    address: SocketAddr,
    host: String,
    /// The path prefix of the topics, without a trailing slash.
    path: String,
}

impl Requests {
    /// Resolves the servers.
    ///
    /// # Errors
    /// Fails if a name cannot be resolved, or the certificate cannot be read.
    pub(crate) fn new(setup: &Setup, run: Run) -> anyhow::Result<Self> {
        Ok(Self {
            transport: setup.transport,
            adapter: peer::adapter(setup)?,
            http2: setup.http2,
            servers: setup.urls.iter().map(Server::of).collect::<Result<_, _>>()?,
            tls: match &setup.certificate {
                Some(certificate) => Some(Tls::trusting(certificate, setup.keeps_tickets)?),
                None => None,
            },
            headers: setup.headers.clone(),
            run,
            payload: setup.payload,
            compression: setup.compression,
            topic: format!("compare.{run}"),
            topics: if setup.own_topics { (setup.clients * setup.streams) as u64 } else { 1 },
            clients: setup.clients as u64,
            streams: setup.streams as u64,
            hold: setup.hold,
            after: None,
            has_keys: false,
        })
    }

    /// Changes the topic of all requests that follow, and creates it if the server requires that.
    ///
    /// # Errors
    /// Fails if the server does not create it.
    pub(crate) fn set_topic(&mut self, name: &str) -> anyhow::Result<()> {
        self.topic = format!("{name}.{}", self.run);
        let Some(adapter) = self.adapter else { return Ok(()) };
        let Server { address, host, .. } = &self.servers[0];
        for number in 0..self.topics {
            for creation in adapter.create {
                peer::create(creation, adapter, &self.topic(number), *address, host)?;
            }
        }
        Ok(())
    }

    /// The address of the server with this number.
    pub(crate) fn address(&self, server: usize) -> SocketAddr {
        self.server(server).address
    }

    /// The streams of each client, each with its own request.
    pub(crate) fn streams(&self) -> u64 {
        self.streams
    }

    /// The number of servers.
    pub(crate) fn servers(&self) -> usize {
        self.servers.len()
    }

    /// A TLS session with this server, or `None` if the servers have no TLS.
    ///
    /// # Errors
    /// Fails if rustls rejects the configuration.
    pub(crate) fn tls_session(
        &self,
        server: SocketAddr,
        is_http2: bool,
    ) -> io::Result<Option<Session<UnbufferedClientConnection>>> {
        let session = self.tls.as_ref().map(|tls| tls.session(server.ip(), is_http2));
        session.transpose().map_err(io::Error::other)
    }

    /// Makes all connections that follow resume a TLS session each, or none.
    pub(crate) fn resume_sessions(&self, resumes: bool) {
        if let Some(tls) = &self.tls {
            tls.resume(resumes);
        }
    }

    /// The first bytes that a publisher sends, and the reader of its responses. Unless they are empty, there is
    /// one response to them.
    pub(crate) fn begin_publishing(&self, publisher: u16) -> (String, Box<dyn Reader>) {
        match self.transport {
            Transport::Nats | Transport::JetStream => {
                let inbox = self.publisher_inbox(publisher);
                (nats::begin(inbox.as_deref(), publisher == 0), Box::new(Nats::default()))
            }
            Transport::Redis => (String::new(), Box::new(Redis::new(&self.topic))),
            _ => (String::new(), Box::new(Responses::to_publishes())),
        }
    }

    /// Appends a publish to the server with this number, with its payload.
    pub(crate) fn publish(&self, out: &mut Vec<u8>, publisher: u16, server: usize, sequence: u64) {
        let (topic, mut payload) = (self.topic(sequence), Vec::with_capacity(self.payload.most()));
        payload::write(self.payload, &mut payload, self.run, sequence);
        let target = match self.adapter {
            Some(adapter) => {
                payload = adapter.wrap(payload, &topic);
                let target = Adapter::fill(adapter.publish, &topic);
                if adapter.is_signed {
                    pusher::signed(&target, &payload, SystemTime::now())
                } else {
                    target
                }
            }
            None => format!("/topics/{topic}"),
        };
        let length = payload.len();
        let (head, end) = match self.transport {
            Transport::Nats | Transport::JetStream => {
                let inbox = self.publisher_inbox(publisher);
                (nats::publish(&topic, inbox.as_deref(), length), "\r\n")
            }
            Transport::Redis => (redis::publish(&topic, length), "\r\n"),
            Transport::WebSocket
            | Transport::Sse
            | Transport::LongPolling
            | Transport::WebTransport => {
                let key = match self.has_keys {
                    true => format!("Idempotency-Key: {}-{sequence}\r\n", self.run),
                    false => String::new(),
                };
                let headers = format!("Content-Length: {length}\r\n{key}");
                (self.request("POST", self.server(server), &target, &headers), "")
            }
        };
        out.extend_from_slice(head.as_bytes());
        out.extend_from_slice(&payload);
        out.extend_from_slice(end.as_bytes());
    }

    /// The inbox for the responses of JetStream to a publisher. Core NATS does not respond.
    fn publisher_inbox(&self, publisher: u16) -> Option<String> {
        let responds = self.transport == Transport::JetStream;
        responds.then(|| format!("_INBOX.{}.p{publisher}", self.run))
    }

    /// The topic of the client or the publish with this number.
    fn topic(&self, number: u64) -> String {
        match self.topics {
            1 => self.topic.clone(),
            topics => format!("{}.{}", self.topic, number % topics),
        }
    }

    /// The head of a request for this path and query, with these headers, those of the setup and those of a peer.
    fn request(&self, method: &str, server: &Server, target: &str, headers: &str) -> String {
        let (Server { host, path, .. }, further) = (server, &self.headers);
        let of_peer = self.adapter.map_or("", |adapter| adapter.headers);
        format!(
            "{method} {path}{target} HTTP/1.1\r\nHost: {host}\r\n{further}{of_peer}{headers}\r\n"
        )
    }

    fn server(&self, number: usize) -> &Server {
        &self.servers[number % self.servers.len()]
    }
}

impl Server {
    fn of(url: &Url) -> anyhow::Result<Self> {
        let host = url[Position::BeforeHost..Position::AfterPort].to_owned();
        let path = url.path().trim_end_matches('/').to_owned();
        Ok(Self { address: resolve(url)?, host, path })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(index: usize) -> Subscriber<'static> {
        Subscriber { index, server: index, after: None }
    }

    #[test]
    fn topics_are_below_the_server_s_path_and_headers_in_every_request() {
        let setup = Setup {
            urls: vec!["http://127.0.0.1:8080/news/".parse().unwrap()],
            headers: "Authorization: Bearer x\r\n".to_owned(),
            clients: 10,
            own_topics: true,
            ..Setup::of_tests(Transport::Sse)
        };
        let (request, _) = Requests::new(&setup, Run::new(1)).unwrap().subscribe(client(12));
        let expected = "GET /news/topics/compare.0000001.2 HTTP/1.1\r\nHost: 127.0.0.1:8080\r\n\
                        Authorization: Bearer x\r\nAccept: text/event-stream\r\n\r\n";
        assert_eq!(request, expected.as_bytes());
    }

    #[test]
    fn the_requests_to_a_peer_are_those_of_its_protocol() {
        let setup = Setup {
            peer: Some("durable-streams".into()),
            ..Setup::of_tests(Transport::LongPolling)
        };
        let requests = Requests::new(&setup, Run::new(1)).unwrap();
        let (request, _) = requests.subscribe(client(0));
        let head = "HTTP/1.1\r\nHost: 127.0.0.1:4242\r\nContent-Type: text/plain\r\n";
        let expected = format!("GET /v1/stream/compare.0000001?offset=now {head}\r\n");
        assert_eq!(String::from_utf8_lossy(&request), expected);
        let mut publish = Vec::new();
        requests.publish(&mut publish, 0, 0, 0);
        let expected =
            format!("POST /v1/stream/compare.0000001 {head}Content-Length: 128\r\n\r\n@0000");
        assert!(String::from_utf8_lossy(&publish).starts_with(&expected));
        let unknown = Setup { peer: Some("pigeon".into()), ..setup };
        assert!(Requests::new(&unknown, Run::new(1)).is_err());
    }
}
