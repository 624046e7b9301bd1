//! The JSON texts of the WebSocket subprotocol `tidings.v1`, which WebTransport has as well.

use std::time::Duration;

use serde::Deserialize;
use tidings_core::{Gap, Headers, Id};

use super::{Arrival, Goodbye, Notice, NoticeContent};
use crate::lossy_headers;

/// A JSON text that a client received: a notification, a gap, a reply, a heartbeat or a goodbye.
#[derive(Debug, Deserialize)]
pub struct Frame {
    id: Option<Id>,
    topic: Option<String>,
    #[serde(default, deserialize_with = "lossy_headers")]
    headers: Option<Headers>,
    data: Option<String>,
    data_base64: Option<String>,
    gap: Option<Gap>,
    ping: Option<u64>,
    reply: Option<NoticeContent>,
    goodbye: Option<Goodbye>,
}

impl Frame {
    /// Parses a JSON text.
    ///
    /// # Errors
    /// Fails with a description of the problem if it is malformed.
    pub fn parse(json: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(json).map_err(|error| error.to_string())
    }

    /// Returns the time until the next heartbeat if this is a heartbeat.
    pub fn heartbeat(&self) -> Option<Duration> {
        self.ping.map(Duration::from_millis)
    }

    /// Converts it into the item that arrived.
    ///
    /// # Errors
    /// Fails with a description of the problem if it is none, or if its payload is missing or malformed.
    pub fn arrival(self) -> Result<Arrival, String> {
        Ok(match self {
            Self { gap: Some(gap), .. } => Arrival::Gap(gap),
            Self { reply: Some(reply), .. } => Arrival::Reply(reply.message()?),
            Self { goodbye: Some(goodbye), .. } => Arrival::Goodbye(goodbye),
            Self { ping: Some(_), id, .. } => Arrival::Heartbeat(id),
            Self { id: Some(id), topic: Some(topic), headers, data, data_base64, .. } => {
                let notice = Notice { id, topic, headers, data, data_base64 };
                Arrival::Notification(notice.received()?)
            }
            Self { .. } => return Err("neither notification, gap, reply nor ping".to_owned()),
        })
    }
}
