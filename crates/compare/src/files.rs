//! The limit of open files: each socket is one.

use crate::RunError;

/// What a process has open besides: standard streams, the runtime, `/proc`, libraries.
const BESIDES: u64 = 64;

/// Raises the limit of this process so that so many sockets are allowed. Its children inherit it.
///
/// # Errors
/// If the system does not allow so many.
pub(crate) fn allow(sockets: usize) -> Result<(), RunError> {
    let needed = sockets as u64 + BESIDES;
    let limit = rlimit::increase_nofile_limit(needed).unwrap_or(0);
    if limit >= needed { Ok(()) } else { Err(RunError::OpenFiles { needed, limit }) }
}
