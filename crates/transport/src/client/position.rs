//! Adds a position to a request.

use http::{HeaderMap, HeaderName, HeaderValue};
use tidings_core::Position;
use url::Url;

use crate::request::is_last_event_id;

/// Returns the URL with the position as `?after=`, which replaces any position in it. For [`Position::Live`] the URL is
/// unchanged.
///
/// ```
/// use tidings_core::Position;
/// use tidings_transport::client::url_after;
///
/// let url = "http://h/topics/a?wait=5".parse()?;
/// let after = url_after(&url, Position::After("e-7".parse().unwrap()));
/// assert_eq!(after.as_str(), "http://h/topics/a?wait=5&after=e-7");
/// # Ok::<(), url::ParseError>(())
/// ```
pub fn url_after(url: &Url, position: Position) -> Url {
    match position.text() {
        Some(after) => {
            let is_position = |name: &str| name == "after" || is_last_event_id(name);
            with_parameter(url, is_position, "after", &after)
        }
        None => url.clone(),
    }
}

/// Returns the URL with this number of seconds as `?wait=`, which replaces any `wait` in it.
pub fn url_with_wait(url: &Url, seconds: u64) -> Url {
    with_parameter(url, |name| name == "wait", "wait", &seconds.to_string())
}

fn with_parameter(url: &Url, is_replaced: impl Fn(&str) -> bool, name: &str, value: &str) -> Url {
    let mut url = url.clone();
    if url.query_pairs().any(|(name, _)| is_replaced(&name)) {
        let others = url
            .query_pairs()
            .filter(|(name, _)| !is_replaced(name))
            .map(|(name, value)| (name.into_owned(), value.into_owned()))
            .collect::<Vec<_>>();
        url.query_pairs_mut().clear().extend_pairs(others);
    }
    url.query_pairs_mut().append_pair(name, value);
    url
}

/// Adds the position as `Last-Event-ID` (HTML standard, section 9.2.4), which takes precedence over the query. Adds
/// nothing for [`Position::Live`].
pub fn last_event_id(headers: &mut HeaderMap, position: Position) {
    let value = position.text().map(HeaderValue::try_from);
    if let Some(Ok(value)) = value {
        headers.insert(HeaderName::from_static("last-event-id"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tidings_core::Snapshot;

    fn after(url: &str, position: Position) -> String {
        url_after(&url.parse().unwrap(), position).into()
    }

    #[test]
    fn a_position_replaces_an_older_one() {
        let id = "e-7".parse().unwrap();
        let at = Position::After(id);
        assert_eq!(after("http://h/t", at), "http://h/t?after=e-7");
        assert_eq!(
            after("http://h/t?after=e-1&wait=2&lastEventId=e-3", at),
            "http://h/t?wait=2&after=e-7"
        );
        assert_eq!(after("http://h/t?after=e-1", Position::Earliest), "http://h/t?after=earliest");
        assert_eq!(after("http://h/t?after=e-1", Position::Latest), "http://h/t?after=latest");
        let rest = Position::Snapshot(Snapshot::new(id, 9));
        assert_eq!(after("http://h/t?after=latest", rest), "http://h/t?after=e-7.9");
        assert_eq!(after("http://h/t?after=e-1", Position::Live), "http://h/t?after=e-1");
    }

    #[test]
    fn the_header_has_the_same_text_as_the_query() {
        let mut headers = HeaderMap::new();
        last_event_id(&mut headers, Position::Live);
        assert!(headers.is_empty());
        last_event_id(&mut headers, Position::Earliest);
        assert_eq!(headers["last-event-id"], "earliest");
        last_event_id(&mut headers, Position::After("e-7".parse().unwrap()));
        assert_eq!(headers["last-event-id"], "e-7");
    }
}
