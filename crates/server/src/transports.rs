//! The list of transports. To add one, add a line here.

use std::sync::Arc;

use tidings_long_polling::LongPolling;
use tidings_sse::Sse;
use tidings_transport::Transport;
use tidings_websocket::WebSocket;

/// The server half and the client half of one transport.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Listed {
    /// The server half.
    pub server: Arc<dyn Transport>,
    /// The client half, with the feature `client`.
    #[cfg(feature = "client")]
    pub client: Arc<dyn tidings_transport::client::Client>,
}

/// Returns every transport. The first one that claims a request serves it, and long-polling claims every request. With
/// the feature `webtransport`, WebTransport comes after it, because its requests do not arrive by HTTP/1.1 or HTTP/2. A
/// server has WebTransport only at listeners with TLS.
///
/// ```
/// use tidings_server::transports;
/// let names: Vec<_> =
///     transports().iter().map(|listed| listed.server.name()).collect();
/// assert_eq!(names[..3], ["websocket", "sse", "long-polling"]);
/// ```
pub fn transports() -> Vec<Listed> {
    vec![
        Listed {
            server: Arc::new(WebSocket::default()),
            #[cfg(feature = "client")]
            client: Arc::new(tidings_websocket::WebSocketClient::default()),
        },
        Listed {
            server: Arc::new(Sse::default()),
            #[cfg(feature = "client")]
            client: Arc::new(tidings_sse::SseClient),
        },
        Listed {
            server: Arc::new(LongPolling::default()),
            #[cfg(feature = "client")]
            client: Arc::new(tidings_long_polling::LongPollingClient::default()),
        },
        #[cfg(feature = "webtransport")]
        Listed {
            server: Arc::new(tidings_webtransport::WebTransport::default()),
            #[cfg(feature = "client")]
            client: Arc::new(tidings_webtransport::WebTransportClient::default()),
        },
    ]
}
