//! The fields that carry the headers of a notification. They are not in the standard, and an `EventSource` ignores unknown
//! fields (HTML standard, section 9.2.6).

use tidings_core::Header;

/// The field for the event name of a binary notification, whose type is `binary`. The type of a text notification is its
/// event name.
pub(crate) const EVENT_NAME: &str = "event-name";

/// Returns the name of the field for this header.
pub(crate) const fn field(header: Header) -> &'static str {
    match header {
        Header::Event => EVENT_NAME,
        Header::ContentType => "content-type",
        Header::Time => "time",
        Header::Traceparent => "traceparent",
        Header::Tracestate => "tracestate",
    }
}
