//! The ways to move bytes, for tests and measurements.

use crate::lane;

/// How a server moves the bytes of its clients. Clients see no difference. For tests and measurements that compare the ways.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServeBy {
    /// By lanes, with many sends in one system call if the kernel allows io_uring. Systems other than Linux have no lanes
    /// and take the general path.
    #[default]
    Lanes,
    /// By lanes, with one system call for each send.
    LanesWithoutIoUring,
    /// By the general path: the stream adapters of a mount, with a task for each connection.
    GeneralPath,
}

impl ServeBy {
    /// Returns `true` if connections are served by lanes.
    pub(crate) fn has_lanes(self) -> bool {
        lane::IS_BUILT && self != Self::GeneralPath
    }
}
