//! The fields for the headers of a notification.
//!
//! They are not in the standard. An `EventSource` ignores unknown fields (HTML standard, section 9.2.6).

use tidings_core::Header;

/// The field for the event name of a binary notification, because the type of its event is `binary`. A text
/// notification does not need this field: its event name is the type of the event.
pub(crate) const EVENT_NAME: &str = "event-name";

pub(crate) const fn field(header: Header) -> &'static str {
    match header {
        Header::Event => EVENT_NAME,
        Header::ContentType => "content-type",
        Header::Time => "time",
        Header::Traceparent => "traceparent",
        Header::Tracestate => "tracestate",
    }
}
