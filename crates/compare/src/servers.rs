//! What serves one cell: the hub, an engine that is read directly, or hubs over an engine.

use std::sync::Arc;

use url::Url;

use crate::RunError;
use crate::contender::Server;
use crate::engine::{self, Engine, Running};
use crate::hub::Hub;
use crate::pin::Cores;
use crate::plan::HubUnderTest;
use crate::proc::Process;

/// The servers of one cell. Dropping them ends those that were started.
#[derive(Debug)]
pub(crate) struct Servers {
    hubs: Vec<Hub>,
    engine: Option<Box<dyn Running>>,
    urls: Vec<Url>,
    /// Whose figures are those of the row.
    serving: Vec<Option<Process>>,
    /// The engine, where hubs stand between it and the clients.
    below: Option<Process>,
}

/// Why there are none.
#[derive(Debug)]
pub(crate) enum StartError {
    /// The engine could not be started: the row is not measured, and these are the words in its place.
    Missing(String),
    /// The hub could not, which is what all of this is about.
    Run(RunError),
}

impl Servers {
    pub(crate) async fn start(
        server: &Server,
        hub: &HubUnderTest,
        cores: &Cores,
    ) -> Result<Self, StartError> {
        match server {
            Server::Hub => Self::hubs(1, None, hub, cores).await,
            Server::Nodes { nodes, engine } => {
                let engine = match engine {
                    Some(engine) => Some(started(engine, cores).await?),
                    None => None,
                };
                Self::hubs(*nodes, engine, hub, cores).await
            }
            Server::Engine(engine) => {
                let engine = started(engine, cores).await?;
                Ok(Self {
                    hubs: Vec::new(),
                    urls: vec![engine.url()],
                    serving: vec![engine.pid().map(Process::new)],
                    engine: Some(engine),
                    below: None,
                })
            }
        }
    }

    async fn hubs(
        nodes: usize,
        engine: Option<Box<dyn Running>>,
        hub: &HubUnderTest,
        cores: &Cores,
    ) -> Result<Self, StartError> {
        let hub = match &engine {
            Some(engine) => hub.over(&engine.url()),
            None => hub.clone(),
        };
        let mut hubs = Vec::with_capacity(nodes);
        for _ in 0..nodes {
            let started = Hub::start(&hub, cores).await;
            hubs.push(started.map_err(|error| StartError::Run(error.into()))?);
        }
        Ok(Self {
            urls: hubs.iter().map(|hub| hub.url.clone()).collect(),
            serving: hubs.iter().map(|hub| hub.process.clone()).collect(),
            below: engine.as_ref().and_then(|engine| engine.pid()).map(Process::new),
            hubs,
            engine,
        })
    }

    /// Where clients connect; publishers do at the first.
    pub(crate) fn urls(&self) -> &[Url] {
        &self.urls
    }

    /// CPU time of those that clients are connected to.
    pub(crate) fn cpu_ns(&self) -> Option<u64> {
        self.of_each(Process::cpu_ns)
    }

    /// Memory of those that clients are connected to.
    pub(crate) fn pss(&self) -> Option<u64> {
        self.of_each(Process::pss)
    }

    /// CPU time of the engine below hubs.
    pub(crate) fn below_cpu_ns(&self) -> Option<u64> {
        self.below.as_ref()?.cpu_ns()
    }

    /// CPU time of all of them: at rest is what none of them works for.
    pub(crate) fn all_cpu_ns(&self) -> Option<u64> {
        Some(self.cpu_ns()? + self.below_cpu_ns().unwrap_or(0))
    }

    fn of_each(&self, figure: fn(&Process) -> Option<u64>) -> Option<u64> {
        self.serving.iter().map(|process| figure(process.as_ref()?)).sum()
    }

    /// Ends them, hubs first: an engine that leaves a hub is none of the hub's figures.
    pub(crate) async fn stop(self) {
        for hub in self.hubs {
            hub.stop().await;
        }
        if let Some(engine) = self.engine {
            engine.stop().await;
        }
    }
}

async fn started(engine: &Arc<dyn Engine>, cores: &Cores) -> Result<Box<dyn Running>, StartError> {
    engine::start(engine.clone(), cores).await.map_err(StartError::Missing)
}
