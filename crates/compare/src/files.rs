//! Sockets are files, and a process may have only so many.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::RunError;

/// What both sides have open besides: standard streams, the runtime's own, `/proc`, libraries.
const BESIDES: u64 = 64;

/// Raises this process' limit to what it may be, so that so many sockets fit; its children inherit it.
pub(crate) fn allow(sockets: usize) -> Result<(), RunError> {
    let needed = sockets as u64 + BESIDES;
    let now = getrlimit(Resource::Nofile);
    let enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= needed);
    if enough(now.current) {
        return Ok(());
    }
    let raised = Rlimit { current: now.maximum, maximum: now.maximum };
    if enough(now.maximum) && setrlimit(Resource::Nofile, raised).is_ok() {
        return Ok(());
    }
    let limit = now.maximum.or(now.current).unwrap_or(0);
    Err(RunError::OpenFiles { needed, limit })
}
