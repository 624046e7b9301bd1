//! Notifications in JSON that a client received.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use tidings_core::{Headers, Id};

use super::Received;
use crate::{Message, lossy_headers};

/// A notification in JSON that a client received. It is an [`Envelope`](crate::Envelope) that owns its strings, so that
/// a text payload is not copied again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Notice {
    /// The id, which is also a position.
    pub id: Id,
    /// The topic.
    pub topic: String,
    /// The headers. `None` if no valid header is set.
    #[serde(default, deserialize_with = "lossy_headers")]
    pub headers: Option<Headers>,
    /// A text payload.
    pub data: Option<String>,
    /// A binary payload, in base64 (RFC 4648, section 4).
    pub data_base64: Option<String>,
}

/// The payload of a [`Notice`], or of a reply to a client's message.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct NoticeContent {
    /// A text payload.
    pub data: Option<String>,
    /// A binary payload, in base64 (RFC 4648, section 4).
    pub data_base64: Option<String>,
}

impl NoticeContent {
    /// Returns the kind and the payload.
    ///
    /// # Errors
    /// Fails with a description of the problem if both fields are missing, or the base64 is malformed.
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
    /// Converts it into a received notification.
    ///
    /// # Errors
    /// Fails with the id and a description of the problem if `data` and `data_base64` are missing, or the base64 is
    /// malformed.
    pub fn received(self) -> Result<Received, String> {
        let Self { id, topic, headers, data, data_base64 } = self;
        let content = NoticeContent { data, data_base64 }.message();
        let Message { kind, payload } = content.map_err(|problem| format!("{id}: {problem}"))?;
        Ok(Received { id: Some(id), topic: Some(topic), kind, payload, headers })
    }
}
