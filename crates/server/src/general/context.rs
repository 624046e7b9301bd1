//! What a connection on the general path knows of its worker.

use tokio_util::task::TaskTracker;

use crate::lane;
use crate::shared::Shared;

/// What the connections of one worker share.
pub(crate) struct Context {
    pub(crate) shared: Shared,
    /// `None` on the general path.
    pub(crate) lane: Option<lane::Handle>,
    pub(crate) tasks: TaskTracker,
}
