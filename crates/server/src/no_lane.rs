//! Replaces the lane on systems without it: every connection takes the general path.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::rc::Rc;

use tokio_util::task::TaskTracker;

use crate::connected::Connected;
use crate::shared::{Context, Shared};
use crate::visitor::Newcomer;

/// Whether this program has lanes.
pub(crate) const IS_BUILT: bool = false;

/// The lane of a worker, which does not exist here.
#[derive(Clone)]
pub(crate) enum Lane {}

/// The lanes of a hub, which do not exist here.
#[derive(Clone)]
pub(crate) struct Neighbours;

/// Always returns an error.
pub(crate) fn start(
    _: TcpListener,
    _: Shared,
    _: usize,
    _: TaskTracker,
) -> io::Result<(Rc<Context>, Lane)> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Lane {
    pub(crate) fn join(&self, _: Newcomer) {
        match *self {}
    }

    pub(crate) fn take_back(&self, _: TcpStream, _: Connected, _: &[u8]) {
        match *self {}
    }

    pub(crate) fn len(&self) -> usize {
        match *self {}
    }

    pub(crate) async fn drive(self) -> io::Result<()> {
        match self {}
    }
}

impl Neighbours {
    pub(crate) fn new(_: usize) -> Self {
        Self
    }
}
