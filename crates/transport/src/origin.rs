//! Decides which web pages may connect, read and publish.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, Method, StatusCode, header};

use crate::request::host;
use crate::{ListenerKind, Rejection};

/// The web pages that may connect, read and publish.
///
/// A browser allows any page to send a `POST`, open a WebSocket or start a stream to any host, and sends that host's
/// cookies (RFC 6455, section 10.2). Only the server can reject foreign pages, by the header `Origin`. A request that
/// is not from a page is accepted.
///
/// At a listener with TLS, the same host means a page of `https`. At any other, a page of `http` is accepted as well,
/// because TLS may end at a proxy.
///
/// ```
/// use tidings_transport::{ListenerKind, Origins};
/// let request = http::Request::get("/topics/t")
///     .header("host", "hub.example")
///     .header("origin", "https://shop.example")
///     .body(())?
///     .into_parts()
///     .0;
/// let listener = ListenerKind::Network;
/// assert!(!Origins::Same.allow(&request, listener));
/// assert!(Origins::Listed(vec!["https://shop.example".into()]).allow(&request, listener));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Default)]
pub enum Origins {
    /// Pages of the host that the request is for. The default.
    #[default]
    Same,
    /// Pages of the same host, and pages of these origins. An origin is written as a browser sends it:
    /// `https://example.org`, with any port that is not the default of the scheme. These pages may also read the
    /// responses to requests with cookies.
    Listed(Vec<String>),
    /// Every page. Only for public streams without cookies: a page cannot read the response to a request with cookies,
    /// but it can publish and open a WebSocket with the cookies of its user.
    Any,
    /// Pages for which this function returns `true`, given the origin and the request. As with `Any`, they cannot read
    /// the response to a request with cookies.
    Custom(Arc<OriginCheck>),
}

/// Returns `true` if a page of this origin may send this request.
pub type OriginCheck = dyn Fn(&str, &Parts) -> bool + Send + Sync;

impl Origins {
    /// Returns `true` if the request is not from a page, or from a page that may send it. `listener` is the kind of the
    /// listener at which it arrived, or for a TCP listener without TLS its local address.
    ///
    /// A page can send a `GET` without `Origin`, for example for an image, or with `fetch` and the mode `no-cors`. It
    /// cannot read the response, but it would occupy a seat while the response is open. Browsers mark such a request
    /// with `Sec-Fetch-Site`. It is accepted only if the user followed a link.
    pub fn allow(&self, request: &Parts, listener: impl Into<ListenerKind>) -> bool {
        let listener = listener.into();
        let Some(origin) = request.headers.get(header::ORIGIN) else {
            return matches!(self, Self::Any) || !hides_its_origin(request);
        };
        let Ok(origin) = origin.to_str() else { return false };
        match self {
            Self::Same => is_same(origin, request, listener),
            Self::Listed(origins) => {
                origins.iter().any(|one| one.eq_ignore_ascii_case(origin))
                    || is_same(origin, request, listener)
            }
            Self::Any => true,
            Self::Custom(allow) => allow(origin, request),
        }
    }

    /// Checks that the request is [allowed](Self::allow).
    ///
    /// # Errors
    /// Fails with a `403` if it is not. The message names the origin and how to allow it.
    pub fn check(
        &self,
        request: &Parts,
        listener: impl Into<ListenerKind>,
    ) -> Result<(), Rejection> {
        if self.allow(request, listener) { Ok(()) } else { Err(foreign_page(request)) }
    }
}

fn is_same(origin: &str, request: &Parts, listener: ListenerKind) -> bool {
    let (Some(host), Some((scheme, authority))) = (host(request), origin.split_once("://")) else {
        return false;
    };
    let is_https = scheme.eq_ignore_ascii_case("https");
    // An attacker in the network can serve a page of `http` for this host, and the browser would send it the cookies of
    // `https`. At other listeners the scheme is not known, because TLS may end at a proxy.
    if !is_https && listener == ListenerKind::Tls {
        return false;
    }
    // The default port of the origin's scheme is ignored in both.
    let default_port = if is_https { ":443" } else { ":80" };
    let bare = |text: &str| text.strip_suffix(default_port).unwrap_or(text).to_ascii_lowercase();
    bare(authority) == bare(host)
}

/// Whether a page of another origin sent this request without `Origin`. A link that the user followed does not count,
/// because the response opens in a tab that the user sees.
fn hides_its_origin(request: &Parts) -> bool {
    let Some(site) = request.headers.get(&SITE) else { return false };
    let is = |name, value: &str| request.headers.get(name).is_some_and(|line| line == value);
    let is_link = request.method == Method::GET
        && is("sec-fetch-mode", "navigate")
        && is("sec-fetch-dest", "document");
    (site == "cross-site" || site == "same-site") && !is_link
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

fn foreign_page(request: &Parts) -> Rejection {
    let host = host(request).unwrap_or_default();
    let message = match request.headers.get(header::ORIGIN).map(|origin| origin.to_str()) {
        None => format!(
            "a page of another origin sent this to {host:?} without its origin: send it with \
             fetch and mode \"cors\", and list the origin in Origins (--allow-origin of the program tidings)"
        ),
        Some(origin) => {
            let origin = origin.unwrap_or("?");
            if origin == "null" {
                let message = format!(
                    "a page without an origin, such as a file or a sandboxed frame, may not use host {host:?}: serve \
                     it from an origin"
                );
                return Rejection::new(StatusCode::FORBIDDEN, "origin_not_allowed", message);
            }
            format!(
                "pages of origin {origin:?} may not use host {host:?}: list it in Origins (--allow-origin {origin} \
                 of the program tidings)"
            )
        }
    };
    Rejection::new(StatusCode::FORBIDDEN, "origin_not_allowed", message)
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("Same"),
            Self::Listed(origins) => f.debug_tuple("Listed").field(origins).finish(),
            Self::Any => f.write_str("Any"),
            Self::Custom(_) => f.write_str("Custom"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LISTED: &str = "https://shop.example";

    fn request(headers: &[(&str, &str)]) -> Parts {
        let request = http::Request::get("/topics/t").header("host", "hub.example");
        let request =
            headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).unwrap().into_parts().0
    }

    fn same(origin: Option<&str>, host: &str) -> bool {
        let mut request = http::Request::get("/").header("host", host);
        if let Some(origin) = origin {
            request = request.header("origin", origin);
        }
        Origins::Same.allow(&request.body(()).unwrap().into_parts().0, ListenerKind::Network)
    }

    #[test]
    fn same_origin_compares_host_and_port() {
        assert!(same(None, "a.example"));
        assert!(same(Some("http://a.example"), "a.example"));
        assert!(same(Some("http://A.example:80"), "a.example"));
        assert!(same(Some("https://a.example"), "a.example:443"));
        assert!(same(Some("http://127.0.0.1:8080"), "127.0.0.1:8080"));
        assert!(!same(Some("http://a.example:8080"), "a.example"));
        assert!(!same(Some("http://a.example.evil.org"), "a.example"));
        assert!(!same(Some("http://evil.org/a.example"), "a.example"));
        assert!(!same(Some("null"), "a.example"));
    }

    #[test]
    fn over_tls_a_page_without_tls_is_foreign() {
        let allow = |origin, listener: ListenerKind| {
            Origins::Same.allow(&request(&[("origin", origin)]), listener)
        };
        assert!(allow("https://hub.example", ListenerKind::Tls));
        assert!(allow("HTTPS://hub.example:443", ListenerKind::Tls));
        assert!(!allow("http://hub.example", ListenerKind::Tls));
        assert!(!allow("http://hub.example:443", ListenerKind::Tls));
        assert!(allow("http://hub.example", ListenerKind::Network));
        assert!(allow("https://hub.example", ListenerKind::Network), "a proxy has TLS");
    }

    #[test]
    fn over_http_2_the_host_is_in_the_target() {
        let request = http::Request::post("https://a.example/topics/t")
            .version(http::Version::HTTP_2)
            .header("origin", "https://a.example");
        let request = request.body(()).unwrap().into_parts().0;
        assert!(Origins::Same.allow(&request, ListenerKind::Tls));
    }

    #[test]
    fn listed_origins_are_allowed_besides_the_origin_of_the_server() {
        let listed = Origins::Listed(vec![LISTED.to_owned()]);
        for (origin, is_allowed) in [
            (LISTED, true),
            ("HTTPS://shop.example", true),
            ("http://hub.example", true),
            ("http://shop.example", false),
            ("https://other.example", false),
            ("null", false),
        ] {
            let request = request(&[("origin", origin)]);
            assert_eq!(listed.allow(&request, ListenerKind::Network), is_allowed, "{origin}");
        }
    }

    #[test]
    fn a_page_that_hides_its_origin_is_rejected_and_a_link_is_allowed() {
        let sent = |site, mode, dest| {
            request(&[("sec-fetch-site", site), ("sec-fetch-mode", mode), ("sec-fetch-dest", dest)])
        };
        let listed = Origins::Listed(vec![LISTED.to_owned()]);
        for (request, is_allowed) in [
            (sent("cross-site", "no-cors", "empty"), false),
            (sent("cross-site", "no-cors", "image"), false),
            (sent("same-site", "no-cors", "script"), false),
            (sent("cross-site", "navigate", "iframe"), false),
            (sent("cross-site", "navigate", "document"), true),
            (sent("same-origin", "cors", "empty"), true),
            (sent("none", "navigate", "document"), true),
            (request(&[]), true),
        ] {
            let allow = |origins: &Origins| origins.allow(&request, ListenerKind::Network);
            assert_eq!(allow(&Origins::Same), is_allowed, "{:?}", request.headers);
            assert_eq!(allow(&listed), is_allowed, "{:?}", request.headers);
            assert!(allow(&Origins::Any));
        }
    }

    #[test]
    fn the_rejection_names_the_origin_the_host_the_setting_and_the_flag() {
        let message = |headers: &[(&str, &str)]| {
            let listener = ListenerKind::Network;
            let rejection = Origins::Same.check(&request(headers), listener).unwrap_err();
            assert_eq!((rejection.status.as_u16(), rejection.code), (403, "origin_not_allowed"));
            rejection.message
        };
        let text = message(&[("origin", "http://localhost:5173")]);
        for named in
            ["http://localhost:5173", "hub.example", "--allow-origin http://localhost:5173 "]
        {
            assert!(text.contains(named), "{text}");
        }
        assert!(
            text.contains("Origins") && text.find("Origins") < text.find("--allow-origin"),
            "{text}"
        );
        let text = message(&[("sec-fetch-site", "cross-site")]);
        assert!(text.contains("hub.example") && text.contains("--allow-origin"), "{text}");
        assert!(
            text.contains("Origins") && text.find("Origins") < text.find("--allow-origin"),
            "{text}"
        );
    }
}
