//! A file whose path does not contain its version. Clients revalidate it each time.

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};

use crate::file::File;

pub(crate) struct Revalidated {
    pub(crate) file: File,
    /// The entity tags of the plain and of the gzipped file. Each form needs its own (RFC 9110, section 8.8.3).
    pub(crate) tags: [&'static str; 2],
    pub(crate) headers: &'static [(HeaderName, &'static str)],
}

/// The entity tags for the version in this environment variable of `build.rs`.
macro_rules! tags {
    ($variable:literal) => {
        [concat!("\"", env!($variable), "\""), concat!("\"", env!($variable), "-gzip\"")]
    };
}

pub(crate) use tags;

impl Revalidated {
    /// The file, or `304` without a body if the client has this version.
    pub(crate) fn response(&self, request: &HeaderMap) -> Response<Bytes> {
        let mut response = self.file.response(request);
        let headers = response.headers_mut();
        let is_gzipped = headers.contains_key(header::CONTENT_ENCODING);
        let tag = self.tags[usize::from(is_gzipped)];
        headers.insert(header::ETAG, HeaderValue::from_static(tag));
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in self.headers {
            headers.insert(name, HeaderValue::from_static(value));
        }
        if has_version(request, tag) {
            headers.remove(header::CONTENT_TYPE);
            headers.remove(header::CONTENT_ENCODING);
            *response.status_mut() = StatusCode::NOT_MODIFIED;
            *response.body_mut() = Bytes::new();
        }
        response
    }
}

/// Whether the client has the version with this tag (RFC 9110, section 13.1.2). The comparison is weak, because proxies
/// that compress make tags weak.
fn has_version(request: &HeaderMap, tag: &str) -> bool {
    let matches = |other: &str| other == "*" || other.strip_prefix("W/").unwrap_or(other) == tag;
    let lines = request.get_all(header::IF_NONE_MATCH).iter().flat_map(|line| line.to_str());
    lines.flat_map(|line| line.split(',')).any(|other| matches(other.trim()))
}
