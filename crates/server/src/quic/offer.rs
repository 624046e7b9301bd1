//! What `GET /transports` shows about WebTransport.

use std::sync::Arc;

use serde_json::{Value, json};
use tidings_transport::base64_of;
use tidings_webtransport::NAME;
use web_transport_quinn::crypto::sha256;

use super::Listener;
use crate::tls::{Tls, provider};

/// The port and the certificates of each endpoint of the server. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer(Arc<[(u16, Tls)]>);

impl Offer {
    pub(crate) fn of(listeners: &[Listener]) -> Self {
        Self(listeners.iter().map(|it| (it.address.port(), it.tls.clone())).collect())
    }

    /// Whether clients can use this transport. Only for WebTransport it depends on the listeners.
    pub(crate) fn has(&self, transport: &str) -> bool {
        transport != NAME || !self.0.is_empty()
    }

    /// Adds the port and the hashes of certificates of an endpoint to the description of the server. It is the one at
    /// this index, or the first one if a request came in through a listener without an endpoint.
    pub(crate) fn describe(&self, description: &mut Value, endpoint: Option<u16>) {
        let Some((port, tls)) = self.0.get(usize::from(endpoint.unwrap_or(0))) else { return };
        let provider = provider();
        let hash = |certificate| base64_of(sha256(&provider, &certificate).as_ref());
        let hashes: Vec<_> = tls.short_lived().into_iter().map(hash).collect();
        description[NAME] = json!({ "port": port, "hashes": hashes });
    }
}
