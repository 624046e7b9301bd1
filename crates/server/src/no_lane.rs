//! Replaces lanes on systems that have none. There every connection takes the general path.

use std::io;

use crate::bound::Bound;
use crate::handover::{HandOver, Turn};
use crate::service::Service;
use crate::shared::Shared;
use tidings_transport::mount::Subscriber;

/// `false` because this program has no lanes.
pub(crate) const IS_BUILT: bool = false;

/// A handle to a lane. It cannot exist here.
#[derive(Clone)]
pub(crate) enum Handle {}

/// The lanes of a server. It has none here.
#[derive(Clone)]
pub(crate) struct Balancer;

/// A place on a lane. It cannot exist here.
pub(crate) enum Reserved {}

/// The inbox of a lane. It stays empty here.
pub(crate) struct Inbox;

impl Handle {
    /// Always fails.
    pub(crate) fn new(
        _: Vec<Bound>,
        _: &Shared,
        _: Inbox,
        _: Box<dyn Service>,
    ) -> io::Result<Self> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(crate) async fn serve(&self) -> io::Result<Turn> {
        match *self {}
    }

    pub(crate) fn subscribe(&self, _: HandOver, _: Box<Subscriber>, _: bool) {
        match *self {}
    }

    pub(crate) fn take_over(&self, _: HandOver) {
        match *self {}
    }

    pub(crate) fn len(&self) -> usize {
        match *self {}
    }
}

impl Balancer {
    pub(crate) fn new(_: usize) -> Self {
        Self
    }

    pub(crate) fn inbox(&self, _: usize) -> Inbox {
        Inbox
    }

    pub(crate) fn reserve(&self) -> Option<Reserved> {
        None
    }
}

impl Reserved {
    pub(crate) fn hand_over(self, _: HandOver, _: Box<Subscriber>) {
        match self {}
    }
}
