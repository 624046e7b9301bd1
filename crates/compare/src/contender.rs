//! Who takes part: a server, how it is read, and how it is published to.

use std::sync::Arc;

use tidings_transport::client::{Client, ConnectPublisher, Publisher};

use crate::engine::Engine;
use crate::plan::{Plan, PlanError};

/// One row of a comparison. Those of the program are in [`contenders`](crate::contenders).
#[derive(Clone, Debug)]
pub struct Contender {
    /// The name by which it is chosen, without blanks.
    pub name: &'static str,
    /// A name that it shares with others; who chooses that has all of them.
    pub family: Option<&'static str>,
    /// What the report calls it.
    pub title: &'static str,
    /// What serves it.
    pub server: Server,
    /// How it is read.
    pub client: Arc<dyn Client>,
    /// How it is published to.
    pub publisher: ConnectPublisher,
    /// What figures cannot tell and a reader has to know, such as that its guarantees are others.
    pub remark: Option<String>,
}

/// What serves a contender.
#[derive(Clone, Debug)]
pub enum Server {
    /// The hub of the plan.
    Hub,
    /// Another server than the hub, read and published to directly.
    Engine(Arc<dyn Engine>),
    /// So many hubs of the plan that are one. Clients are on all of them in turn, publishers on the first.
    Nodes {
        /// How many hubs, at least 1.
        nodes: usize,
        /// What they share; a hub alone needs nothing.
        engine: Option<Arc<dyn Engine>>,
    },
}

impl Contender {
    /// The hub of the plan, read by this transport.
    pub fn hub(client: Arc<dyn Client>) -> Self {
        let name = client.transport();
        Self {
            name,
            family: None,
            title: name,
            server: Server::Hub,
            client,
            publisher: Publisher::boxed,
            remark: None,
        }
    }

    fn is_called(&self, name: &str) -> bool {
        self.name == name || self.family == Some(name)
    }
}

/// Those that the plan names, in its order; all of them where it names none.
pub(crate) fn chosen<'a>(
    plan: &Plan,
    contenders: &'a [Contender],
) -> Result<Vec<&'a Contender>, PlanError> {
    if contenders.is_empty() {
        return Err(PlanError::NoTransport);
    }
    if plan.transports.is_empty() {
        return Ok(contenders.iter().collect());
    }
    let mut chosen: Vec<&Contender> = Vec::new();
    for name in &plan.transports {
        let mut meant = contenders.iter().filter(|one| one.is_called(name)).peekable();
        if meant.peek().is_none() {
            return Err(PlanError::UnknownTransport {
                name: name.clone(),
                known: known(contenders),
            });
        }
        for one in meant {
            // A family and one of its own are that family.
            if chosen.iter().all(|other| other.name != one.name) {
                chosen.push(one);
            }
        }
    }
    Ok(chosen)
}

fn known(contenders: &[Contender]) -> String {
    contenders.iter().map(|one| one.name).collect::<Vec<_>>().join(", ")
}
