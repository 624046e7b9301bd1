//! The lane of a worker, as the other tasks of the worker use it.

use std::cell::RefCell;
use std::future::poll_fn;
use std::io;
use std::net::TcpListener;
use std::rc::Rc;

use super::balancer::Inbox;
use super::turn::Lane;
use crate::handover::HandOver;
use crate::shared::Shared;
use crate::subscriber::Subscriber;

/// A handle to a lane. Cheap to clone; all clones are of one thread.
#[derive(Clone)]
pub(crate) struct Handle(Rc<RefCell<Lane>>);

impl Handle {
    /// Starts a lane that accepts from this listener. Needs a tokio runtime.
    ///
    /// # Errors
    /// If the system has no epoll for it.
    pub(crate) fn new(listener: TcpListener, shared: Shared, inbox: Inbox) -> io::Result<Self> {
        let lane = Lane::new(listener, shared, inbox)?;
        Ok(Self(Rc::new(RefCell::new(lane))))
    }

    /// Serves the lane until it has connections for hyper, which it returns. Returns `None` once the hub is closed and the
    /// last connection has ended.
    ///
    /// Cancel safe.
    ///
    /// # Errors
    /// If epoll fails.
    pub(crate) async fn serve(&self) -> io::Result<Option<Vec<HandOver>>> {
        poll_fn(|context| self.0.borrow_mut().poll_turn(context)).await
    }

    /// Serves a subscriber on this connection, which ends with the answer to a poll if `is_last`.
    pub(crate) fn subscribe(&self, connection: HandOver, subscriber: Subscriber, is_last: bool) {
        self.0.borrow_mut().take_over(connection, Some(subscriber), is_last);
    }

    /// Takes a connection back whose request is answered, for the next one.
    pub(crate) fn take_back(&self, connection: HandOver) {
        self.0.borrow_mut().take_over(connection, None, false);
    }

    /// Returns the number of connections.
    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }
}
