//! One core for the servers and the others for the load, so that neither waits for the other's turn to run.

use crate::quota::Quota;

/// The cores of servers and load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cores {
    /// All cores that this process may use.
    all: Vec<usize>,
    /// The servers' core, if they have one for themselves.
    pub(crate) server: Option<usize>,
    /// The CPU quota that servers and load share.
    pub(crate) quota: Quota,
}

/// The cores of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The servers' core.
    Server,
    /// The cores of the load.
    Load,
}

impl Cores {
    /// Divides the cores if servers are started here and this process may use two cores to the full.
    pub(crate) fn divide(own_server: bool) -> Self {
        Self::divided(own_server, system::allowed(), Quota::of_this_process())
    }

    fn divided(own_server: bool, all: Vec<usize>, quota: Quota) -> Self {
        let allows_two = quota.cores.is_none_or(|cores| cores >= 2.0);
        let server = (own_server && all.len() > 1 && allows_two).then(|| all[0]);
        Self { all, server, quota }
    }

    fn load(&self) -> Vec<usize> {
        self.all.iter().copied().filter(|core| Some(*core) != self.server).collect()
    }

    /// Keeps every thread of this process off the servers' core, and those that it starts from now on.
    pub(crate) fn pin_load(&self) {
        if self.server.is_some() {
            system::pin_process(&self.load());
        }
    }

    /// Keeps the calling thread, and what it starts, to the cores of that side.
    pub(crate) fn enter(&self, side: Side) {
        if let Some(core) = self.server {
            match side {
                Side::Server => system::pin_thread(&[core]),
                Side::Load => system::pin_thread(&self.load()),
            }
        }
    }
}

/// Pinning makes figures steadier. They are still figures if the system refuses it, so nothing here fails.
#[cfg(target_os = "linux")]
mod system {
    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    pub(super) fn pin_thread(cores: &[usize]) {
        let _ = sched_setaffinity(None, &set(cores));
    }

    pub(super) fn pin_process(cores: &[usize]) {
        let set = set(cores);
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        for thread in threads {
            let id = thread.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some(id) = id.and_then(Pid::from_raw) {
                let _ = sched_setaffinity(Some(id), &set);
            }
        }
    }

    fn set(cores: &[usize]) -> CpuSet {
        let mut set = CpuSet::new();
        cores.iter().for_each(|core| set.set(*core));
        set
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    pub(super) fn allowed() -> Vec<usize> {
        vec![0; std::thread::available_parallelism().map_or(1, usize::from)]
    }

    pub(super) fn pin_thread(_: &[usize]) {}

    pub(super) fn pin_process(_: &[usize]) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_core_is_not_divided() {
        let cores = Cores::divided(true, vec![3], Quota::default());
        assert_eq!(cores.server, None);
    }

    #[test]
    fn the_servers_have_one_core_and_the_load_the_rest() {
        let cores = Cores::divided(true, vec![2, 5, 7], Quota::default());
        assert_eq!((cores.server, cores.load()), (Some(2), vec![5, 7]));
    }

    #[test]
    fn a_quota_below_two_cores_leaves_no_core_to_the_servers_alone() {
        let quota = Quota::of_cores;
        let divided = |cores| Cores::divided(true, vec![0, 1], quota(cores));
        assert_eq!(divided(1.0).server, None);
        assert_eq!((divided(1.9).server, divided(2.0).server), (None, Some(0)));
    }

    #[test]
    fn a_server_that_runs_already_is_not_moved() {
        assert_eq!(Cores::divide(false).server, None);
    }
}
