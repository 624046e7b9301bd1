//! The purpose of a request.

use crate::baseline::http::Request;
use crate::baseline::log::Id;
use crate::baseline::response::Fault;

/// The four requests to a topic.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    /// Publish this payload.
    Publish(&'a str),
    /// Subscribe by WebSocket.
    WebSocket { key: &'a [u8] },
    /// Subscribe by SSE.
    EventStream,
    /// Poll for the notifications after a position, or for the current position.
    Poll { after: Option<Id> },
}

impl<'a> Call<'a> {
    /// Parses the request as the server does: the method, then `Upgrade`, then `Accept`.
    pub(crate) fn read(request: &Request<'a>) -> Result<Self, Fault> {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        // The baseline has no filters, because they cost time. All names are the same topic.
        if !path.starts_with("/topics/") {
            return Err(Fault("404 Not Found"));
        }
        match request.method {
            "POST" => {
                str::from_utf8(request.body).map(Self::Publish).map_err(|_| Fault::BAD_REQUEST)
            }
            "GET" if request.header("upgrade") == Some(b"websocket") => Ok(Self::WebSocket {
                key: request.header("sec-websocket-key").ok_or(Fault::BAD_REQUEST)?,
            }),
            "GET" if request.header("accept") == Some(b"text/event-stream") => {
                Ok(Self::EventStream)
            }
            "GET" => Ok(Self::Poll { after: position(query)? }),
            _ => Err(Fault("405 Method Not Allowed")),
        }
    }
}

/// The `after` of a query. Ids need no percent-decoding.
fn position(query: &str) -> Result<Option<Id>, Fault> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("after="))
        .map(|id| match id {
            // A position that the log has evicted is skipped.
            "earliest" => Ok(Id(0)),
            id => Id::parse(id).ok_or(Fault::BAD_REQUEST),
        })
        .transpose()
}
