//! The time limit of a program that a step runs. A test that waits for something that never comes would otherwise keep the whole
//! run from ending, and nothing would say which step it was.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError, SyncSender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a program may run. On two cores the tests take ten minutes, and that includes compiling them.
pub(crate) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Kills a child, and every program that descends from it, if it still runs after a time.
pub(crate) struct Limit {
    /// Closed if the child has ended.
    ended: SyncSender<()>,
    watch: JoinHandle<bool>,
}

impl Limit {
    /// Watches over the child `pid`.
    pub(crate) fn start(pid: u32, limit: Duration) -> Self {
        let (ended, watched) = mpsc::sync_channel(0);
        let watch = thread::spawn(move || {
            let is_over = watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if is_over {
                kill(pid);
            }
            is_over
        });
        Self { ended, watch }
    }

    /// Ends the watch. Returns `true` if the child was killed. Call it as soon as the child has been waited for, because
    /// from then on the system may give its id to another program.
    pub(crate) fn end(self) -> bool {
        drop(self.ended);
        self.watch.join().expect("the watch does not panic")
    }
}

/// Kills a program and its descendants. The descendants are looked for first: without their parent they have another one. If
/// there is no `/proc`, only the program itself is killed.
fn kill(pid: u32) {
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| Some((pid, parent(pid)?)))
        .collect();
    let mut tree = vec![pid];
    let mut next = 0;
    while let Some(&above) = tree.get(next) {
        tree.extend(parents.iter().filter(|&&(_, parent)| parent == above).map(|&(pid, _)| pid));
        next += 1;
    }
    // Fails if one of them has ended meanwhile; the others are killed all the same.
    let _ = Command::new("kill").arg("-9").args(tree.iter().map(u32::to_string)).output();
}

/// Returns the parent of a process, or `None` if there is no such process any more.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may hold anything. After it come the state and the parent.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_child_is_killed_with_its_descendants() {
        // The output ends when the last program that holds it has ended, and that is the inner one.
        let mut sleeps = Command::new("sh");
        sleeps.args(["-c", "sh -c 'echo; exec sleep 600'; true"]).stdout(Stdio::piped());
        let mut child = sleeps.spawn().unwrap();
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut [0]).unwrap();
        let limit = Limit::start(child.id(), Duration::from_millis(1));
        assert!(!child.wait_with_output().unwrap().status.success());
        assert!(limit.end());
    }

    #[test]
    fn a_child_that_ends_in_time_is_not_killed() {
        let mut child = Command::new("true").spawn().unwrap();
        let limit = Limit::start(child.id(), LIMIT);
        assert!(child.wait().unwrap().success());
        assert!(!limit.end());
    }
}
