//! The JavaScript client, for pages that have it from no other place.

use http::{HeaderName, header};

use crate::file::file;
use crate::revalidated::{Revalidated, tags};

/// Each page may import it, whatever its origin: it is the same for everyone.
pub(crate) static CLIENT: Revalidated = Revalidated {
    file: file!("client.js", "text/javascript; charset=utf-8"),
    tags: tags!("CLIENT_JS"),
    headers: &HEADERS,
};

static HEADERS: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    (header::VARY, "Accept-Encoding"),
];
