//! The requests of clients, and the readers of their responses.

use super::{Requests, Server};
use crate::load::wire::Reader;
use crate::load::wire::dialogue::Dialogue;
use crate::load::wire::gzip::GzipEvents;
use crate::load::wire::header_polls::HeaderPolls;
use crate::load::wire::http::{Events, Polls, Responses, Stream};
use crate::load::wire::http2::{Body, Http2, Request};
use crate::load::wire::nats::{self, Nats};
use crate::load::wire::redis::{self, Redis};
use crate::load::wire::websocket::Frames;
use crate::peers::Adapter;
use crate::protocol::Transport;

/// A client that subscribes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscriber<'a> {
    pub(crate) index: usize,
    /// The number of its server, of which the last is followed by the first.
    pub(crate) server: usize,
    /// The position after which it subscribes. `None` means with the next notification.
    pub(crate) after: Option<&'a str>,
}

impl Requests {
    /// The first bytes that a client sends, and the reader of what it receives.
    pub(crate) fn subscribe(&self, subscriber: Subscriber<'_>) -> (Vec<u8>, Box<dyn Reader>) {
        let index = subscriber.index;
        let topic = self.topic(index as u64);
        match self.transport {
            Transport::Nats => (nats::subscribe(&topic).into(), Box::new(Nats::default())),
            Transport::JetStream => {
                let inbox = format!("_INBOX.{}.c{index}", self.run);
                (nats::consume(&topic, &inbox).into(), Box::new(Nats::default()))
            }
            Transport::Redis => (redis::subscribe(&topic).into(), Box::new(Redis::new(&topic))),
            _ if self.http2 => self.subscribe_by_http2(subscriber),
            _ => self.subscribe_by_http1(subscriber, &topic),
        }
    }

    fn subscribe_by_http1(
        &self,
        subscriber: Subscriber<'_>,
        topic: &str,
    ) -> (Vec<u8>, Box<dyn Reader>) {
        let server = self.server(subscriber.server);
        let target = match self.adapter {
            Some(adapter) => Adapter::fill(adapter.subscribe, topic),
            None => format!("/topics/{topic}{}", query(subscriber)),
        };
        let get = |headers: &str| self.request("GET", server, &target, headers).into();
        let gzip = if self.compression { "Accept-Encoding: gzip\r\n" } else { "" };
        match self.transport {
            Transport::WebSocket => {
                let protocol = match self.adapter {
                    Some(_) => "",
                    None => "Sec-WebSocket-Protocol: tidings.v1\r\n",
                };
                let upgrade = format!(
                    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                     {protocol}Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                );
                if !self.compression {
                    let dialogue = self.adapter.and_then(|it| Dialogue::new(it, topic));
                    let frames = dialogue.map_or_else(Frames::default, Frames::with);
                    return (get(&upgrade), Box::new(Stream::new(101, frames)));
                }
                let extension =
                    "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n";
                let frames = Frames::compressed();
                (get(&format!("{upgrade}{extension}")), Box::new(Stream::new(101, frames)))
            }
            Transport::Sse => {
                let accept = format!("Accept: text/event-stream\r\n{gzip}");
                let reader: Box<dyn Reader> = match self.compression {
                    true => Box::new(Stream::new(200, GzipEvents::default())),
                    false => Box::new(Stream::new(200, Events::default())),
                };
                (get(&accept), reader)
            }
            _ => {
                let reader: Box<dyn Reader> = match self.adapter.and_then(|it| it.poll) {
                    Some(poll) => {
                        let poll = Adapter::fill(poll, topic);
                        Box::new(HeaderPolls::new(&self.request("GET", server, &poll, "")))
                    }
                    None => {
                        let poll = format!("/topics/{topic}{}", self.poll());
                        let poll = self.request("GET", server, &poll, gzip);
                        let (before_cursor, after_cursor) =
                            poll.split_once('\n').unwrap_or_default();
                        let (before, after) = (before_cursor.into(), after_cursor.into());
                        Box::new(Responses::to_polls(before, after))
                    }
                };
                (get(gzip), reader)
            }
        }
    }

    fn subscribe_by_http2(&self, subscriber: Subscriber<'_>) -> (Vec<u8>, Box<dyn Reader>) {
        let Server { host, path, .. } = self.server(subscriber.server);
        let lines = self.headers.lines().filter_map(|line| line.split_once(": "));
        let mut headers: Vec<_> =
            lines.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
        let mut with = |name: &str, value: &str| headers.push((name.into(), value.into()));
        match self.transport {
            Transport::WebSocket => {
                with("sec-websocket-version", "13");
                with("sec-websocket-protocol", "tidings.v1");
            }
            Transport::Sse => with("accept", "text/event-stream"),
            _ => {}
        }
        let request = Request { is_secure: self.tls.is_some(), authority: host.clone(), headers };
        let first = subscriber.index as u64;
        let topics = (0..self.streams).map(|number| self.topic(first + number * self.clients));
        let streams = topics.map(|topic| {
            let resource = format!("{path}/topics/{topic}");
            let body = match self.transport {
                Transport::WebSocket => Body::WebSocket(Box::new(Frames::default())),
                Transport::Sse => Body::Stream(Box::new(Events::default())),
                _ => {
                    let poll = self.poll();
                    let (before, after) = poll.split_once('\n').unwrap_or_default();
                    let polls = Polls::new(format!("{resource}{before}"), after.to_owned());
                    Body::Polls { polls, has_cursor: false }
                }
            };
            (format!("{resource}{}", query(subscriber)), body)
        });
        let (out, reader) = Http2::begin(request, streams);
        (out, Box::new(reader))
    }

    /// The URL of the session of a client by WebTransport.
    pub(crate) fn webtransport_url(&self, subscriber: Subscriber<'_>) -> String {
        let Server { host, path, .. } = self.server(subscriber.server);
        let topic = self.topic(subscriber.index as u64);
        format!("https://{host}{path}/topics/{topic}{}", query(subscriber))
    }

    /// The query of a poll, with the cursor in place of the line end.
    fn poll(&self) -> String {
        format!("?after=\n&wait={}", self.hold)
    }
}

/// The query of the first request of a client.
fn query(subscriber: Subscriber<'_>) -> String {
    subscriber.after.map_or(String::new(), |after| format!("?after={after}"))
}
