//! The versions of the servers that were measured.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::Command;
use tokio::time::timeout;

use crate::contender::{Broker, Contender, Server};
use crate::plan::Plan;

/// How long a program may take to print its version.
const ANSWER: Duration = Duration::from_secs(5);

/// A server and its version.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The program, such as `nats-server`, or the address of a server that was running before.
    pub server: String,
    /// Its version, such as `2.10.1`; `None` if it is not known.
    pub version: Option<String>,
}

/// Returns the servers of these contenders, each once.
pub(crate) async fn of(plan: &Plan, contenders: &[&Contender]) -> Vec<Version> {
    let mut versions: Vec<Version> = Vec::new();
    for contender in contenders {
        let broker = match contender.server {
            Server::Queue(broker) | Server::Nodes(_, Some(broker)) => Some(broker),
            _ => None,
        };
        let program = match broker {
            Some(Broker::Nats) => Some(Path::new("nats-server")),
            Some(Broker::Redis) => Some(Path::new("redis-server")),
            None => None,
        };
        let ours = match &plan.running {
            _ if matches!(contender.server, Server::Queue(_)) => None,
            Some(running) => Some(Version { server: running.shown(), version: None }),
            None => Some(of_program(&plan.program).await),
        };
        let broker = match program {
            Some(program) => Some(of_program(program).await),
            None => None,
        };
        for version in ours.into_iter().chain(broker) {
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
    }
    versions
}

/// Runs a program with `--version`.
async fn of_program(program: &Path) -> Version {
    let name = program.file_name().unwrap_or(program.as_os_str());
    let server = name.to_string_lossy().into_owned();
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).kill_on_drop(true);
    let answer = timeout(ANSWER, command.output()).await;
    let version = match answer {
        Ok(Ok(output)) if output.status.success() => {
            first_version(&String::from_utf8_lossy(&output.stdout))
        }
        _ => None,
    };
    Version { server, version }
}

/// Returns the first word that is a version, as in `nats-server: v2.9.10` and `Redis server v=7.0.15 sha=0`.
fn first_version(text: &str) -> Option<String> {
    let mut words = text
        .split_ascii_whitespace()
        .map(|word| word.strip_prefix("v=").or_else(|| word.strip_prefix('v')).unwrap_or(word));
    words.find(|word| word.starts_with(|c: char| c.is_ascii_digit())).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_in_what_servers_print() {
        for (text, version) in [
            ("nats-server: v2.9.10\n", Some("2.9.10")),
            (
                "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64\n",
                Some("7.0.15"),
            ),
            ("tidings 0.1.0\n", Some("0.1.0")),
            ("usage: server [options]\n", None),
        ] {
            assert_eq!(first_version(text).as_deref(), version);
        }
    }

    #[tokio::test]
    async fn a_program_that_is_not_there_has_no_known_version() {
        let version = of_program(Path::new("no-such-server")).await;
        assert_eq!(version, Version { server: "no-such-server".to_owned(), version: None });
    }
}
