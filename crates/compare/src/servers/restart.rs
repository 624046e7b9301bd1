//! A rolling restart of our servers.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use tokio::time::sleep;
use url::Position;

use super::{SERVE, Servers};
use crate::pin::Cores;

/// The time before the first restart. Clients have received a notification by then.
const LEAD_TIME: Duration = Duration::from_secs(1);

/// How a server was started.
#[derive(Clone, Debug)]
pub(super) struct Command {
    program: PathBuf,
    /// [`SERVE`], the address, and the others.
    args: Vec<String>,
}

impl Command {
    pub(super) fn new(program: &Path, args: &[&str]) -> Self {
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        Self { program: program.to_owned(), args }
    }
}

impl Servers {
    /// Restarts each of our servers at its address, the next one once the last one listens. The CPU time and the memory of
    /// the servers are unknown from then on.
    ///
    /// # Errors
    /// Fails if the servers are not ours, or if one does not stop or does not start.
    pub(crate) async fn restart_in_turn(&mut self, cores: &Cores) -> anyhow::Result<()> {
        sleep(LEAD_TIME).await;
        let command = self.command.clone().context("only servers of ours can be restarted")?;
        let Command { program, mut args } = command;
        self.cgroup = None;
        for at in 0..self.urls.len() {
            self.serving[at] = None;
            self.children.remove(at).terminate().await?;
            let address = &self.urls[at][Position::BeforeHost..Position::AfterPort];
            args[SERVE.len()] = address.to_owned();
            let (child, _) = self.listening(&program, &args, cores).await?;
            self.children.insert(at, child);
        }
        Ok(())
    }
}
