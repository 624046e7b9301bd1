//! Parses the filters and the position of a request to subscribe, which are the same for all transports.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Uri, header};
use percent_encoding::percent_decode_str;
use tidings_core::{Filters, Id, Position};

use crate::{Rejection, prefers};

/// A request to subscribe.
///
/// ```
/// use tidings_core::Position;
/// use tidings_transport::SubscribeRequest;
///
/// let request = http::Request::get("/topics/orders.*?after=b7k2q9-1042").body(())?;
/// let subscribe = SubscribeRequest::read("orders.*", &request.into_parts().0).expect("it is well-formed");
/// assert!(matches!(subscribe.position, Position::After(id) if id.seq == 1042));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeRequest {
    /// The filters. The client is sent the notifications whose topic matches at least one of them.
    pub filters: Filters,
    /// The position to read from: `Last-Event-ID`, otherwise the last `?after=` or `?last_event_id=`, otherwise
    /// [`Position::Live`].
    pub position: Position,
    /// Whether the client may be sent compressed bytes. `false` if the query has `compression=off`. A
    /// [`Mount`](crate::mount::Mount) without compression sets it to `false`.
    pub may_compress: bool,
}

impl SubscribeRequest {
    /// Parses a request. `filters` is the segment of the path that names the filters, percent-encoded.
    ///
    /// # Errors
    /// Fails with a `400` if the filters or the position are malformed.
    pub fn read(filters: &str, request: &Parts) -> Result<Self, Rejection> {
        Self::new(path_segment(filters)?.parse()?, request)
    }

    /// Parses the position of a request for these filters, and whether it may be compressed.
    ///
    /// # Errors
    /// Fails with a `400` if the position is malformed, or `?compression=` is neither `on` nor `off`.
    pub fn new(filters: Filters, request: &Parts) -> Result<Self, Rejection> {
        Ok(Self { filters, position: position(request)?, may_compress: may_compress(request)? })
    }

    /// Returns `true` if the body of the response may be gzip: compression is allowed, and the request accepts gzip
    /// (RFC 9110, section 12.5.3).
    pub fn may_gzip(&self, request: &Parts) -> bool {
        self.may_compress && prefers(&request.headers, &header::ACCEPT_ENCODING, "gzip", "identity")
    }
}

/// Whether `?compression=` allows compression, which it does by default.
fn may_compress(request: &Parts) -> Result<bool, Rejection> {
    match query(request, "compression").as_deref() {
        None | Some("on") => Ok(true),
        Some("off") => Ok(false),
        Some(other) => {
            let message = format!("invalid compression {other:?}: expected on or off");
            Err(Rejection::bad_request("bad_compression", message))
        }
    }
}

/// Percent-decodes the segment of a path that names a topic or filters.
///
/// # Errors
/// Fails with a `400` if the result is not UTF-8.
pub fn path_segment(encoded: &str) -> Result<Cow<'_, str>, Rejection> {
    if !encoded.bytes().any(|byte| byte == b'%') {
        return Ok(Cow::Borrowed(encoded));
    }
    percent_decode_str(encoded).decode_utf8().map_err(|_| {
        Rejection::bad_request("bad_topic", "the topic is not UTF-8 after percent-decoding")
    })
}

/// Returns the last segment of a path, percent-decoded.
///
/// # Errors
/// Fails with a `400` if the result is not UTF-8.
pub fn last_segment(uri: &Uri) -> Result<Cow<'_, str>, Rejection> {
    path_segment(uri.path().rsplit('/').next().unwrap_or_default())
}

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The position in the header, otherwise the last one in the query. The last one counts because a client that resumes
/// may append its last event id to a URL that already has a position.
fn position(request: &Parts) -> Result<Position, Rejection> {
    let header = request.headers.get(&LAST_EVENT_ID).filter(|value| !value.is_empty());
    if let Some(value) = header {
        return Ok(last_event_id(value.to_str().unwrap_or_default()));
    }
    let is_position = |(name, value): &(Cow<'_, str>, Cow<'_, str>)| {
        name == "after" || (is_last_event_id(name) && !value.is_empty())
    };
    match pairs(request).filter(is_position).last() {
        None => Ok(Position::Live),
        Some((name, id)) if name == "after" => Ok(id.parse()?),
        Some((_, id)) => Ok(last_event_id(&id)),
    }
}

/// The position that a last event id names. Any text that is not a position becomes [`Id::UNKNOWN`], so that the client
/// is sent a gap. An error would be worse, because an `EventSource` does not reconnect after one.
fn last_event_id(text: &str) -> Position {
    text.parse().unwrap_or(Position::After(Id::UNKNOWN))
}

/// Whether a query parameter with this name is a last event id.
///
/// Polyfills of `EventSource` that cannot send the header to another origin use a parameter instead: `lastEventId`
/// (event-source-polyfill), `lastEventID` and `Last-Event-ID` (Mercure), or `evs_last_event_id` (amvtek's polyfill). So
/// the case and the separators of the words are ignored.
pub(crate) fn is_last_event_id(name: &str) -> bool {
    let name = name.strip_prefix("evs_").unwrap_or(name);
    let letters = name.bytes().filter(|byte| !matches!(byte, b'-' | b'_'));
    letters.map(|byte| byte.to_ascii_lowercase()).eq(*b"lasteventid")
}

/// The host of a request, with its port. An absolute target takes precedence over the header `Host` (RFC 9112, section
/// 3.2.2), which a request over HTTP/2 may not have.
pub(crate) fn host(request: &Parts) -> Option<&str> {
    match request.uri.authority() {
        Some(authority) => Some(authority.as_str()),
        None => request.headers.get(header::HOST)?.to_str().ok(),
    }
}

/// Returns the first value of a query parameter, decoded as a form (URL standard, section 5.1).
pub fn query<'a>(request: &'a Parts, name: &str) -> Option<Cow<'a, str>> {
    pairs(request).find_map(|(key, value)| (key == name).then_some(value))
}

fn pairs(request: &Parts) -> impl Iterator<Item = (Cow<'_, str>, Cow<'_, str>)> {
    let pairs = request.uri.query().into_iter().flat_map(|query| query.split('&'));
    pairs.map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key), decoded(value))
    })
}

/// Returns `true` if a header that is a list contains this item. The case and the parameters are ignored (RFC 9110,
/// sections 5.6.1 and 5.6.6).
pub fn lists(request: &Parts, name: HeaderName, item: &str) -> bool {
    let is_item = |element: &[u8]| {
        let end = element.iter().position(|&byte| byte == b';').unwrap_or(element.len());
        element[..end].trim_ascii().eq_ignore_ascii_case(item.as_bytes())
    };
    // Most lists have one element, in the usual upper or lower case.
    let has_item = |line: &HeaderValue| {
        line == item || line.as_bytes().split(|&byte| byte == b',').any(is_item)
    };
    request.headers.get_all(name).iter().any(has_item)
}

/// Decodes a name or a value of a query. Text that is not encoded, as most is not, is not copied.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Cow::Borrowed(text);
    }
    let spaced = text.replace('+', " ");
    Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Snapshot;

    fn subscribe(uri: &str, last_event_id: Option<&str>) -> Result<SubscribeRequest, Rejection> {
        let mut request = http::Request::get(uri);
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        SubscribeRequest::read(parts.uri.path().trim_start_matches("/topics/"), &parts)
    }

    fn seq(uri: &str, last_event_id: Option<&str>) -> u64 {
        match subscribe(uri, last_event_id).unwrap().position {
            Position::After(id) => id.seq,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_header_comes_first_and_then_the_last_position_in_the_query() {
        assert_eq!(seq("/topics/a?after=e-2&last_event_id=e-3", Some("e-1")), 1);
        assert_eq!(seq("/topics/a?after=earliest&last_event_id=e-3", Some("")), 3);
        assert_eq!(seq("/topics/a?last_event_id=e-3&after=e-2", None), 2);
        assert_eq!(seq("/topics/a?lastEventId=e-3&x&lastEventId=e-4&lastEventId=", None), 4);
        assert_eq!(seq("/topics/a?after=e-2&lastEventId=", None), 2);
        assert_eq!(
            subscribe("/topics/a?after=earliest", None).unwrap().position,
            Position::Earliest
        );
        assert_eq!(subscribe("/topics/a", None).unwrap().position, Position::Live);
        let rest = Position::Snapshot(Snapshot::new("e-3".parse().unwrap(), 7));
        for (text, expected) in [("latest", Position::Latest), ("e-3.7", rest)] {
            let position = |uri: &str, header| subscribe(uri, header).unwrap().position;
            assert_eq!(position(&format!("/topics/a?after={text}"), None), expected);
            assert_eq!(position(&format!("/topics/a?lastEventId={text}"), None), expected);
            assert_eq!(position("/topics/a?after=e-9", Some(text)), expected);
        }
    }

    #[test]
    fn a_last_event_id_in_the_query_has_any_name_that_clients_give_it() {
        for name in [
            "last_event_id",
            "lastEventId",
            "lastEventID",
            "Last-Event-ID",
            "Last-Event-Id",
            "last-event-id",
            "lasteventid",
            "evs_last_event_id",
            "last%5Fevent%5Fid",
        ] {
            assert_eq!(seq(&format!("/topics/a?{name}=e-3"), None), 3, "{name}");
            let earliest = subscribe(&format!("/topics/a?{name}=earliest"), None).unwrap().position;
            assert_eq!(earliest, Position::Earliest, "{name}");
        }
        for name in ["lastEvent", "myLastEventId", "evs", "id"] {
            let position = subscribe(&format!("/topics/a?{name}=e-3"), None).unwrap().position;
            assert_eq!(position, Position::Live, "{name}");
        }
    }

    #[test]
    fn a_last_event_id_that_is_not_a_position_is_an_unknown_one() {
        for id in ["urn:uuid:1", "7", "nonsense", "A-1", "caf\u{e9}", "e-99999999999999999999"] {
            let unknown = Position::After(Id::UNKNOWN);
            assert_eq!(subscribe("/topics/a", Some(id)).unwrap().position, unknown, "{id}");
            let in_query = format!("/topics/a?lastEventId={}", id.replace('\u{e9}', "%E9"));
            assert_eq!(subscribe(&in_query, None).unwrap().position, unknown, "{id}");
        }
    }

    #[test]
    fn wildcards_and_commas_may_be_percent_encoded() {
        let filters = subscribe("/topics/a.%2A%2Cb.%3E", None).unwrap().filters;
        assert_eq!(filters.to_string(), "a.*,b.>");
    }

    #[test]
    fn a_list_is_searched_over_all_its_lines() {
        let request = http::Request::get("/")
            .header("accept", "a, B ;q=1,")
            .header("accept", "c")
            .body(())
            .unwrap()
            .into_parts()
            .0;
        let lists = |item| lists(&request, http::header::ACCEPT, item);
        assert!(["a", "b", "c"].into_iter().all(lists));
        assert!(!lists("q=1") && !lists("a, b"));
    }

    #[test]
    fn a_query_parameter_is_decoded_as_in_a_form() {
        let request = http::Request::get("/?a+b=1%2B1&&c&%63=2").body(()).unwrap().into_parts().0;
        assert_eq!(query(&request, "a b").as_deref(), Some("1+1"));
        assert_eq!(query(&request, "c").as_deref(), Some(""));
        assert_eq!(query(&request, "d"), None);
    }

    #[test]
    fn malformed_topics_and_positions_are_rejected_with_their_codes() {
        let code = |uri| subscribe(uri, None).unwrap_err().code;
        assert_eq!(code("/topics/"), "bad_topic");
        assert_eq!(code("/topics/a..b"), "bad_topic");
        assert_eq!(code("/topics/%ff"), "bad_topic");
        assert_eq!(code("/topics/a?after=nonsense"), "bad_id");
        assert_eq!(code("/topics/a?after="), "bad_id");
    }
}
