//! Negotiates `permessage-deflate` (RFC 7692, sections 5 and 7.1), the only extension that the server supports.
//!
//! The server compresses a notification once for all clients of a group, with the notifications before it as history. A
//! client that forgets this history after each message (`server_no_context_takeover`) cannot decode the result, and
//! neither can a client whose window is smaller than 12 bits, which is the window of all clients. So an offer with one
//! of these demands is declined, and the next offer is tried. If there is none, the connection continues without the
//! extension.
//!
//! A client must not refer to its own earlier messages (`client_no_context_takeover` in each response), so the server
//! holds no history of a client.

use http::{HeaderMap, header};

/// How the server accepts an offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// The client accepts messages with any window.
    Unlimited,
    /// The client demands a window of at most 12 to 15 bits. The response must have a window that is not larger
    /// (section 7.1.2.1).
    Limited,
}

impl Agreement {
    /// All agreements, in the order of their discriminants.
    pub(crate) const ALL: [Self; 2] = [Self::Unlimited, Self::Limited];

    /// Returns the value of `Sec-WebSocket-Extensions` in the response.
    pub(crate) fn response(self) -> &'static str {
        match self {
            Self::Unlimited => "permessage-deflate; client_no_context_takeover",
            Self::Limited => {
                // `tidings_transport::compression` uses this window for all clients.
                "permessage-deflate; client_no_context_takeover; server_max_window_bits=12"
            }
        }
    }
}

/// Returns how the server accepts the first acceptable offer in `Sec-WebSocket-Extensions`, or `None` if there is none.
///
/// A malformed offer is declined like one that the server does not support. RFC 6455, section 9.1, would fail the
/// handshake instead, but a server without extensions accepts the same request.
pub(crate) fn negotiate(headers: &HeaderMap) -> Option<Agreement> {
    let values = headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter();
    values.flat_map(|value| parts(value.as_bytes(), b',')).find_map(accept)
}

/// Returns how the server accepts this offer, or `None` if it declines. An offer with an unknown parameter, a parameter
/// twice or an invalid value must be declined (section 7.1).
fn accept(offer: &[u8]) -> Option<Agreement> {
    let mut parameters = parts(offer, b';');
    if parameters.next()?.trim_ascii() != b"permessage-deflate" {
        return None;
    }
    let (mut client_takeover, mut client_window, mut server_window) = (None, None, None);
    for parameter in parameters {
        let (name, value) = match parameter.iter().position(|&byte| byte == b'=') {
            Some(at) => (&parameter[..at], Some(window_bits(&parameter[at + 1..])?)),
            None => (parameter, None),
        };
        let slot = match name.trim_ascii() {
            b"client_no_context_takeover" => &mut client_takeover,
            b"client_max_window_bits" => &mut client_window,
            b"server_max_window_bits" => &mut server_window,
            _ => return None,
        };
        if slot.replace(value).is_some() {
            return None;
        }
    }
    if matches!(client_takeover, Some(Some(_))) {
        return None;
    }
    match server_window {
        None => Some(Agreement::Unlimited),
        Some(Some(12..)) => Some(Agreement::Limited),
        Some(_) => None,
    }
}

/// Parses a window size, which is the only kind of value that a parameter can have: a decimal number from 8 to 15, as a
/// token or as a quoted string. Returns `None` if it is not one.
fn window_bits(value: &[u8]) -> Option<u8> {
    let value = value.trim_ascii();
    let value = match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\"")?,
        None => value,
    };
    (8..=15).find(|bits: &u8| bits.to_string().as_bytes() == value)
}

/// Splits at the separators that are not in a quoted string.
fn parts(list: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    list.split(move |&byte| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match byte {
            b'"' if !was_escaped => is_quoted = !is_quoted,
            b'\\' if !was_escaped => is_escaped = true,
            _ => {}
        }
        byte == separator && !is_quoted
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn negotiated(values: &[&str]) -> Option<Agreement> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::SEC_WEBSOCKET_EXTENSIONS, value.parse().unwrap());
        }
        negotiate(&headers)
    }

    #[test]
    fn each_offer_has_its_agreement() {
        let (unlimited, limited) = (Some(Agreement::Unlimited), Some(Agreement::Limited));
        let table: &[(&str, Option<Agreement>)] = &[
            // Firefox; Chromium, Node.js, ws and Python's websockets; Autobahn.
            ("permessage-deflate", unlimited),
            ("permessage-deflate; client_max_window_bits", unlimited),
            ("permessage-deflate; client_no_context_takeover; client_max_window_bits", unlimited),
            // Windows of the server.
            ("permessage-deflate; server_max_window_bits=15", limited),
            ("permessage-deflate; server_max_window_bits=14", limited),
            ("permessage-deflate; server_max_window_bits=13", limited),
            ("permessage-deflate; server_max_window_bits=12; client_max_window_bits=12", limited),
            ("permessage-deflate; server_max_window_bits=11", None),
            ("permessage-deflate; server_max_window_bits=8", None),
            ("permessage-deflate; server_no_context_takeover", None),
            ("permessage-deflate; server_no_context_takeover; client_no_context_takeover", None),
            // Lists: the first one that is acceptable.
            ("permessage-deflate; server_max_window_bits=10, permessage-deflate", unlimited),
            (
                "permessage-deflate; client_max_window_bits; server_max_window_bits=10, \
                 permessage-deflate; server_max_window_bits=12, permessage-deflate",
                limited,
            ),
            ("permessage-deflate, permessage-deflate; server_max_window_bits=12", unlimited),
            ("x-webkit-deflate-frame, permessage-deflate", unlimited),
            ("permessage-bzip2; level=9, permessage-foo; x, permessage-deflate", unlimited),
            ("x; a=\"1, permessage-deflate, 2\"", None),
            ("x; a=\"\\\", permessage-deflate, 2\"", None),
            ("x; a=\"1; 2\\\\\", permessage-deflate", unlimited),
            ("x\\, permessage-deflate", unlimited),
            (", ,permessage-deflate,", unlimited),
            ("", None),
            ("x-webkit-deflate-frame", None),
            // Spaces and quoted values.
            ("permessage-deflate;server_max_window_bits=12", limited),
            ("\tpermessage-deflate ; server_max_window_bits = \"12\" ", limited),
            ("permessage-deflate; server_max_window_bits=\"12", None),
            ("permessage-deflate; server_max_window_bits=12\"", None),
            ("permessage-deflate; server_max_window_bits=\"", None),
            // Values that are not allowed.
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=012", None),
            ("permessage-deflate; server_max_window_bits=+12", None),
            ("permessage-deflate; server_max_window_bits=12x", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; client_max_window_bits=16", None),
            ("permessage-deflate; client_max_window_bits=", None),
            ("permessage-deflate; client_no_context_takeover=1", None),
            ("permessage-deflate; client_no_context_takeover=12", None),
            ("permessage-deflate; server_no_context_takeover=12", None),
            // Parameters that are unknown, empty or there twice.
            ("permessage-deflate; level=9", None),
            ("permessage-deflate; mode=12", None),
            ("permessage-deflate;", None),
            ("permessage-deflate; client_max_window_bits; client_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=12; server_max_window_bits=12", None),
            ("permessage-deflate; client_no_context_takeover; client_no_context_takeover", None),
            ("permessage-deflate=12", None),
            ("permessage-deflate client_max_window_bits", None),
        ];
        for (offer, agreement) in table {
            assert_eq!(negotiated(&[offer]), *agreement, "{offer}");
        }
    }

    #[test]
    fn header_lines_are_one_list() {
        let declined = "permessage-deflate; server_no_context_takeover";
        assert_eq!(negotiated(&[]), None);
        assert_eq!(
            negotiated(&[declined, "x", "permessage-deflate; server_max_window_bits=12"]),
            Some(Agreement::Limited)
        );
        assert_eq!(negotiated(&["permessage-deflate", declined]), Some(Agreement::Unlimited));
        // A string that is not closed ends with its line.
        assert_eq!(negotiated(&["x; a=\"", "permessage-deflate"]), Some(Agreement::Unlimited));
    }

    #[test]
    fn a_value_that_is_not_text_is_declined() {
        let mut headers = HeaderMap::new();
        let value = http::HeaderValue::from_bytes(b"permessage-deflate; \xff").unwrap();
        headers.append(header::SEC_WEBSOCKET_EXTENSIONS, value);
        assert_eq!(negotiate(&headers), None);
    }
}
