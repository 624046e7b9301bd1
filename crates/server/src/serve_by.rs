//! The ways to move bytes, which tests and measurements choose from.

use crate::lane;

/// How a server moves the bytes of its clients. All ways behave the same. For tests and measurements that compare them.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServeBy {
    /// By lanes, with many sends in one system call if the kernel allows io_uring. Systems other than Linux have no lanes
    /// and take the general path.
    #[default]
    Lanes,
    /// By lanes, with one system call for each send.
    LanesWithoutIoUring,
    /// By the stream adapters of a mount, with a task for each connection.
    GeneralPath,
}

impl ServeBy {
    /// Returns `true` if connections are served by lanes.
    pub(crate) fn has_lanes(self) -> bool {
        lane::IS_BUILT && self != Self::GeneralPath
    }
}
