//! Content negotiation by weights (RFC 9110, section 12.4).

use http::{HeaderMap, HeaderName};

/// Returns `true` if an `Accept` or `Accept-Encoding` header names `item` with a weight that is not 0 and not less than
/// the weight of `other`. A range such as `text/*` does not name `item`, but it can give `other` a weight.
///
/// Media types are compared without their parameters. An element whose weight is malformed is ignored.
///
/// ```
/// use http::{HeaderMap, header::ACCEPT};
/// use tidings_transport::prefers;
///
/// let mut headers = HeaderMap::new();
/// headers.insert(ACCEPT, "text/html, application/json;q=0.9, */*;q=0.8".parse()?);
/// assert!(prefers(&headers, &ACCEPT, "text/html", "application/json"));
/// assert!(!prefers(&headers, &ACCEPT, "application/json", "text/html"));
/// assert!(!prefers(&headers, &ACCEPT, "text/event-stream", "text/plain"));
/// # Ok::<(), http::header::InvalidHeaderValue>(())
/// ```
pub fn prefers(headers: &HeaderMap, name: &HeaderName, item: &str, other: &str) -> bool {
    let weight = |is_meant: &dyn Fn(&str) -> bool| {
        let lines = headers.get_all(name).iter().filter_map(|line| line.to_str().ok());
        let ranges = lines.flat_map(elements).filter_map(range);
        ranges.filter(|(range, _)| is_meant(range)).map(|(_, weight)| weight).max()
    };
    let Some(wanted) = weight(&|range| range.eq_ignore_ascii_case(item)) else { return false };
    // The most specific range that matches decides (section 12.5.1).
    let rival = weight(&|range| range.eq_ignore_ascii_case(other))
        .or_else(|| weight(&|range| is_of_type(other, range)))
        .or_else(|| weight(&|range| matches!(range, "*" | "*/*")));
    wanted > 0 && wanted >= rival.unwrap_or(0)
}

/// The elements of a list. A comma within quotes does not separate elements.
fn elements(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    line.split(move |character| {
        is_quoted ^= character == '"';
        character == ',' && !is_quoted
    })
}

/// The range that an element names and its weight in thousandths, or `None` if the weight is malformed.
fn range(element: &str) -> Option<(&str, u16)> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next()?;
    let weight = parts.find_map(|part| {
        let (name, value) = part.split_once('=')?;
        name.eq_ignore_ascii_case("q").then_some(value)
    });
    match weight {
        None => Some((range, 1000)),
        Some(weight) => {
            let weight = weight.parse().ok().filter(|weight| (0.0..=1.0_f32).contains(weight))?;
            Some((range, (weight * 1000.0) as u16))
        }
    }
}

/// Whether the range is `type/*` for the type of this media type.
fn is_of_type(media: &str, range: &str) -> bool {
    let types = media.split_once('/').zip(range.strip_suffix("/*"));
    types.is_some_and(|((media, _), range)| media.eq_ignore_ascii_case(range))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::header::ACCEPT;

    const STREAM: &str = "text/event-stream";

    fn wants_stream(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(ACCEPT, line.parse().unwrap());
        }
        prefers(&headers, &ACCEPT, STREAM, "application/json")
    }

    #[test]
    fn an_item_named_with_the_highest_weight_is_preferred() {
        for lines in [
            &["text/event-stream"][..],
            &["TEXT/Event-Stream; charset=utf-8"],
            &["application/json, text/event-stream"],
            &["application/json", "text/html, text/event-stream"],
            &["text/event-stream, */*;q=0.1"],
            &["text/event-stream;q=0.5"],
            &["text/event-stream;q=0.5, application/*;q=0.4, */*"],
            &["text/event-stream;q=0.5, application/json;Q=0.4, application/*"],
            &["text/event-stream;q=0.001, application/json;q=0"],
            &[r#"text/x;name="a,b;q=0",text/event-stream"#],
        ] {
            assert!(wants_stream(lines), "{lines:?}");
        }
    }

    #[test]
    fn an_item_with_a_lower_weight_or_named_only_by_a_range_is_not_preferred() {
        for lines in [
            &[][..],
            &[""],
            &["*/*"],
            &["text/*"],
            &["text/event-stream;q=0"],
            &["text/event-stream; q=0.000, */*"],
            &["text/event-stream;q=0.5, application/json"],
            &["text/event-stream;q=0.5, application/*;q=0.6"],
            &["text/event-stream;q=0.5, */*;q=0.6"],
            &["text/event-stream;q=high"],
            &["text/event-stream;q=NaN"],
            &["text/event-stream;q=2"],
            &[r#"text/x;name="a,text/event-stream,b""#],
        ] {
            assert!(!wants_stream(lines), "{lines:?}");
        }
    }
}
