//! The live page, which shows one stream by all transports side by side in a browser.
//!
//! ```text
//! clients/live-page ─(npm run build)─► built/ ─(build.rs)─► hashed names, gzip ─► page(request)
//! clients/js        ─(npm run build)─► built/ ─(build.rs)─► entity tag, gzip   ─► client(request)
//! ```
//!
//! Both are built by Node and committed, so that building a server needs only Rust. [`page()`] serves the page and
//! [`client`](fn@client) and [`webtransport`] the JavaScript client. [`LOOK`] is the style that all pages of the project
//! share.

mod client;
mod file;
mod page;
mod revalidated;

use bytes::Bytes;
use file::{File, file};
use http::request::Parts;
use http::{HeaderValue, Response, header};
use tidings_transport::prefers;

/// The style sheet that the pages of the project share: names for colours (light and dark), fonts and spaces.
pub const LOOK: &str = include_str!("../look.css");

static STYLE: File = file!("page.css", "text/css; charset=utf-8");
static SCRIPT: File = file!("page.js", "text/javascript; charset=utf-8");

/// Returns the response to a `GET` or `HEAD` of the page or of one of its files.
///
/// The result is `None` for all other paths, including files of other versions, and for `/` if the client does not
/// prefer HTML, such as curl.
///
/// ```
/// let request = http::Request::get("/").header("accept", "text/html").body(())?;
/// let page = tidings_live_page::page(&request.into_parts().0).expect("there is a page");
/// assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
/// # Ok::<(), http::Error>(())
/// ```
pub fn page(request: &Parts) -> Option<Response<Bytes>> {
    let headers = &request.headers;
    match request.uri.path() {
        "/" => prefers(headers, &header::ACCEPT, "text/html", "text/plain")
            .then(|| page::PAGE.response(headers)),
        env!("PAGE_CSS") => Some(immutable(STYLE.response(headers))),
        env!("PAGE_JS") => Some(immutable(SCRIPT.response(headers))),
        _ => None,
    }
}

/// Returns the response to a `GET` or `HEAD` of the JavaScript client, which pages of every origin may import.
///
/// ```
/// let request = http::Request::get("/client.js").body(())?;
/// let client = tidings_live_page::client(&request.into_parts().0);
/// assert_eq!(client.headers()["content-type"], "text/javascript; charset=utf-8");
/// # Ok::<(), http::Error>(())
/// ```
pub fn client(request: &Parts) -> Response<Bytes> {
    client::CLIENT.response(&request.headers)
}

/// Returns the response to a `GET` or `HEAD` of the part of the JavaScript client for WebTransport. It imports
/// `client.js` from the same folder. Pages of every origin may import it.
pub fn webtransport(request: &Parts) -> Response<Bytes> {
    client::WEBTRANSPORT.response(&request.headers)
}

/// Lets clients keep a file forever, because every version has a different path.
fn immutable(mut response: Response<Bytes>) -> Response<Bytes> {
    let value = HeaderValue::from_static("public, max-age=31536000, immutable");
    response.headers_mut().insert(header::CACHE_CONTROL, value);
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, StatusCode};
    use std::io::Read;

    fn get(path: &str, headers: &[(&str, &str)]) -> Option<Response<Bytes>> {
        let request = headers
            .iter()
            .fold(Request::get(path), |request, (name, value)| request.header(*name, *value));
        page(&request.body(()).unwrap().into_parts().0)
    }

    const HTML: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

    fn inflated(bytes: &[u8]) -> Vec<u8> {
        let mut plain = Vec::new();
        flate2::read::GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
        plain
    }

    #[test]
    fn the_page_is_for_clients_that_prefer_html() {
        assert!(get("/", &[HTML]).is_some());
        for accept in ["*/*", "text/plain", "text/html;q=0", "text/html;q=0.5, */*", ""] {
            assert!(get("/", &[("accept", accept)]).is_none(), "{accept}");
        }
        assert!(get("/", &[]).is_none());
    }

    #[test]
    fn the_page_names_its_files_by_their_contents() {
        let page = get("/", &[HTML]).unwrap();
        let text = std::str::from_utf8(page.body()).unwrap();
        for path in [env!("PAGE_CSS"), env!("PAGE_JS")] {
            assert_eq!(text.matches(&path[1..]).count(), 1, "relative, so that it can be moved");
            let file = get(path, &[]).unwrap();
            assert_eq!(file.headers()["cache-control"], "public, max-age=31536000, immutable");
        }
        for path in ["/page/page.css", "/page/0123456789abcdef.js", "/page/", "/other"] {
            assert!(get(path, &[HTML]).is_none(), "{path}");
        }
    }

    #[test]
    fn each_file_has_the_same_contents_plain_and_compressed() {
        for path in ["/", env!("PAGE_CSS"), env!("PAGE_JS")] {
            let plain = get(path, &[HTML, ("accept-encoding", "br, gzip;q=0")]).unwrap();
            let gzipped = get(path, &[HTML, ("accept-encoding", "br, GZIP;q=0.5")]).unwrap();
            assert_eq!(plain.headers().get("content-encoding"), None);
            assert_eq!(gzipped.headers()["content-encoding"], "gzip");
            assert_eq!(inflated(gzipped.body()), plain.body()[..]);
            for response in [plain, gzipped] {
                assert_eq!(response.headers()["vary"], "Accept, Accept-Encoding");
                assert_eq!(response.headers()["x-content-type-options"], "nosniff");
            }
        }
    }

    #[test]
    fn the_page_is_revalidated_and_sent_only_if_it_has_changed() {
        for encoding in ["identity", "gzip"] {
            let encoding = ("accept-encoding", encoding);
            let first = get("/", &[HTML, encoding]).unwrap();
            let tag = first.headers()["etag"].to_str().unwrap();
            assert_eq!(first.headers()["cache-control"], "no-cache");
            for known in [tag, &format!("\"x\", W/{tag}"), "*"] {
                let again = get("/", &[HTML, encoding, ("if-none-match", known)]).unwrap();
                assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
                assert_eq!(again.headers()["etag"], tag);
                assert_eq!(again.headers().get("content-type"), None);
            }
            let other = get("/", &[HTML, encoding, ("if-none-match", "\"x\"")]).unwrap();
            assert_eq!((other.status(), other.body()), (StatusCode::OK, first.body()));
        }
        let tag = |encoding| {
            get("/", &[HTML, ("accept-encoding", encoding)]).unwrap().headers()["etag"].clone()
        };
        assert_ne!(tag("gzip"), tag("identity"), "the bytes differ");
    }

    #[test]
    fn every_origin_may_import_the_client_and_it_is_revalidated() {
        let request_client = |headers: &[(&str, &str)]| {
            let request =
                headers.iter().fold(Request::get("/client.js"), |request, (name, value)| {
                    request.header(*name, *value)
                });
            client(&request.body(()).unwrap().into_parts().0)
        };
        let plain = request_client(&[]);
        let gzipped = request_client(&[("accept-encoding", "gzip")]);
        assert_eq!(inflated(gzipped.body()), plain.body()[..]);
        assert!(plain.body().ends_with(b"as tidings};\n"), "the module exports the client");
        for (response, encoding) in [(&plain, "identity"), (&gzipped, "gzip")] {
            let tag = response.headers()["etag"].to_str().unwrap();
            let again = request_client(&[("accept-encoding", encoding), ("if-none-match", tag)]);
            assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0));
            for response in [response, &again] {
                let headers = response.headers();
                assert_eq!(headers["access-control-allow-origin"], "*");
                assert_eq!(headers["cross-origin-resource-policy"], "cross-origin");
                assert_eq!(headers["cache-control"], "no-cache");
                assert_eq!(headers["vary"], "Accept-Encoding");
                assert_eq!(headers["x-content-type-options"], "nosniff");
            }
        }
        assert_ne!(plain.headers()["etag"], gzipped.headers()["etag"]);
    }

    #[test]
    fn webtransport_is_a_separate_file_that_imports_the_client() {
        let request = Request::get("/webtransport.js").body(()).unwrap().into_parts().0;
        let response = webtransport(&request);
        let text = std::str::from_utf8(response.body()).unwrap();
        assert_eq!(text.matches("\"./client.js\"").count(), 1);
        assert!(text.ends_with("as webTransport};\n"), "the module exports the transport");
        let headers = response.headers();
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_ne!(headers["etag"], client(&request).headers()["etag"]);
    }

    #[test]
    fn the_page_runs_only_its_own_scripts() {
        let page = get("/", &[HTML]).unwrap();
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'; ") && !policy.contains("unsafe"));
        let text = std::str::from_utf8(page.body()).unwrap();
        assert!(
            !text.contains("style=\"") && !text.contains("<style") && !text.contains("<script>")
        );
    }
}
