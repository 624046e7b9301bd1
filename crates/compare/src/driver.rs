//! The load as a child process: a command in, an outcome out.

use std::path::Path;
use std::time::Duration;

use crate::child::{Child, ChildError};
use crate::pin::{Cores, Side};
use crate::proc::Process;
use crate::protocol::{Command, Outcome, Setup};

/// How much longer than the load's own time limits a command may take. An error of the load says more.
const MARGIN: Duration = Duration::from_secs(10);

/// A load. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Driver {
    child: Child,
    /// How long the load waits for a server in one command.
    patience: Duration,
}

impl Driver {
    /// Starts a load on its cores, with the subcommand `load` of the program.
    pub(crate) async fn start(
        program: &Path,
        setup: &Setup,
        cores: &Cores,
    ) -> Result<Self, ChildError> {
        let mut child = Child::start(program, &["load"], cores, Side::Load).await?;
        child.write(&json(setup)).await?;
        Ok(Self { child, patience: Duration::from_secs_f64(3.0 * setup.patience) })
    }

    /// Returns its process.
    pub(crate) fn process(&self) -> Option<Process> {
        self.child.process()
    }

    /// Carries out a command.
    pub(crate) async fn run(&mut self, command: Command) -> Result<Outcome, ChildError> {
        self.child.write(&json(&command)).await?;
        let limit = Duration::from_secs_f64(command.seconds()) + self.patience + MARGIN;
        let line = self.child.line("the stage was finished", limit).await?;
        serde_json::from_str(&line).map_err(|_| self.child.unexpected(&line, "an outcome"))
    }

    /// Ends it. Returns an error if it has ended before.
    pub(crate) async fn finish(self) -> Result<(), ChildError> {
        self.child.finish().await
    }
}

fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).expect("its keys are strings")
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::protocol::Transport;

    async fn driver(script: &str) -> Driver {
        let setup = Setup {
            urls: vec!["http://127.0.0.1:4242/".parse().unwrap()],
            headers: String::new(),
            transport: Transport::Sse,
            clients: 7,
            publishers: 1,
            payload: 128,
            patience: 1.0,
            own_topics: false,
        };
        let mut child =
            Child::start(Path::new("sh"), &["-c", script], &Cores::default(), Side::Load)
                .await
                .unwrap();
        child.write(&json(&setup)).await.unwrap();
        Driver { child, patience: Duration::from_secs(3) }
    }

    #[tokio::test]
    async fn an_outcome_follows_its_command() {
        let outcome = json(&Outcome { deliveries: 12, ..Outcome::default() });
        let script = format!("read setup; read command; echo '{outcome}'; read more || exit 0");
        let mut driver = driver(&script).await;
        assert_eq!(driver.run(Command::Connect).await.unwrap().deliveries, 12);
        driver.finish().await.unwrap();
    }

    #[tokio::test]
    async fn a_load_that_fails_is_reported_with_its_output() {
        let mut load = driver("read setup; read command; echo client 7 >&2; exit 1").await;
        let error = load.run(Command::Connect).await.unwrap_err().to_string();
        assert!(
            error.starts_with("sh ended before the stage") && error.contains("client 7"),
            "{error}"
        );
        let mut load = driver("read setup; read command; echo done; read more").await;
        let error = load.run(Command::Connect).await.unwrap_err();
        assert_eq!(error.to_string(), "sh printed \"done\", which is not an outcome");
    }
}
