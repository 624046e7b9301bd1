//! A file of the page, plain and gzipped.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use tidings_transport::prefers;

pub(crate) struct File {
    pub(crate) media: &'static str,
    pub(crate) plain: &'static [u8],
    pub(crate) gzipped: &'static [u8],
}

/// Includes a file that `build.rs` has written in both forms.
macro_rules! file {
    ($name:literal, $media:literal) => {
        $crate::file::File {
            media: $media,
            plain: include_bytes!(concat!(env!("OUT_DIR"), "/", $name)),
            gzipped: include_bytes!(concat!(env!("OUT_DIR"), "/", $name, ".gz")),
        }
    };
}

pub(crate) use file;

impl File {
    /// The file in the form that the client prefers.
    pub(crate) fn response(&self, request: &HeaderMap) -> Response<Bytes> {
        let is_gzipped = prefers(request, &header::ACCEPT_ENCODING, "gzip", "identity");
        let bytes = if is_gzipped { self.gzipped } else { self.plain };
        let mut response = Response::new(Bytes::from_static(bytes));
        let mut set =
            |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        set(header::CONTENT_TYPE, self.media);
        set(header::VARY, "Accept, Accept-Encoding");
        set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if is_gzipped {
            set(header::CONTENT_ENCODING, "gzip");
        }
        response
    }
}
