//! Chooses the transport that serves a request.

use std::sync::Arc;

use http::StatusCode;
use http::request::Parts;

use crate::{Rejection, Transport, query};

/// Returns the transport that `?transport=` names, otherwise the first that claims the request.
///
/// If there is only one transport, it is returned for every request without `?transport=`. It then rejects the requests
/// that it cannot serve.
///
/// # Errors
/// Fails with a `400` if `?transport=` names none of these transports, and with a `406` if none claims the request.
pub fn choose<'a>(
    transports: &'a [Arc<dyn Transport>],
    request: &Parts,
) -> Result<&'a Arc<dyn Transport>, Rejection> {
    let names = || transports.iter().map(|it| it.name()).collect::<Vec<_>>().join(", ");
    match query(request, "transport") {
        None if transports.len() == 1 => Ok(&transports[0]),
        None => transports.iter().find(|it| it.claims(request)).ok_or_else(|| {
            let message = format!("the request is for none of {}: see ?transport=NAME", names());
            Rejection::new(StatusCode::NOT_ACCEPTABLE, "not_acceptable", message)
        }),
        Some(name) => transports.iter().find(|it| it.name() == name).ok_or_else(|| {
            let message = format!("transport={name:?} is none of {}", names());
            Rejection::bad_request("bad_transport", message)
        }),
    }
}
