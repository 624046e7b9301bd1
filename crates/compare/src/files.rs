//! Sockets are files, and a process may have only so many.

use crate::RunError;

/// What both sides have open besides: standard streams, the runtime's own, `/proc`, libraries.
const BESIDES: u64 = 64;

/// Raises this process' limit to what it may be, so that so many sockets fit; its children inherit it.
///
/// # Errors
/// If the system does not allow so many.
pub(crate) fn allow(sockets: usize) -> Result<(), RunError> {
    let needed = sockets as u64 + BESIDES;
    let limit = rlimit::increase_nofile_limit(needed).unwrap_or(0);
    if limit >= needed { Ok(()) } else { Err(RunError::OpenFiles { needed, limit }) }
}
