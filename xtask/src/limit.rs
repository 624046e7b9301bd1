//! The time limit of a program that a step runs. Without it, a test that waits forever would block the whole run, and
//! the report would not name the step.

use std::fs;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How long a program may run. On two cores the tests take ten minutes, including their compilation.
pub(crate) const LIMIT: Duration = Duration::from_secs(30 * 60);

/// Kills a child and its descendants if it still runs after a time. A descendant whose parent has ended before is not
/// found and not killed.
pub(crate) struct Limit {
    /// Closed when the child has ended.
    ended: SyncSender<()>,
    watch: JoinHandle<bool>,
}

impl Limit {
    /// Starts to watch the child `pid`.
    pub(crate) fn start(pid: u32, limit: Duration) -> Self {
        let (ended, watched) = sync_channel(0);
        let watch = thread::spawn(move || {
            let is_over = watched.recv_timeout(limit) == Err(RecvTimeoutError::Timeout);
            if is_over {
                kill(pid);
            }
            is_over
        });
        Self { ended, watch }
    }

    /// Ends the watch, and returns `true` if the child was killed. Must be called as soon as the child has been waited
    /// for, because the system may then give its id to another program.
    pub(crate) fn end(self) -> bool {
        drop(self.ended);
        self.watch.join().expect("the watch does not panic")
    }
}

/// Kills a program and its descendants. The descendants are searched first, because they get another parent when theirs
/// has ended. Those whose parent has ended before are not found. Without `/proc`, only the program is killed.
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
    // Fails for processes that have ended meanwhile. The others are killed.
    let _ = Command::new("kill").arg("-9").args(tree.iter().map(u32::to_string)).output();
}

/// `None` if the process has ended.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in parentheses and may contain any character. The state and the parent follow it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::process::Stdio;

    use super::*;

    #[test]
    fn a_child_is_killed_with_its_descendants() {
        // The output ends when the last program that has it open has ended, which is the inner one.
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
