//! A server that is not the hub, as whoever measures needs it: started, found, ended.

use std::error::Error;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use futures::future::{BoxFuture, LocalBoxFuture};
use url::Url;

use crate::child::start_on;
use crate::pin::{Cores, Place};

/// A server of another kind than the hub, which its caller knows how to start.
pub trait Engine: fmt::Debug + Send + Sync + 'static {
    /// The program that is started, which the report asks for its version; `None` if there is no one program.
    fn program(&self) -> Option<PathBuf> {
        None
    }

    /// Starts one that holds nothing yet, on a free port. Resolves once it can be connected to.
    ///
    /// The future stays on the thread that it was made on, and has to start the process there, not in a task
    /// or on a thread of its own: the process inherits that thread's core. The error's words are shown in place of figures, so they say how to
    /// get the server where there is none.
    fn start(&self) -> LocalBoxFuture<'static, Result<Box<dyn Running>, EngineError>>;
}

/// An [`Engine`] that runs. Dropping it ends it.
pub trait Running: fmt::Debug + Send {
    /// Where it is connected to.
    fn url(&self) -> Url;

    /// Its process, where it is known: without, nothing is known of its CPU and memory.
    fn pid(&self) -> Option<u32>;

    /// Ends it, and resolves once it is gone.
    fn stop(self: Box<Self>) -> BoxFuture<'static, ()>;
}

/// Why an [`Engine`] could not be started.
pub type EngineError = Box<dyn Error + Send + Sync>;

/// Starts it on the core that belongs to servers.
pub(crate) async fn start(
    engine: Arc<dyn Engine>,
    cores: &Cores,
) -> Result<Box<dyn Running>, String> {
    let start = async move || engine.start().await;
    let started = start_on(start, cores.clone(), Place::Hub).await;
    match started {
        Ok(running) => running.map_err(|error| in_full(&*error)),
        Err(error) => Err(error.to_string()),
    }
}

/// An error and its causes on one line.
pub(crate) fn in_full(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
