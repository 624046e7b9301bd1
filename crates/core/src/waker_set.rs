//! Wakes the tasks that wait for the log to grow.

use std::sync::Arc;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};

use slab::Slab;

/// The wakers of all tasks that wait for a hub. They are woken when the log grows or the pool closes.
///
/// A task registers its waker, reads the log once more, and then returns `Pending`, so a change between
/// the read and the return is not missed. Being woken means only that the task should look again.
#[derive(Clone, Debug, Default)]
pub struct WakerSet {
    waiting: Arc<Mutex<Slab<Option<Waker>>>>,
}

/// One task's place in a [`WakerSet`]. Dropping it frees the place.
#[derive(Debug)]
pub struct Waiter {
    wakers: WakerSet,
    key: usize,
}

impl WakerSet {
    /// Reserves a place for one task.
    pub fn waiter(&self) -> Waiter {
        let key = self.lock().insert(None);
        Waiter { wakers: self.clone(), key }
    }

    /// Wakes every task that has registered since it was last woken.
    pub fn wake_all(&self) {
        // Wakers run code of the executor, which must not run while the lock is held.
        let woken: Vec<Waker> =
            self.lock().iter_mut().filter_map(|(_, waker)| waker.take()).collect();
        woken.into_iter().for_each(Waker::wake);
    }

    fn lock(&self) -> MutexGuard<'_, Slab<Option<Waker>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiter {
    /// Registers the task to be woken by the next [`wake_all`](WakerSet::wake_all). After this call, look again
    /// before returning `Pending`.
    pub fn register(&self, context: &Context<'_>) {
        if let Some(place) = self.wakers.lock().get_mut(self.key) {
            match place {
                Some(waker) => waker.clone_from(context.waker()),
                None => *place = Some(context.waker().clone()),
            }
        }
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        self.wakers.lock().try_remove(self.key);
    }
}
