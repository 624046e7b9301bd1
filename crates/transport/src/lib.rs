//! The contract of a transport: accept, encode and decode. A transport does no I/O.
//!
//! ```text
//! accept(request)                  ─► Accepted { head, encoder, shape, … } the head of the response, and its encoder
//! encoder.encode(events, position) ─► Bytes                               the events on the wire
//! decoder.decode(bytes)            ─► Inbound                             the messages of the client
//! encoder.reply(message)           ─► Bytes                               the reply to a client's message
//! ```
//!
//! A [`Transport`] has no timers, policies, history, list of clients, or sockets. So it is small and can be tested
//! without a network, and the same code is used by the worker threads of `tidings-server` and, in another server, by a
//! [`mount`].
//!
//! With the feature `client`, the module `client` has the contract of the client half: connect, and get a stream of
//! what arrives.

mod authorize;
mod choose;
#[cfg(feature = "client")]
pub mod client;
pub mod compression;
mod connect;
mod contract;
mod envelope;
mod fitted;
mod headers;
mod hosts;
mod message;
pub mod mount;
mod negotiate;
mod on_message;
mod origin;
mod payload;
mod publish;
mod publish_many;
mod rejection;
mod request;
mod token;

pub use authorize::{Action, Authorize, Authorizer};
pub use choose::choose;
pub use connect::{ConnectProtocol, connects_to, is_extended_connect};
pub use contract::{
    Accepted, Compression, Decoder, Encoder, Inbound, Shape, Transport, concatenated,
};
pub use envelope::{
    ENVELOPE, Envelope, base64_of, gap_json, goodbye_json, heartbeat_json, reply_json,
};
pub use fitted::fitted;
pub use headers::lossy_headers;
pub use hosts::{Hosts, ListenerKind};
pub use message::{Message, MessageSender};
pub use negotiate::prefers;
pub use on_message::{HandleMessage, Handled, Handling, OnMessage};
pub use origin::{OriginCheck, Origins};
pub use payload::read_payload;
pub use publish::{PublishRequest, published};
pub use publish_many::{PublishMany, PublishedMany};
pub use rejection::Rejection;
pub use request::{SubscribeRequest, last_segment, lists, path_segment, query};
pub use token::token;
