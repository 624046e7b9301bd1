//! Reserves one core for the servers and the others for the load, so that neither waits for the other.

use std::sync::Arc;

use tokio::runtime::Handle;
use tokio::sync::oneshot;

use crate::network::Network;
use crate::quota::Quota;

/// The cores of servers and load.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cores {
    /// All cores that this process may use.
    all: Vec<usize>,
    /// The core of the servers, if one is reserved for them.
    pub(crate) server: Option<usize>,
    /// The CPU quota that servers and load share.
    pub(crate) quota: Quota,
}

impl Cores {
    /// Divides the cores if the plan starts servers and this process may use two full cores.
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

    /// Moves every thread of this process off the servers' core, until the result is dropped. Threads and processes that
    /// it starts meanwhile inherit that, so it also applies to the load.
    #[must_use]
    pub(crate) fn pin_load(&self) -> Pinned {
        let before = self.server.map(|_| self.all.clone()).unwrap_or_default();
        if !before.is_empty() {
            system::pin_process(&self.load());
        }
        Pinned { before }
    }

    /// Starts a process on the servers' core, and on the servers' side of a simulated network. A child inherits both from
    /// the thread that starts it, so this uses a new thread, and no thread of the child ever runs on another core.
    pub(crate) async fn start_server<T: Send + 'static>(
        &self,
        network: Option<Arc<Network>>,
        start: impl AsyncFnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let (runtime, server) = (Handle::current(), self.server);
        let (done, started) = oneshot::channel();
        std::thread::Builder::new().name("server-start".into()).spawn(move || {
            system::pin_thread(server.as_slice());
            let start = || runtime.block_on(start());
            let started = match network {
                Some(network) => {
                    network.server().inside(start).unwrap_or_else(|error| Err(error.into()))
                }
                None => start(),
            };
            let _ = done.send(started);
        })?;
        started.await?
    }
}

/// This process, which is restricted to some cores. Dropping this lets it use all of them again, so that the next run can
/// divide them.
pub(crate) struct Pinned {
    before: Vec<usize>,
}

impl Drop for Pinned {
    fn drop(&mut self) {
        system::pin_process(&self.before);
    }
}

/// Pinning makes figures steadier. If the system does not allow it, the measurement continues without it.
#[cfg(target_os = "linux")]
mod system {
    use rustix::process::Pid;
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) fn allowed() -> Vec<usize> {
        let set = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
        (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect()
    }

    /// Restricts the calling thread to these cores. Does nothing if there are none.
    pub(super) fn pin_thread(cores: &[usize]) {
        pin(None, cores);
    }

    pub(super) fn pin_process(cores: &[usize]) {
        let threads = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let ids = threads.filter_map(|thread| thread.file_name().to_str()?.parse().ok());
        ids.for_each(|id| pin(Pid::from_raw(id), cores));
    }

    /// The system rejects an empty set.
    fn pin(thread: Option<Pid>, cores: &[usize]) {
        let mut set = CpuSet::new();
        cores.iter().for_each(|core| set.set(*core));
        let _ = sched_setaffinity(thread, &set);
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

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_server_is_on_its_core_from_the_beginning() {
        let cores = Cores::divide(true);
        let Some(core) = cores.server else { return };
        let allowed = async || Ok(std::fs::read_to_string("/proc/thread-self/status")?);
        let status = cores.start_server(None, allowed).await.unwrap();
        assert!(status.contains(&format!("Cpus_allowed_list:\t{core}\n")), "{status}");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_cores_can_be_divided_again_after_a_run() {
        let cores = Cores::divide(true);
        if cores.server.is_none() {
            return;
        }
        let pinned = cores.pin_load();
        assert_eq!(system::allowed(), cores.load());
        drop(pinned);
        assert_eq!(system::allowed(), cores.all);
    }

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
    fn with_a_quota_below_two_cores_no_core_is_reserved() {
        let quota = Quota::of_cores;
        let divided = |cores| Cores::divided(true, vec![0, 1], quota(cores));
        assert_eq!(divided(1.0).server, None);
        assert_eq!((divided(1.9).server, divided(2.0).server), (None, Some(0)));
    }

    #[test]
    fn a_running_server_is_not_pinned() {
        assert_eq!(Cores::divide(false).server, None);
    }
}
