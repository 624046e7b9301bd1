//! The files of the JavaScript client, for pages without npm and a bundler.

use http::{HeaderName, header};

use crate::file::file;
use crate::revalidated::{Revalidated, tags};

/// Pages of every origin may import it.
pub(crate) static CLIENT: Revalidated = Revalidated {
    file: file!("client.js", "text/javascript; charset=utf-8"),
    tags: tags!("CLIENT_JS"),
    headers: &HEADERS,
};

/// WebTransport, which is a separate import and imports the client.
pub(crate) static WEBTRANSPORT: Revalidated = Revalidated {
    file: file!("webtransport.js", "text/javascript; charset=utf-8"),
    tags: tags!("WEBTRANSPORT_JS"),
    headers: &HEADERS,
};

static HEADERS: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (HeaderName::from_static("cross-origin-resource-policy"), "cross-origin"),
    (header::VARY, "Accept-Encoding"),
];
