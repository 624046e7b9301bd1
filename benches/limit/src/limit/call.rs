//! What a request asks for.

use crate::limit::fault::Fault;
use crate::limit::http::Request;
use crate::limit::log::Id;
use crate::limit::websocket::SUBPROTOCOL;

/// The four things one can ask of a topic.
#[derive(Debug)]
pub(crate) enum Call<'a> {
    /// Publish this payload.
    Publish(&'a str),
    /// Subscribe by WebSocket.
    WebSocket { key: &'a [u8], envelope: bool },
    /// Subscribe by SSE.
    EventStream,
    /// Ask for what comes after a position, or for the present position.
    Poll { after: Option<Id> },
}

impl<'a> Call<'a> {
    /// Reads the request as the hub does: the method, then `Upgrade`, then `Accept`.
    pub(crate) fn read(request: &Request<'a>) -> Result<Self, Fault> {
        let (path, query) = request.target.split_once('?').unwrap_or((request.target, ""));
        // A filter costs, and there is none here: every topic is the one that there is.
        if !path.starts_with("/topics/") {
            return Err(Fault::NOT_FOUND);
        }
        match request.method {
            "POST" => {
                str::from_utf8(request.body).map(Self::Publish).map_err(|_| Fault::BAD_PAYLOAD)
            }
            "GET" if request.lists("upgrade", "websocket") => Ok(Self::WebSocket {
                key: request.header("sec-websocket-key").ok_or(Fault::BAD_HANDSHAKE)?,
                envelope: request.lists("sec-websocket-protocol", SUBPROTOCOL),
            }),
            "GET" if request.lists("accept", "text/event-stream") => Ok(Self::EventStream),
            "GET" => Ok(Self::Poll { after: position(query)? }),
            _ => Err(Fault::BAD_METHOD),
        }
    }
}

/// The `after` of a query. Ids need no percent-decoding.
fn position(query: &str) -> Result<Option<Id>, Fault> {
    query
        .split('&')
        .find_map(|pair| pair.strip_prefix("after="))
        .map(|id| match id {
            // What the log has lost of its start is skipped, as every position it has lost is.
            "earliest" => Ok(Id(0)),
            id => Id::parse(id).ok_or(Fault::BAD_POSITION),
        })
        .transpose()
}
