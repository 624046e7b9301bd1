//! Ends a child process when this process ends, even if this process is killed.
//!
//! `kill_on_drop` ends a child if the parent unwinds or returns. A parent that is killed (SIGKILL, out of
//! memory) runs no destructor, and its children live on. A [`Watchdog`] is a small shell that waits for the
//! end of a pipe which only this process holds open. The system closes the pipe when this process ends, and the
//! shell then kills the child and removes its directory.
//!
//! `PR_SET_PDEATHSIG` would do the same on Linux alone, needs `unsafe`, and fires when the *thread* that
//! started the child ends.

use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// `$1` is the process and `$2` its directory, or empty. `read` returns at the end of the pipe. A process that leads a
/// group is killed with all of the group.
const SCRIPT: &str = r#"read -r _; kill -9 "-$1" 2>/dev/null || kill -9 "$1" 2>/dev/null
[ -z "$2" ] || rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }"#;

/// Watches over one child. Dropping it ends the watch without ending the child.
#[derive(Debug)]
pub struct Watchdog(Child);

impl Watchdog {
    /// Watches over the process `pid`, which must be a child of this process. Drop the watchdog once the child has
    /// been waited for: from then on the system may give the same id to another process.
    ///
    /// If this process ends first, the child is killed, with its process group if it leads one, and then `directory` is removed with what is in it.
    ///
    /// # Errors
    /// Fails if no shell can be started, and on systems other than Unix.
    pub fn over(pid: u32, directory: Option<&Path>) -> io::Result<Self> {
        let mut command = Command::new("sh");
        command.args(["-c", SCRIPT, "tidings-watchdog", &pid.to_string()]);
        command.arg(directory.unwrap_or(Path::new("")));
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        own_group(&mut command)?;
        command.spawn().map(Self)
    }
}

/// Puts the watchdog into a separate process group, so that Ctrl-C in a terminal does not end it with its parent. Fails
/// on systems other than Unix.
#[cfg(unix)]
fn own_group(command: &mut Command) -> io::Result<()> {
    std::os::unix::process::CommandExt::process_group(command, 0);
    Ok(())
}

#[cfg(not(unix))]
fn own_group(_: &mut Command) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        // Killed before its pipe is closed, because it would take that for the end of this process. Both calls fail
        // only if the shell has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A child that ends when its input ends, so that it cannot outlive the test.
    fn child() -> Child {
        Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap()
    }

    fn directory(name: &str) -> std::path::PathBuf {
        let path = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("store")).unwrap();
        path
    }

    #[test]
    fn when_the_pipe_closes_the_child_is_killed_and_its_directory_removed() {
        let (mut child, directory) = (child(), directory("watched"));
        let mut watchdog = Watchdog::over(child.id(), Some(&directory)).unwrap();
        // The system does this when the process ends.
        drop(watchdog.0.stdin.take());
        // Held, because `wait` would close it, and then the child would end without being killed.
        let _input = child.stdin.take();
        assert!(!child.wait().unwrap().success(), "it was killed");
        watchdog.0.wait().unwrap();
        assert!(!directory.exists());
    }

    #[test]
    fn a_watchdog_that_is_dropped_does_nothing() {
        let (mut child, directory) = (child(), directory("left"));
        drop(Watchdog::over(child.id(), Some(&directory)).unwrap());
        assert!(child.try_wait().unwrap().is_none() && directory.exists());
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success(), "it ended by itself");
        std::fs::remove_dir_all(directory).unwrap();
    }
}
