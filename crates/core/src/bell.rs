//! Wakes whoever waits for news.

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use slab::Slab;

/// One bell for all: rung when the log has grown or the pool closes.
///
/// A waiter leaves its waker, looks once more, and goes to sleep; so nothing is missed between the look
/// and the sleep. A bell says only *look again*, never what there is to see.
#[derive(Clone, Debug, Default)]
pub struct Bell {
    waiting: Arc<Mutex<Slab<Option<Waker>>>>,
}

/// One waiter's place at a [`Bell`]; given back on drop.
#[derive(Debug)]
pub struct Listener {
    bell: Bell,
    key: usize,
}

impl Bell {
    /// Takes a place.
    pub fn listen(&self) -> Listener {
        let key = self.lock().insert(None);
        Listener { bell: self.clone(), key }
    }

    /// Wakes everyone who waits.
    pub fn ring(&self) {
        // Wakers run foreign code: none of it under the lock.
        let woken: Vec<Waker> =
            self.lock().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        woken.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Option<Waker>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Listener {
    /// Wakes this task at the next ring. Look again after the call and before returning `Pending`.
    pub fn register(&self, context: &Context<'_>) {
        if let Some(place) = self.bell.lock().get_mut(self.key) {
            match place {
                Some(waker) => waker.clone_from(context.waker()),
                None => *place = Some(context.waker().clone()),
            }
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.bell.lock().try_remove(self.key);
    }
}
