//! THE list of transports. A further one is a line here.

use std::sync::Arc;

use tidings_core::Heartbeat;
use tidings_long_polling::{LongPolling, LongPollingClient};
use tidings_sse::{Sse, SseClient, SseConfig};
use tidings_transport::{Transport, client::Client};
use tidings_websocket::{WebSocket, WebSocketClient, WebSocketConfig};

/// Both halves of one transport.
#[derive(Clone, Debug)]
pub struct Listed {
    /// What the hub speaks.
    pub server: Arc<dyn Transport>,
    /// What a client of ours speaks.
    pub client: Arc<dyn Client>,
}

/// Every transport, in the order in which a request is offered to them: the first that claims it has it.
/// Long-polling is last because it claims every request.
///
/// ```
/// use tidings_hub::transports;
/// let names: Vec<_> =
///     transports(Default::default()).iter().map(|listed| listed.server.name()).collect();
/// assert_eq!(names, ["websocket", "sse", "long-polling"]);
/// ```
pub fn transports(heartbeat: Heartbeat) -> Vec<Listed> {
    let websocket = WebSocketConfig { heartbeat, ..WebSocketConfig::default() };
    let sse = SseConfig { heartbeat, ..SseConfig::default() };
    vec![
        Listed {
            server: Arc::new(WebSocket::new(websocket)),
            client: Arc::new(WebSocketClient::default()),
        },
        Listed { server: Arc::new(Sse::new(sse)), client: Arc::new(SseClient) },
        Listed {
            server: Arc::new(LongPolling::default()),
            client: Arc::new(LongPollingClient::default()),
        },
    ]
}
