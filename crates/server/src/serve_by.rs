//! The ways to serve connections, for tests and measurements.

use crate::lane;

/// How a server serves its connections, for tests and measurements that compare the ways. Clients see no difference.
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServeBy {
    /// By lanes, with many sends in one system call if the kernel allows io_uring. Systems other than Linux have no
    /// lanes, so every connection takes the general path there.
    #[default]
    Lanes,
    /// By lanes, with one system call for each send.
    LanesWithoutIoUring,
    /// By the general path: the stream adapters of a mount, with a task for each connection.
    GeneralPath,
}

impl ServeBy {
    pub(crate) fn has_lanes(self) -> bool {
        lane::IS_BUILT && self != Self::GeneralPath
    }
}
