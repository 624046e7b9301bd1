//! The token by which a client identifies itself.

use std::borrow::Cow;

use http::header;
use http::request::Parts;

use crate::query;

/// Returns the token of a request: from `Authorization: Bearer TOKEN` (RFC 6750, section 2.1), otherwise from the
/// cookie with this name, otherwise from `?access_token=TOKEN` (section 2.3). The result is `None` if it has none of
/// them.
///
/// A program sends the header. A page of the same host uses the cookie. A browser also sends the cookie for other
/// pages, which the [origin policy](crate::Origins) rejects. An `EventSource` or a `WebSocket` of another host can send
/// neither, so its token is in the URL. Proxies log URLs, so such a token should expire soon.
///
/// ```
/// use tidings_transport::token;
///
/// let request = |builder: http::request::Builder| builder.body(()).unwrap().into_parts().0;
/// let with_header = request(http::Request::get("/").header("authorization", "Bearer abc"));
/// assert_eq!(token(&with_header, "session").as_deref(), Some("abc"));
/// let with_cookie = request(http::Request::get("/").header("cookie", "lang=en; session=abc"));
/// assert_eq!(token(&with_cookie, "session").as_deref(), Some("abc"));
/// let with_query = request(http::Request::get("/?access_token=a%2Fc"));
/// assert_eq!(token(&with_query, "session").as_deref(), Some("a/c"));
/// ```
pub fn token<'a>(request: &'a Parts, cookie: &str) -> Option<Cow<'a, str>> {
    let bearer = || {
        let value = request.headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(Cow::Borrowed(token.trim()))
    };
    let of_cookie = || {
        let lines = request.headers.get_all(header::COOKIE).iter().flat_map(|line| line.to_str());
        let mut pairs =
            lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(name, _)| name.trim() == cookie)?;
        Some(Cow::Borrowed(value.trim().trim_matches('"')))
    };
    bearer().or_else(of_cookie).or_else(|| query(request, "access_token"))
}
