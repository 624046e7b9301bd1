//! The requests of a peer, where they differ from those of our server.

use crate::protocol::Transport;

/// How clients subscribe and publishers publish. `{topic}` in a text is the topic.
#[derive(Debug, PartialEq)]
pub(crate) struct Adapter {
    pub(crate) transport: Transport,
    /// The path and query of the first request of a client.
    pub(crate) subscribe: &'static str,
    /// Messages with which a client subscribes after a WebSocket has been opened. `None` if the request is enough.
    pub(crate) opening: Option<Opening>,
    /// The text of a ping of the peer's own protocol, and of its answer.
    pub(crate) ping: Option<[&'static str; 2]>,
    /// The path and query of all further polls. `{name}` is the value of this header of the last response.
    pub(crate) poll: Option<&'static str>,
    /// The requests that create a topic, before a client subscribes.
    pub(crate) create: &'static [Creation],
    /// The path and query of a publish, which is a POST.
    pub(crate) publish: &'static str,
    /// `true` if the query of a publish is signed as in the HTTP API of Pusher.
    pub(crate) is_signed: bool,
    /// Further header lines of all requests, each with its line end.
    pub(crate) headers: &'static str,
    /// The text before and after the payload, which is then a JSON string. The first may contain `{topic}`. `None` if the
    /// payload is sent as it is.
    pub(crate) envelope: Option<[&'static str; 2]>,
}

/// The exchange by which a client subscribes on an open WebSocket.
#[derive(Debug, PartialEq)]
pub(crate) struct Opening {
    /// The messages of the client.
    pub(crate) send: &'static [&'static str],
    /// A text in the message of the server that answers the last of them.
    pub(crate) answer: &'static str,
}

/// A request that creates a topic. A response of 409 means that it exists.
#[derive(Debug, PartialEq)]
pub(crate) struct Creation {
    pub(crate) method: &'static str,
    pub(crate) target: &'static str,
    pub(crate) body: &'static str,
}

impl Adapter {
    /// The requests of our server, which the small servers in `benches/peers` accept.
    pub(crate) const fn ours(transport: Transport) -> Self {
        Self {
            transport,
            subscribe: "/topics/{topic}",
            opening: None,
            ping: None,
            poll: None,
            create: &[],
            publish: "/topics/{topic}",
            is_signed: false,
            headers: "",
            envelope: None,
        }
    }

    /// Replaces `{topic}`.
    pub(crate) fn fill(text: &str, topic: &str) -> String {
        text.replace("{topic}", topic)
    }

    /// The body of a publish.
    pub(crate) fn wrap(&self, payload: Vec<u8>, topic: &str) -> Vec<u8> {
        let Some([before, after]) = self.envelope else { return payload };
        let text = serde_json::Value::String(String::from_utf8_lossy(&payload).into_owned());
        format!("{}{text}{after}", Self::fill(before, topic)).into_bytes()
    }
}
