//! What a client accepts.

use http::{HeaderMap, HeaderName};

/// Whether an `Accept…` header names this item and does not give it the weight 0 (RFC 9110, section 12.4.2).
pub(crate) fn lists(headers: &HeaderMap, name: HeaderName, item: &str) -> bool {
    let lines = headers.get_all(name).iter().flat_map(|line| line.to_str());
    lines.flat_map(|line| line.split(',')).any(|element| is_wanted(element, item))
}

fn is_wanted(element: &str, item: &str) -> bool {
    let mut parts = element.split(';').map(str::trim);
    let is_item = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(item));
    is_item && !parts.any(|part| part.strip_prefix("q=").is_some_and(is_zero))
}

fn is_zero(weight: &str) -> bool {
    weight.parse() == Ok(0.0)
}
