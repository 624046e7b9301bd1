//! The fields of tidings' own that carry the headers of a notification. An `EventSource` ignores fields that it does not
//! know (HTML standard, section 9.2.6).

use tidings_core::Header;

/// The field with the name of a binary event, whose type is `binary`. The type of a text event is its name.
pub(crate) const EVENT_NAME: &str = "event-name";

/// Returns the field of this header.
pub(crate) const fn field(header: Header) -> &'static str {
    match header {
        Header::Event => EVENT_NAME,
        Header::ContentType => "content-type",
        Header::Time => "time",
        Header::Traceparent => "traceparent",
        Header::Tracestate => "tracestate",
    }
}
