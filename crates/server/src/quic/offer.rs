//! What `GET /transports` shows about WebTransport.

use serde_json::{Value, json};
use tidings_transport::base64_of;
use tidings_webtransport::NAME;
use web_transport_quinn::crypto::sha256;

use super::Listener;
use crate::tls::{Tls, provider};

/// The first endpoint of the server, if there is one. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer(Option<(u16, Tls)>);

impl Offer {
    pub(crate) fn of(listeners: &[Listener]) -> Self {
        Self(listeners.first().map(|first| (first.address.port(), first.tls.clone())))
    }

    /// Whether clients can use this transport. Only for WebTransport it depends on the listeners.
    pub(crate) fn has(&self, transport: &str) -> bool {
        transport != NAME || self.0.is_some()
    }

    /// Adds the port and the hashes of certificates to the description of the server.
    pub(crate) fn describe(&self, description: &mut Value) {
        let Some((port, tls)) = &self.0 else { return };
        let provider = provider();
        let hash = |certificate| base64_of(sha256(&provider, &certificate).as_ref());
        let hashes: Vec<_> = tls.short_lived().into_iter().map(hash).collect();
        description[NAME] = json!({ "port": port, "hashes": hashes });
    }
}
