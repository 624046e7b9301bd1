//! The state that the connections of one worker share on the general path.

use tokio_util::task::TaskTracker;

use crate::lane;
use crate::shared::Shared;

/// The state that the connections of one worker share.
pub(crate) struct Context {
    pub(crate) shared: Shared,
    /// The lane of the worker. `None` if the server has no lanes.
    pub(crate) lane: Option<lane::Handle>,
    pub(crate) tasks: TaskTracker,
}
