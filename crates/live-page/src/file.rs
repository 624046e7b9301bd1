//! A file of the page, in both its forms.

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, header};
use tidings_transport::prefers;

pub(crate) struct File {
    pub(crate) media: &'static str,
    pub(crate) plain: &'static [u8],
    pub(crate) gzipped: &'static [u8],
}

/// One that `build.rs` has put in both its forms.
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
    /// In the form that the client accepts.
    pub(crate) fn response(&self, request: &HeaderMap) -> Response<Bytes> {
        let is_gzipped = prefers(request, &header::ACCEPT_ENCODING, "gzip", "identity");
        let bytes = if is_gzipped { self.gzipped } else { self.plain };
        let mut response = Response::new(Bytes::from_static(bytes));
        let mut say =
            |name, value| response.headers_mut().insert(name, HeaderValue::from_static(value));
        say(header::CONTENT_TYPE, self.media);
        say(header::VARY, "Accept, Accept-Encoding");
        say(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
        if is_gzipped {
            say(header::CONTENT_ENCODING, "gzip");
        }
        response
    }
}
