//! The driver of WebTransport in a build without the feature `webtransport`: there are no endpoints.

use std::convert::Infallible;
use std::io;
use std::net::TcpListener;

use serde_json::Value;

use crate::config::Config;
use crate::shared::Shared;
use crate::tls::Tls;

/// An endpoint, of which there is none.
#[derive(Debug)]
pub(crate) struct Listener(Infallible);

impl Listener {
    pub(crate) fn bind(_: &Config, _: &TcpListener, _: &Tls) -> io::Result<Option<Self>> {
        Ok(None)
    }
}

/// What `GET /transports` shows about WebTransport, which is nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offer(());

impl Offer {
    pub(crate) fn of(_: &[Listener]) -> Self {
        Self(())
    }

    pub(crate) fn has(&self, _transport: &str) -> bool {
        true
    }

    /// Adds nothing.
    pub(crate) fn describe(&self, _description: &mut Value, _endpoint: Option<u16>) {}
}

/// Is never called.
pub(crate) async fn serve(listener: Listener, _: Shared) -> io::Result<()> {
    match listener.0 {}
}
