//! Several servers that share a broker. They are child processes that can be killed and restarted.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use tidings_testkit::TestProgram;
use url::Url;

/// The servers by their index, `None` while one is killed. Cloning it is shallow.
#[derive(Clone)]
pub(crate) struct Nodes(Arc<Mutex<Vec<Option<Node>>>>);

struct Node {
    url: Url,
    _program: TestProgram,
}

impl Nodes {
    /// Starts `count` servers with this broker.
    pub(crate) fn start(count: usize, broker: &str, flags: &[&str]) -> Self {
        let nodes = (0..count).map(|_| Some(Node::start(broker, flags)));
        Self(Arc::new(Mutex::new(nodes.collect())))
    }

    /// The URL of a random server that is running.
    pub(crate) fn any(&self, random: &mut fastrand::Rng) -> Url {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let serving: Vec<&Url> = nodes.iter().flatten().map(|node| &node.url).collect();
        serving[random.usize(..serving.len())].clone()
    }

    pub(crate) fn at(&self, place: usize) -> Url {
        let nodes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nodes[place].as_ref().expect("the server is running").url.clone()
    }

    /// Kills a server, as a crash does. It sends no goodbye.
    pub(crate) fn kill(&self, place: usize) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner)[place].take());
    }

    /// Starts a server with the index of one that was killed.
    pub(crate) fn start_again(&self, place: usize, broker: &str, flags: &[&str]) {
        let node = Node::start(broker, flags);
        self.0.lock().unwrap_or_else(PoisonError::into_inner)[place] = Some(node);
    }
}

impl Node {
    fn start(broker: &str, flags: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(["serve", "--listen", "127.0.0.1:0", "--broker", broker]).args(flags);
        let mut program = TestProgram::start(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        let line = program.line();
        let url = line.strip_prefix("listening on ").expect("the server listens");
        Self { url: url.parse().unwrap(), _program: program }
    }
}
