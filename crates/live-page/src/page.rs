//! The page itself.

use http::{HeaderName, header};

use crate::file::file;
use crate::revalidated::{Revalidated, tags};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(crate) static PAGE: Revalidated = Revalidated {
    file: file!("index.html", "text/html; charset=utf-8"),
    tags: tags!("INDEX_HTML"),
    headers: &HEADERS,
};

static HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];
