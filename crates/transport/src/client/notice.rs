//! A notification inside JSON, as a client takes it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tidings_core::{Headers, Id};

use super::Received;
use crate::{Message, lossy_headers};

/// A notification inside JSON, as a client takes it: an [`Envelope`](crate::Envelope) that owns its
/// strings, so that a text payload is not copied again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// Identity and position.
    pub id: Id,
    /// What it is about.
    pub topic: String,
    /// The headers. `None` if no valid header is set.
    #[serde(default, deserialize_with = "lossy_headers")]
    pub headers: Option<Headers>,
    /// The payload if it is text.
    pub data: Option<String>,
    /// The payload in base64 (RFC 4648, section 4) if it is binary.
    pub data_base64: Option<String>,
}

/// The payload of a [`Notice`], or of a reply to a client's message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NoticeContent {
    /// The payload if it is text.
    pub data: Option<String>,
    /// The payload in base64 (RFC 4648, section 4) if it is binary.
    pub data_base64: Option<String>,
}

impl NoticeContent {
    /// Returns the kind and the payload.
    ///
    /// # Errors
    /// Returns a description of the problem if neither field is there, or if the base64 is malformed.
    pub fn message(self) -> Result<Message, String> {
        match (self.data, self.data_base64) {
            (Some(text), _) => Ok(Message::text(text)),
            (None, Some(base64)) => match STANDARD.decode(base64) {
                Ok(payload) => Ok(Message::binary(payload)),
                Err(error) => Err(format!("data_base64: {error}")),
            },
            (None, None) => Err("neither data nor data_base64".to_owned()),
        }
    }
}

impl Notice {
    /// What a client is told of it.
    ///
    /// # Errors
    /// What is wrong with it, where neither field is there or the base64 is malformed.
    pub fn received(self) -> Result<Received, String> {
        let Self { id, topic, headers, data, data_base64 } = self;
        let content = NoticeContent { data, data_base64 }.message();
        let Message { kind, payload } = content.map_err(|problem| format!("{id}: {problem}"))?;
        Ok(Received { id: Some(id), topic: Some(topic), kind, payload, headers })
    }
}
