//! From a request to what it asks for: filters and position, in the same words on every transport.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderName, HeaderValue};
use percent_encoding::percent_decode_str;
use tidings_core::{Filters, Position};

use crate::Refusal;

/// What a subscriber asks for.
///
/// ```
/// use tidings_core::Position;
/// use tidings_transport::Ask;
///
/// let request = http::Request::get("/topics/orders.*?after=b7k2q9-1042").body(())?;
/// let ask = Ask::read("orders.*", &request.into_parts().0).expect("it is well-formed");
/// assert!(matches!(ask.position, Position::After(id) if id.seq == 1042));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// Of which topics.
    pub filters: Filters,
    /// From where: `Last-Event-ID`, else `?after=`, else `?last_event_id=`.
    pub position: Position,
}

impl Ask {
    /// Reads what a request asks for; `filters` is the part of the path that names them, still
    /// percent-encoded.
    ///
    /// # Errors
    /// `400` where filters or position are malformed.
    pub fn read(filters: &str, request: &Parts) -> Result<Self, Refusal> {
        Ok(Self { filters: path_segment(filters)?.parse()?, position: position(request)? })
    }
}

/// The part of a path that names a topic or filters, percent-decoded.
///
/// # Errors
/// `400` where that is no UTF-8.
pub fn path_segment(encoded: &str) -> Result<Cow<'_, str>, Refusal> {
    if !encoded.bytes().any(|byte| byte == b'%') {
        return Ok(Cow::Borrowed(encoded));
    }
    percent_decode_str(encoded).decode_utf8().map_err(|_| {
        Refusal::bad_request("bad_topic", "the topic is not UTF-8 once percent-decoded")
    })
}

fn position(request: &Parts) -> Result<Position, Refusal> {
    let header = match request.headers.get("last-event-id") {
        None => None,
        Some(value) => Some(value.to_str().map(Cow::Borrowed).map_err(|_| {
            Refusal::bad_request("bad_id", "Last-Event-ID is not an id: expected EPOCH-SEQ")
        })?),
    };
    let text = header
        .filter(|text| !text.is_empty())
        .or_else(|| query(request, "after"))
        .or_else(|| query(request, "last_event_id"));
    match text.as_deref() {
        None => Ok(Position::Live),
        Some("earliest") => Ok(Position::Earliest),
        Some(id) => Ok(Position::After(id.parse()?)),
    }
}

/// The first value of a query parameter, decoded as a form's (URL standard, section 5.1).
pub fn query<'a>(request: &'a Parts, name: &str) -> Option<Cow<'a, str>> {
    request.uri.query()?.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decoded(key) == name).then(|| decoded(value))
    })
}

/// Whether a header that is a list names this item, in any case and parameters aside (RFC 9110, sections
/// 5.6.1 and 5.6.6).
pub fn lists(request: &Parts, name: HeaderName, item: &str) -> bool {
    let is_item = |text: &[u8]| text.eq_ignore_ascii_case(item.as_bytes());
    let has_item = |line: &HeaderValue| {
        // Most lists have one element.
        is_item(line.as_bytes())
            || line.as_bytes().split(|&byte| byte == b',').any(|element| {
                let end = element.iter().position(|&byte| byte == b';').unwrap_or(element.len());
                is_item(element[..end].trim_ascii())
            })
    };
    request.headers.get_all(name).iter().any(has_item)
}

/// Most texts are as they are meant, and those are not copied.
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

    fn ask(uri: &str, last_event_id: Option<&str>) -> Result<Ask, Refusal> {
        let mut request = http::Request::get(uri);
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let parts = request.body(()).unwrap().into_parts().0;
        Ask::read(parts.uri.path().trim_start_matches("/topics/"), &parts)
    }

    #[test]
    fn the_header_comes_before_the_query_and_an_empty_one_is_none() {
        let seq = |ask: Ask| match ask.position {
            Position::After(id) => id.seq,
            other => panic!("{other:?}"),
        };
        assert_eq!(seq(ask("/topics/a?after=e-2&last_event_id=e-3", Some("e-1")).unwrap()), 1);
        assert_eq!(seq(ask("/topics/a?last_event_id=e-3&after=e-2", Some("")).unwrap()), 2);
        assert_eq!(seq(ask("/topics/a?last_event_id=e-3", None).unwrap()), 3);
        assert_eq!(ask("/topics/a?after=earliest", None).unwrap().position, Position::Earliest);
        assert_eq!(ask("/topics/a", None).unwrap().position, Position::Live);
    }

    #[test]
    fn wildcards_and_commas_may_be_percent_encoded() {
        let filters = ask("/topics/a.%2A%2Cb.%3E", None).unwrap().filters;
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
    fn a_parameter_is_decoded_as_a_form_has_it() {
        let request = http::Request::get("/?a+b=1%2B1&&c&%63=2").body(()).unwrap().into_parts().0;
        assert_eq!(query(&request, "a b").as_deref(), Some("1+1"));
        assert_eq!(query(&request, "c").as_deref(), Some(""));
        assert_eq!(query(&request, "d"), None);
    }

    #[test]
    fn each_fault_is_a_400_with_a_code_of_its_own() {
        let code = |uri| ask(uri, None).unwrap_err().code;
        assert_eq!(code("/topics/"), "bad_topic");
        assert_eq!(code("/topics/a..b"), "bad_topic");
        assert_eq!(code("/topics/%ff"), "bad_topic");
        assert_eq!(code("/topics/a?after=nonsense"), "bad_id");
        assert_eq!(code("/topics/a?after="), "bad_id");
    }
}
