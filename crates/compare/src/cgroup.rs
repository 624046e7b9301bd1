//! A control group of Linux, in which the kernel counts the memory that it keeps for the servers.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::proc::Process;

/// A limit in bytes that is above the memory of every machine.
const LIMIT: &str = "4611686018427387904";

/// A control group of its own. Dropping it removes the group, whose processes must have ended.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
}

impl Cgroup {
    /// Creates a group below that of this process in version 1 of control groups, or beside it in version 2. Returns
    /// `None` if that is not allowed, or if the kernel does not count memory there.
    pub(crate) fn create() -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tidings-compare-{}-{number}", process::id());
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let directory = parent(&groups)?.join(name);
        fs::create_dir(&directory).ok()?;
        // In version 1, sockets are counted only if there is a limit on their buffers. This one is never reached.
        let _ = fs::write(directory.join("memory.kmem.tcp.limit_in_bytes"), LIMIT);
        let group = Self { directory };
        group.kernel_memory().is_some().then_some(group)
    }

    /// Moves a process and the descendants that are included in its figures into the group. Processes that they start
    /// later are in it as well.
    ///
    /// # Errors
    /// Fails if one of them has ended.
    pub(crate) fn add_all(&self, process: &Process) -> io::Result<()> {
        self.add(process.pid())?;
        process.included().iter().try_for_each(|descendant| self.add(descendant.pid()))
    }

    fn add(&self, pid: u32) -> io::Result<()> {
        fs::write(self.directory.join("cgroup.procs"), pid.to_string())
    }

    /// The memory in bytes that the kernel keeps for the processes: files, sockets and their buffers, events. Before
    /// Linux 6.12, the sockets that a server has accepted are not included.
    pub(crate) fn kernel_memory(&self) -> Option<u64> {
        let read = |name: &str| fs::read_to_string(self.directory.join(name)).ok();
        let number = |name: &str| read(name)?.trim().parse::<u64>().ok();
        if let Some(usage) = number("memory.kmem.usage_in_bytes") {
            return Some(usage + number("memory.kmem.tcp.usage_in_bytes").unwrap_or(0));
        }
        of_version_2(&read("memory.stat")?)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        // A group whose last process has not quite ended stays. It is empty and costs nothing.
        let _ = fs::remove_dir(&self.directory);
    }
}

/// The directory in which a group can be made, by the content of `/proc/self/cgroup`.
fn parent(groups: &str) -> Option<PathBuf> {
    let mut lines = groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        Some((fields.next()?, fields.next()?, fields.next()?.trim_start_matches('/')))
    });
    let is_memory = |controllers: &str| controllers.split(',').any(|one| one == "memory");
    if let Some((_, _, path)) = lines.clone().find(|(_, controllers, _)| is_memory(controllers)) {
        return Some(Path::new("/sys/fs/cgroup/memory").join(path));
    }
    // A group of version 2 that has processes cannot have groups with controllers below it.
    let (_, _, path) = lines.find(|(hierarchy, _, _)| *hierarchy == "0")?;
    let own = Path::new("/sys/fs/cgroup").join(path);
    if path.is_empty() { Some(own) } else { own.parent().map(Path::to_owned) }
}

/// Slabs, stacks and page tables, and the buffers of sockets.
fn of_version_2(stat: &str) -> Option<u64> {
    let field = |name: &str| {
        let value = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        value.parse::<u64>().ok()
    };
    Some(field("kernel")? + field("sock").unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_follows_from_the_version() {
        let mixed = "12:cpu,cpuacct:/a\n9:memory:/service\n0::/\n";
        assert_eq!(parent(mixed), Some("/sys/fs/cgroup/memory/service".into()));
        assert_eq!(parent("0::/a.slice/b.scope\n"), Some("/sys/fs/cgroup/a.slice".into()));
        assert_eq!(parent("0::/\n"), Some("/sys/fs/cgroup".into()));
        assert_eq!(parent("3:cpu:/\n"), None);
    }

    #[test]
    fn buffers_of_sockets_are_added_in_version_2() {
        assert_eq!(of_version_2("anon 5\nkernel 4096\nkernel_stack 7\nsock 100\n"), Some(4196));
        assert_eq!(of_version_2("anon 5\nsock 100\n"), None);
    }

    #[test]
    fn a_group_has_the_process_that_is_added_and_is_removed_on_drop() {
        let Some(group) = Cgroup::create() else { return };
        let mut child = process::Command::new("sh")
            .args(["-c", "read end || exit 0"])
            .stdin(process::Stdio::piped())
            .spawn()
            .unwrap();
        group.add(child.id()).unwrap();
        let members = fs::read_to_string(group.directory.join("cgroup.procs")).unwrap();
        assert_eq!(members.trim(), child.id().to_string());
        drop(child.stdin.take());
        child.wait().unwrap();
        let directory = group.directory.clone();
        drop(group);
        assert!(!directory.exists());
    }
}
