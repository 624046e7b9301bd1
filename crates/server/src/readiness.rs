//! Whether a balancer should send new clients to this server: `GET /readyz`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Response, StatusCode};
use tidings_core::Hub;
use tidings_transport::Rejection;

use crate::front::text;

/// Whether the server has begun to shut down. All clones share one state.
#[derive(Clone, Debug, Default)]
pub(crate) struct Readiness {
    is_draining: Arc<AtomicBool>,
}

impl Readiness {
    /// From now on the server is not ready.
    pub(crate) fn drain(&self) {
        self.is_draining.store(true, Ordering::Release);
    }

    /// Returns the response to `GET /readyz`.
    pub(crate) fn answer(&self, hub: &Hub) -> Response<Bytes> {
        match self.problem(hub) {
            None => text("text/plain; charset=utf-8", "ready\n"),
            Some((code, message)) => {
                Rejection::new(StatusCode::SERVICE_UNAVAILABLE, code, message).into_response()
            }
        }
    }

    fn problem(&self, hub: &Hub) -> Option<(&'static str, &'static str)> {
        let is_closing = self.is_draining.load(Ordering::Acquire) || hub.pool().closed().is_some();
        if is_closing {
            Some(("going_away", "the hub is shutting down"))
        } else if hub.is_ready() {
            None
        } else {
            Some(("unavailable", "the hub is not connected to its broker yet"))
        }
    }
}
