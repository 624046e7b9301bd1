//! The headers of a notification in a request to publish, and in JSON.

use std::borrow::Cow;

use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, header};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use tidings_core::{Header, Headers, Kind, ParseHeaderError};

use crate::Rejection;

const EVENT: HeaderName = HeaderName::from_static("tidings-event");
const TIME: HeaderName = HeaderName::from_static("tidings-time");
/// The kind of the notification, `text` or `binary`. It overrides the kind that the content type implies.
pub(crate) const KIND: HeaderName = HeaderName::from_static("tidings-kind");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The media type of a binary payload of unknown content.
const BINARY: &[u8] = b"application/octet-stream";

/// Media types that are not kept. Programs send them by default, and they contain no information besides the kind.
const DEFAULTS: [&[u8]; 3] = [BINARY, b"text/plain", b"application/x-www-form-urlencoded"];

/// The name of this header in a request to publish.
#[cfg(feature = "client")]
pub(crate) fn name(header: Header) -> HeaderName {
    match header {
        Header::Event => EVENT,
        Header::ContentType => header::CONTENT_TYPE,
        Header::Time => TIME,
        Header::Traceparent => TRACEPARENT,
        Header::Tracestate => TRACESTATE,
    }
}

/// Reads the kind and the headers of the notification that a request publishes. Fails with a `400` if `Tidings-Event`,
/// `Tidings-Time` or `Tidings-Kind` is malformed or sent more than once. A content type or a trace that is malformed is
/// left out.
pub(crate) fn read(request: &Parts) -> Result<(Kind, Option<Headers>), Rejection> {
    let media = request.headers.get(header::CONTENT_TYPE).map_or(&b""[..], HeaderValue::as_bytes);
    let essence = media.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
    let kind = match essence.eq_ignore_ascii_case(BINARY) {
        true => Kind::Binary,
        false => Kind::Text,
    };
    let is_kept =
        !essence.is_empty() && !DEFAULTS.iter().any(|media| essence.eq_ignore_ascii_case(media));
    // Most requests have none of the other headers. One pass over the names costs less than a look-up of each header.
    let has_more = request.headers.keys().any(|name| name.as_str().starts_with('t'));
    if !is_kept && !has_more {
        return Ok((kind, None));
    }
    read_rest(&request.headers, kind, is_kept.then_some(media))
}

/// Reads the headers other than the content type, which is given if it is kept.
fn read_rest(
    request: &HeaderMap,
    kind: Kind,
    media: Option<&[u8]>,
) -> Result<(Kind, Option<Headers>), Rejection> {
    let media = media.map(|media| (Header::ContentType, text(media)));
    let trace = trace(request).into_iter().flatten();
    let mut headers = Headers::lossy(media.into_iter().chain(trace));
    if let Some(name) = only(request, &EVENT)? {
        headers = Some(headers.unwrap_or_default().with_event(&name)?);
    }
    if let Some(time) = only(request, &TIME)? {
        headers = Some(headers.unwrap_or_default().with_time(Headers::parse_time(&time)?)?);
    }
    let kind = match only(request, &KIND)?.as_deref() {
        None => kind,
        Some("text") => Kind::Text,
        Some("binary") => Kind::Binary,
        Some(other) => {
            let message = format!("invalid Tidings-Kind {other:?}: expected text or binary");
            return Err(bad_header(message));
        }
    };
    Ok((kind, headers))
}

/// The trace, or `None` without exactly one `traceparent`. Joins the lines of `tracestate` (W3C Trace Context, sections
/// 3.2 and 3.3).
fn trace(request: &HeaderMap) -> Option<[(Header, Cow<'_, str>); 2]> {
    let mut parents = request.get_all(TRACEPARENT).iter();
    let (Some(parent), None) = (parents.next(), parents.next()) else { return None };
    let states: Vec<_> =
        request.get_all(TRACESTATE).iter().map(|line| text(line.as_bytes())).collect();
    Some([
        (Header::Traceparent, text(parent.as_bytes())),
        (Header::Tracestate, Cow::Owned(states.join(","))),
    ])
}

/// Fails if the header is sent more than once.
fn only<'a>(request: &'a HeaderMap, name: &HeaderName) -> Result<Option<Cow<'a, str>>, Rejection> {
    let mut lines = request.get_all(name).iter();
    let first = lines.next();
    if lines.next().is_some() {
        return Err(bad_header(format!("more than one {name}: send it once")));
    }
    Ok(first.map(|value| text(value.as_bytes())))
}

/// Bytes that are not UTF-8 are replaced, which makes the header invalid.
fn text(value: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(value.trim_ascii())
}

fn bad_header(message: String) -> Rejection {
    Rejection::bad_request("bad_header", message)
}

impl From<ParseHeaderError> for Rejection {
    fn from(error: ParseHeaderError) -> Self {
        bad_header(error.to_string())
    }
}

/// Reads the member `headers` of a notification in JSON. For use in `#[serde(default, deserialize_with = "…")]`.
///
/// The result is the valid headers, or `None` if there are none. A malformed header is left out, so that the
/// notification can still be delivered.
///
/// # Errors
/// Fails with the error of the deserializer if the value is not JSON.
pub fn lossy_headers<'de, D>(deserializer: D) -> Result<Option<Headers>, D::Error>
where
    D: Deserializer<'de>,
{
    let members = Value::deserialize(deserializer)?;
    let texts = Header::ALL.iter().filter_map(|&header| {
        let text = match members.get(header.member())? {
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some((header, text))
    });
    Ok(Headers::lossy(texts))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

    fn reading(lines: &[(&str, &str)]) -> Result<(Kind, Option<Headers>), Rejection> {
        let mut request = Request::post("/topics/t");
        for (name, value) in lines {
            request = request.header(*name, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        read(&request.body(()).unwrap().into_parts().0)
    }

    fn headers(lines: &[(&str, &str)]) -> Option<Headers> {
        reading(lines).unwrap().1
    }

    #[test]
    fn each_header_is_read_from_its_line() {
        let lines = [
            ("tidings-event", "created"),
            ("tidings-time", "1795467750512"),
            ("content-type", "application/json"),
            ("traceparent", PARENT),
            ("tracestate", "a=1"),
            ("tracestate", "b=2"),
        ];
        let expected = Headers::new().with_event("created").unwrap();
        let expected = expected.with_content_type("application/json").unwrap();
        let expected = expected.with_time(1_795_467_750_512).unwrap();
        let expected = expected.with_trace(PARENT, Some("a=1,b=2")).unwrap();
        assert_eq!(headers(&lines), Some(expected));
    }

    #[test]
    fn a_content_type_that_only_implies_the_kind_is_not_kept() {
        for (media, kind) in [
            ("text/plain", Kind::Text),
            ("text/plain; charset=utf-8", Kind::Text),
            ("TEXT/PLAIN;charset=UTF-8", Kind::Text),
            ("application/x-www-form-urlencoded", Kind::Text),
            ("Application/Octet-Stream ; x=y", Kind::Binary),
            ("", Kind::Text),
            ("json", Kind::Text),
        ] {
            assert_eq!(reading(&[("content-type", media)]).unwrap(), (kind, None), "{media}");
        }
        assert_eq!(reading(&[("te", "trailers")]).unwrap(), (Kind::Text, None));
        let kept = headers(&[("content-type", "text/markdown; charset=utf-8")]).unwrap();
        assert_eq!(kept.content_type(), Some("text/markdown; charset=utf-8"));
    }

    #[test]
    fn the_header_for_the_kind_overrides_the_content_type() {
        let image = [("content-type", "image/png"), ("tidings-kind", "binary")];
        let (kind, kept) = reading(&image).unwrap();
        assert_eq!((kind, kept.unwrap().content_type()), (Kind::Binary, Some("image/png")));
        let text = [("content-type", "application/octet-stream"), ("tidings-kind", "text")];
        assert_eq!(reading(&text).unwrap(), (Kind::Text, None));
    }

    #[test]
    fn a_malformed_trace_is_left_out_with_its_state() {
        for lines in [
            &[("traceparent", "00-0-0-01"), ("tracestate", "a=1")][..],
            &[("traceparent", PARENT), ("traceparent", PARENT), ("tracestate", "a=1")],
            &[("tracestate", "a=1")],
        ] {
            assert_eq!(headers(lines), None, "{lines:?}");
        }
        let too_long = "x".repeat(513);
        let kept = headers(&[("traceparent", PARENT), ("tracestate", &too_long)]).unwrap();
        assert_eq!((kept.traceparent(), kept.tracestate()), (Some(PARENT), None));
    }

    #[test]
    fn any_other_malformed_header_is_a_400_that_names_it() {
        for (lines, words) in [
            (&[("tidings-event", "gap")][..], "event name \"gap\""),
            (&[("tidings-event", "")], "event name \"\""),
            (&[("tidings-event", "größe")], "event name \"größe\""),
            (&[("tidings-event", "a"), ("tidings-event", "a")], "more than one tidings-event"),
            (&[("tidings-time", "2026-11-29")], "time \"2026-11-29\""),
            (&[("tidings-kind", "Binary")], "Tidings-Kind \"Binary\""),
        ] {
            let rejection = reading(lines).unwrap_err();
            assert_eq!((rejection.status.as_u16(), rejection.code), (400, "bad_header"));
            assert!(rejection.message.contains(words), "{}", rejection.message);
        }
    }

    #[test]
    fn malformed_headers_in_a_publishers_json_are_errors_except_for_the_trace() {
        let read = |json: &str| serde_json::from_str::<Headers>(json);
        let event = Headers::new().with_event("created").unwrap();
        for json in [
            r#"{"event":"created","unknown":[1]}"#,
            r#"{"event":"created","traceparent":"x","tracestate":"a=1"}"#,
            r#"{"event":"created","tracestate":"a=1"}"#,
        ] {
            assert_eq!(read(json).unwrap(), event, "{json}");
        }
        for json in
            [r#"{"event":"gap"}"#, r#"{"event":7}"#, r#"{"time":-1}"#, r#"{"content_type":"x"}"#]
        {
            assert!(read(json).is_err(), "{json}");
        }
        let all = format!(
            r#"{{"event":"created","content_type":"a/b","time":7,"traceparent":"{PARENT}","tracestate":"a=1"}}"#
        );
        assert_eq!(serde_json::to_string(&read(&all).unwrap()).unwrap(), all);
    }

    #[test]
    fn malformed_headers_in_json_from_a_server_are_left_out() {
        let read =
            |json: &str| lossy_headers(&mut serde_json::Deserializer::from_str(json)).unwrap();
        let event = Headers::new().with_event("created").unwrap();
        let read_event = r#"{"event":"created","time":"soon","content_type":{},"traceparent":"x"}"#;
        assert_eq!(read(read_event), Some(event));
        for json in ["null", "7", "[]", "{}", r#"{"event":"gap"}"#] {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
