//! A notification: a topic, a payload and optional headers.

use bytes::Bytes;
use thiserror::Error;

use crate::{Headers, SeatId, Topic};

/// Whether a payload is text or binary. It decides the WebSocket opcode and how JSON and SSE carry it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Valid UTF-8.
    Text,
    /// Any bytes.
    Binary,
}

/// A notification that is not published yet. Each subscriber gets the payload byte for byte.
///
/// ```
/// use tidings_core::{Kind, Notification};
/// let greeting = Notification::text("lobby".parse()?, "good morning");
/// assert_eq!(greeting.kind(), Kind::Text);
/// # Ok::<(), tidings_core::ParseTopicError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    topic: Topic,
    payload: Bytes,
    kind: Kind,
    origin: Option<SeatId>,
    headers: Option<Headers>,
}

/// The error for the payload of a text notification that is not valid UTF-8.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error(
    "the payload is not valid UTF-8 from byte {valid_up_to} on: correct it, or send it as binary"
)]
pub struct InvalidUtf8 {
    /// The number of valid bytes before the first invalid one.
    pub valid_up_to: usize,
}

impl Notification {
    /// Creates a text notification.
    pub fn text(topic: Topic, payload: impl Into<String>) -> Self {
        Self {
            topic,
            payload: payload.into().into(),
            kind: Kind::Text,
            origin: None,
            headers: None,
        }
    }

    /// Creates a binary notification.
    pub fn binary(topic: Topic, payload: impl Into<Bytes>) -> Self {
        Self { topic, payload: payload.into(), kind: Kind::Binary, origin: None, headers: None }
    }

    /// Creates a notification with bytes that were received.
    ///
    /// # Errors
    /// Fails if the kind is text and the bytes are not valid UTF-8.
    pub fn checked(topic: Topic, kind: Kind, payload: Bytes) -> Result<Self, InvalidUtf8> {
        if kind == Kind::Text
            && let Err(fault) = std::str::from_utf8(&payload)
        {
            return Err(InvalidUtf8 { valid_up_to: fault.valid_up_to() });
        }
        Ok(Self { topic, payload, kind, origin: None, headers: None })
    }

    /// Sets the seat of the client that publishes it, so that this client can leave out its own notifications
    /// ([`Interest::without_own`](crate::Interest::without_own)).
    pub fn from_seat(mut self, seat: SeatId) -> Self {
        self.origin = Some(seat);
        self
    }

    /// Sets the headers, and replaces any earlier ones. Default: none. Empty headers are the same as none.
    pub fn with_headers(mut self, headers: Headers) -> Self {
        self.headers = Some(headers).filter(|headers| !headers.is_empty());
        self
    }

    /// Returns the topic.
    pub fn topic(&self) -> &Topic {
        &self.topic
    }

    /// Returns the payload. It is valid UTF-8 if [`kind`](Self::kind) is text.
    pub fn payload(&self) -> &Bytes {
        &self.payload
    }

    /// Returns the payload as text, or `None` if it is binary.
    pub fn as_text(&self) -> Option<&str> {
        match self.kind {
            Kind::Text => std::str::from_utf8(&self.payload).ok(),
            Kind::Binary => None,
        }
    }

    /// Returns whether the payload is text or binary.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Returns the seat of the client that published it, or `None` if it was not set.
    pub fn origin(&self) -> Option<SeatId> {
        self.origin
    }

    /// Returns the headers, or `None` if no header is set.
    pub fn headers(&self) -> Option<&Headers> {
        self.headers.as_ref()
    }

    /// Returns the number of bytes of the payload and of the headers as text. Readers that take many notifications at a
    /// time are bounded by the sum of these.
    pub fn size(&self) -> usize {
        self.payload.len() + self.headers.as_ref().map_or(0, Headers::size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf8_is_an_error_with_the_number_of_valid_bytes() {
        let topic: Topic = "t".parse().unwrap();
        let bytes = Bytes::from_static(b"ab\xff");
        let fault = Notification::checked(topic.clone(), Kind::Text, bytes.clone()).unwrap_err();
        assert_eq!(fault.valid_up_to, 2);
        assert!(Notification::checked(topic, Kind::Binary, bytes).is_ok());
    }

    #[test]
    fn empty_headers_equal_none_and_headers_take_one_pointer() {
        let plain = Notification::text("t".parse().unwrap(), "x");
        assert_eq!(plain.clone().with_headers(Headers::new()), plain);
        let event = Headers::new().with_event("created").unwrap();
        let with_event = plain.clone().with_headers(event.clone());
        assert_eq!((with_event.headers(), with_event.size()), (Some(&event), 8));
        assert_eq!((plain.headers(), plain.size()), (None, 1));
        assert_eq!(size_of::<Option<Headers>>(), size_of::<usize>());
    }
}
