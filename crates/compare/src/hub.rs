//! The hub under test: a child process with a core for itself, or one that runs already.

use std::path::Path;
use std::time::Duration;

use url::Url;

use crate::child::{Child, ChildError};
use crate::pin::{Cores, Place};
use crate::plan::HubUnderTest;
use crate::proc::Process;

/// How long a hub may take to listen.
const START: Duration = Duration::from_secs(10);

/// How long after its sockets a process may itself be gone.
const DEATH: Duration = Duration::from_millis(200);

/// A hub to drive, or whatever else speaks its wire. Dropping it ends the child, if it is one.
#[derive(Debug)]
pub(crate) struct Hub {
    /// Where it listens.
    pub(crate) url: Url,
    /// Its process, where it is known.
    pub(crate) process: Option<Process>,
    child: Option<Child>,
}

impl Hub {
    pub(crate) async fn start(hub: &HubUnderTest, cores: &Cores) -> Result<Self, ChildError> {
        match hub {
            HubUnderTest::Child { program, args } => {
                Self::spawn(program, args, cores, Place::Hub).await
            }
            HubUnderTest::Url { url, pid, .. } => {
                Ok(Self { url: url.clone(), process: pid.map(Process::new), child: None })
            }
        }
    }

    /// Starts a child, and reads where it listens.
    pub(crate) async fn spawn(
        program: &Path,
        args: &[String],
        cores: &Cores,
        place: Place,
    ) -> Result<Self, ChildError> {
        let mut child = Child::start(program, args, cores, place).await?;
        let address = loop {
            let line = child.line("it said where it listens", START).await?;
            if let Some((_, address)) = line.split_once("listening on ") {
                break address.trim().to_owned();
            }
        };
        let url = address.parse().map_err(|_| child.misunderstood(address, "address"))?;
        child.listen_no_more();
        Ok(Self { url, process: child.process(), child: Some(child) })
    }

    /// Why it has ended, where it has: asked when its clients complain, which may be a moment earlier.
    pub(crate) async fn ended(&mut self, before: &'static str) -> Option<ChildError> {
        self.child.as_mut()?.has_ended(before, DEATH).await
    }

    /// Ends the child, and waits until it is gone.
    pub(crate) async fn stop(self) {
        if let Some(child) = self.child {
            child.stop().await;
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn shell(script: &str) -> HubUnderTest {
        HubUnderTest::Child { program: "sh".into(), args: vec!["-c".into(), script.into()] }
    }

    #[tokio::test]
    async fn the_address_is_read_from_its_output_and_the_child_ends_with_us() {
        let script = "echo hello; echo listening on http://127.0.0.1:4242; exec sleep 600";
        let hub = Hub::start(&shell(script), &Cores::default()).await.unwrap();
        assert_eq!(hub.url.as_str(), "http://127.0.0.1:4242/");
        let process = hub.process.clone().unwrap();
        assert!(process.cpu_ns().is_some());
        hub.stop().await;
        assert_eq!(process.cpu_ns(), None, "it is gone");
    }

    #[tokio::test]
    async fn a_hub_that_ends_at_once_is_told_with_its_own_words() {
        let script = "echo address in use >&2; exit 3";
        let error = Hub::start(&shell(script), &Cores::default()).await.unwrap_err();
        let text = error.to_string();
        assert!(text.contains("address in use") && text.contains('3'), "{text}");
    }

    #[tokio::test]
    async fn a_hub_that_listens_nowhere_is_told_with_what_it_said() {
        let script = "echo listening on the wire; exec sleep 600";
        let error = Hub::start(&shell(script), &Cores::default()).await.unwrap_err();
        assert_eq!(error.to_string(), "sh said \"the wire\", which is no address");
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_is_named() {
        let hub = HubUnderTest::Child { program: "no-such-hub".into(), args: Vec::new() };
        let error = Hub::start(&hub, &Cores::default()).await.unwrap_err();
        assert!(error.to_string().contains("no-such-hub"), "{error}");
    }
}
