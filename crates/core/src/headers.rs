//! Optional headers of a notification: event name, media type of the payload, time of publish, and trace.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::Error as _;
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

/// The maximum length of an event name, in bytes.
pub const MAX_EVENT_NAME_BYTES: usize = 255;

/// The maximum length of a content type, in bytes.
pub const MAX_CONTENT_TYPE_BYTES: usize = 255;

/// The maximum length of a `tracestate`, in bytes.
pub const MAX_TRACESTATE_BYTES: usize = 512;

/// The latest time of publish: the end of the year 9999, in milliseconds since the Unix epoch. JavaScript represents
/// every integer up to it exactly.
pub const MAX_TIME: u64 = 253_402_300_799_999;

/// Event names that are reserved on event streams: names that tidings sends or may send, and names that an
/// `EventSource` emits itself.
const RESERVED: [&str; 7] = ["binary", "error", "gap", "goodbye", "heartbeat", "message", "open"];

/// Optional headers of a notification. They are not HTTP headers: each transport carries them in its wire format. A
/// header is checked when it is set, so transports need not check it.
///
/// Cloning is shallow: it increments a reference count.
///
/// ```
/// use tidings_core::{Headers, Notification};
///
/// let headers = Headers::new().with_event("order-created")?.with_content_type("application/json")?;
/// let created = Notification::text("orders.new".parse()?, r#"{"item":"teapot"}"#).with_headers(headers);
/// assert_eq!(created.headers().and_then(|headers| headers.event()), Some("order-created"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Arc<Set>);

/// Names one of the [`Headers`]. Each wire format has a spelling for it: the table is in `docs/protocol.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Header {
    /// The name of the event.
    Event,
    /// The media type of the payload.
    ContentType,
    /// When the notification was published.
    Time,
    /// The trace that the notification belongs to.
    Traceparent,
    /// Vendor-specific data of the trace.
    Tracestate,
}

#[derive(Clone, Default, PartialEq, Eq)]
struct Set {
    event: Option<Box<str>>,
    content_type: Option<Box<str>>,
    time: Option<u64>,
    traceparent: Option<Box<str>>,
    /// `None` if `traceparent` is.
    tracestate: Option<Box<str>>,
}

/// The error for a text that is not a valid header. It holds the first 64 characters of the text.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ParseHeaderError {
    /// Not an event name.
    #[error(
        "invalid event name {0:?}: expected 1 to {MAX_EVENT_NAME_BYTES} visible ASCII characters"
    )]
    Event(String),
    /// An event name that is reserved on event streams.
    #[error("invalid event name {0:?}: it is reserved on event streams, choose another name")]
    ReservedEvent(String),
    /// Not a media type.
    #[error(
        "invalid content type {0:?}: expected a media type such as application/json, at most \
         {MAX_CONTENT_TYPE_BYTES} bytes"
    )]
    ContentType(String),
    /// Not a time.
    #[error("invalid time {0:?}: expected milliseconds since the Unix epoch, at most {MAX_TIME}")]
    Time(String),
    /// Not a `traceparent` of version 00.
    #[error("invalid traceparent {0:?}: expected version 00 of W3C Trace Context")]
    Traceparent(String),
    /// Not a `tracestate`.
    #[error(
        "invalid tracestate {0:?}: expected 1 to {MAX_TRACESTATE_BYTES} printable ASCII characters"
    )]
    Tracestate(String),
}

impl Headers {
    /// The bytes that a set of headers takes in memory besides its texts: the shared allocation, and what the allocator
    /// adds to up to five texts.
    pub(crate) const FIXED: usize = size_of::<Set>() + 96;

    /// Parses a time in milliseconds since the Unix epoch: digits only, as on every wire.
    ///
    /// # Errors
    /// Fails if the text is empty or has another character, or the time is later than [`MAX_TIME`].
    pub fn parse_time(text: &str) -> Result<u64, ParseHeaderError> {
        let is_digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let parsed = text.parse().ok().filter(|&millis| is_digits && millis <= MAX_TIME);
        parsed.ok_or_else(|| ParseHeaderError::Time(shown(text)))
    }

    /// Creates empty headers. A notification with empty headers equals one without headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the valid ones of these headers, or `None` if none is valid. Use it to read headers from a wire or a
    /// store, so that a notification with a malformed header is not lost. Of a header that occurs twice, the last valid
    /// one counts.
    ///
    /// A `tracestate` without a valid `traceparent` is left out (W3C Trace Context, section 3.3).
    pub fn lossy<T: AsRef<str>>(texts: impl IntoIterator<Item = (Header, T)>) -> Option<Self> {
        let mut set = Set::default();
        for (header, text) in texts {
            let text = text.as_ref();
            match header {
                Header::Event => set.event = event(text).ok().or(set.event),
                Header::ContentType => {
                    set.content_type = content_type(text).ok().or(set.content_type);
                }
                Header::Time => set.time = Self::parse_time(text).ok().or(set.time),
                Header::Traceparent => set.traceparent = traceparent(text).ok().or(set.traceparent),
                Header::Tracestate => set.tracestate = tracestate(text).ok().or(set.tracestate),
            }
        }
        if set.traceparent.is_none() {
            set.tracestate = None;
        }
        (set != Set::default()).then(|| Self(Arc::new(set)))
    }

    /// Sets the name of the event: 1 to [`MAX_EVENT_NAME_BYTES`] visible ASCII characters. An `EventSource` that
    /// receives a text notification with it calls the listeners of this name, and not `onmessage`.
    ///
    /// # Errors
    /// Fails if the name is malformed, or reserved on event streams: `binary`, `error`, `gap`, `goodbye`, `heartbeat`,
    /// `message` and `open`.
    pub fn with_event(mut self, name: &str) -> Result<Self, ParseHeaderError> {
        self.set().event = Some(event(name)?);
        Ok(self)
    }

    /// Sets the media type of the payload (RFC 9110, section 8.3.1), at most [`MAX_CONTENT_TYPE_BYTES`] bytes. It is
    /// passed on and not interpreted: whether the payload is text or binary is the notification's
    /// [`kind`](crate::Notification::kind).
    ///
    /// # Errors
    /// Fails if it is not a media type or is too long.
    pub fn with_content_type(mut self, media_type: &str) -> Result<Self, ParseHeaderError> {
        self.set().content_type = Some(content_type(media_type)?);
        Ok(self)
    }

    /// Sets the time of publish, in milliseconds since the Unix epoch. The hub passes it on and does not compare it
    /// with its own clock.
    ///
    /// # Errors
    /// Fails if it is later than [`MAX_TIME`].
    pub fn with_time(mut self, millis: u64) -> Result<Self, ParseHeaderError> {
        if millis > MAX_TIME {
            return Err(ParseHeaderError::Time(millis.to_string()));
        }
        self.set().time = Some(millis);
        Ok(self)
    }

    /// Sets the trace of the publish (W3C Trace Context, section 3): a `traceparent` of version 00, and a
    /// `tracestate` of at most [`MAX_TRACESTATE_BYTES`] bytes, which replaces any earlier one. The hub passes both on
    /// unchanged.
    ///
    /// # Errors
    /// Fails if either is malformed. The members of the `tracestate` are not checked.
    pub fn with_trace(
        mut self,
        parent: &str,
        state: Option<&str>,
    ) -> Result<Self, ParseHeaderError> {
        let (parent, state) = (traceparent(parent)?, state.map(tracestate).transpose()?);
        let set = self.set();
        (set.traceparent, set.tracestate) = (Some(parent), state);
        Ok(self)
    }

    /// Returns the name of the event.
    pub fn event(&self) -> Option<&str> {
        self.0.event.as_deref()
    }

    /// Returns the media type of the payload.
    pub fn content_type(&self) -> Option<&str> {
        self.0.content_type.as_deref()
    }

    /// Returns the time of publish, in milliseconds since the Unix epoch.
    pub fn time(&self) -> Option<u64> {
        self.0.time
    }

    /// Returns the `traceparent` (W3C Trace Context, section 3.2).
    pub fn traceparent(&self) -> Option<&str> {
        self.0.traceparent.as_deref()
    }

    /// Returns the `tracestate` (W3C Trace Context, section 3.3).
    pub fn tracestate(&self) -> Option<&str> {
        self.0.tracestate.as_deref()
    }

    /// Returns `true` if no header is set.
    pub fn is_empty(&self) -> bool {
        *self.0 == Set::default()
    }

    /// Returns the headers that are set as text, each at most once.
    pub fn iter(&self) -> impl Iterator<Item = (Header, Cow<'_, str>)> {
        let texts = [
            (Header::Event, self.event().map(Cow::Borrowed)),
            (Header::ContentType, self.content_type().map(Cow::Borrowed)),
            (Header::Time, self.time().map(|millis| Cow::Owned(millis.to_string()))),
            (Header::Traceparent, self.traceparent().map(Cow::Borrowed)),
            (Header::Tracestate, self.tracestate().map(Cow::Borrowed)),
        ];
        texts.into_iter().filter_map(|(header, text)| Some((header, text?)))
    }

    /// The number of bytes of the headers as text. Not inlined, so that notifications without headers do not pay for
    /// it.
    #[inline(never)]
    pub(crate) fn size(&self) -> usize {
        let length = |text: Option<&str>| text.map_or(0, str::len);
        length(self.event())
            + length(self.content_type())
            + self.time().map_or(0, |_| MAX_TIME.ilog10() as usize + 1)
            + length(self.traceparent())
            + length(self.tracestate())
    }

    /// The number of bytes that these headers take in memory.
    #[cold]
    pub(crate) fn weight(&self) -> usize {
        Self::FIXED + self.size()
    }

    fn set(&mut self) -> &mut Set {
        Arc::make_mut(&mut self.0)
    }
}

impl Header {
    /// All names, in the order in which the headers are written.
    pub const ALL: &[Self] =
        &[Self::Event, Self::ContentType, Self::Time, Self::Traceparent, Self::Tracestate];

    /// Returns the name of the JSON member for this header.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::ContentType => "content_type",
            Self::Time => "time",
            Self::Traceparent => "traceparent",
            Self::Tracestate => "tracestate",
        }
    }
}

fn event(name: &str) -> Result<Box<str>, ParseHeaderError> {
    let is_valid = (1..=MAX_EVENT_NAME_BYTES).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic());
    match is_valid {
        false => Err(ParseHeaderError::Event(shown(name))),
        true if RESERVED.contains(&name) => Err(ParseHeaderError::ReservedEvent(shown(name))),
        true => Ok(name.into()),
    }
}

/// Checks a media type: type and subtype are tokens, and parameters may follow (RFC 9110, section 8.3.1). The
/// parameters are not parsed.
fn content_type(media_type: &str) -> Result<Box<str>, ParseHeaderError> {
    let is_token = |text: &str| !text.is_empty() && text.bytes().all(is_token_byte);
    let (essence, _) = media_type.split_once(';').unwrap_or((media_type, ""));
    let is_valid = media_type.len() <= MAX_CONTENT_TYPE_BYTES
        && media_type.trim_ascii() == media_type
        && media_type.bytes().all(is_printable)
        && essence
            .trim_ascii_end()
            .split_once('/')
            .is_some_and(|(name, subtype)| is_token(name) && is_token(subtype));
    is_valid
        .then(|| media_type.into())
        .ok_or_else(|| ParseHeaderError::ContentType(shown(media_type)))
}

/// Checks `00-TRACE-PARENT-FLAGS`: lower case, and neither id is all zeros (W3C Trace Context, section 3.2.2).
fn traceparent(text: &str) -> Result<Box<str>, ParseHeaderError> {
    let is_hex = |text: &str, length| {
        text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |text: &str, length| is_hex(text, length) && text.bytes().any(|byte| byte != b'0');
    let parts: Vec<&str> = text.split('-').take(5).collect();
    let is_valid = matches!(parts[..], ["00", trace, parent, flags]
        if is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2));
    is_valid.then(|| text.into()).ok_or_else(|| ParseHeaderError::Traceparent(shown(text)))
}

fn tracestate(text: &str) -> Result<Box<str>, ParseHeaderError> {
    let is_valid = (1..=MAX_TRACESTATE_BYTES).contains(&text.len())
        && text.trim_ascii() == text
        && text.bytes().all(|byte| byte == b'\t' || is_printable(byte));
    is_valid.then(|| text.into()).ok_or_else(|| ParseHeaderError::Tracestate(shown(text)))
}

/// A character of a token (RFC 9110, section 5.6.2).
fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

fn is_printable(byte: u8) -> bool {
    byte == b' ' || byte.is_ascii_graphic()
}

/// The part of a text that an error shows.
fn shown(text: &str) -> String {
    text.chars().take(64).collect()
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter().map(|(header, text)| (header.member(), text))).finish()
    }
}

impl Serialize for Headers {
    /// Writes an object with a member for each header that is set. The time is a number.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (header, text) in self.iter() {
            match (header, self.time()) {
                (Header::Time, Some(millis)) => map.serialize_entry(header.member(), &millis)?,
                _ => map.serialize_entry(header.member(), &*text)?,
            }
        }
        map.end()
    }
}

impl<'de> Deserialize<'de> for Headers {
    /// Reads the headers of a publisher. A malformed trace is left out (W3C Trace Context, section 3.2). Any other
    /// malformed header is an error. Unknown members are ignored.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Members<'a> {
            #[serde(borrow)]
            event: Option<Cow<'a, str>>,
            #[serde(borrow)]
            content_type: Option<Cow<'a, str>>,
            time: Option<u64>,
            #[serde(borrow)]
            traceparent: Option<Cow<'a, str>>,
            #[serde(borrow)]
            tracestate: Option<Cow<'a, str>>,
        }
        let members = Members::deserialize(deserializer)?;
        let trace = [
            members.traceparent.map(|text| (Header::Traceparent, text)),
            members.tracestate.map(|text| (Header::Tracestate, text)),
        ];
        let mut headers = Self::lossy(trace.into_iter().flatten()).unwrap_or_default();
        if let Some(name) = &members.event {
            headers = headers.with_event(name).map_err(D::Error::custom)?;
        }
        if let Some(media_type) = &members.content_type {
            headers = headers.with_content_type(media_type).map_err(D::Error::custom)?;
        }
        match members.time {
            Some(millis) => headers.with_time(millis).map_err(D::Error::custom),
            None => Ok(headers),
        }
    }
}

#[cfg(test)]
mod tests;
