//! The hub on one core, the load on the others, so that neither measures the other's turn to run.

use crate::quota::Quota;

/// Which cores whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cores {
    /// All that this process may use.
    all: Vec<usize>,
    /// The hub's, where it has one for itself.
    pub(crate) hub: Option<usize>,
    /// The CPU quota that hub and load share.
    pub(crate) quota: Quota,
}

/// Where a child belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// On the hub's core.
    Hub,
    /// On the cores of the load.
    Load,
    /// On all of them, as without us.
    Anywhere,
}

/// The load keeps to its cores while this lives.
#[derive(Debug)]
pub(crate) struct Pinned {
    restore: Vec<usize>,
}

impl Cores {
    /// Parts the cores if the hub is ours and this process may use two of them to the full.
    pub(crate) fn part(own_hub: bool) -> Self {
        Self::parted(own_hub, system::allowed(), Quota::of_this_process())
    }

    fn parted(own_hub: bool, all: Vec<usize>, quota: Quota) -> Self {
        let allows_two = quota.cores.is_none_or(|cores| cores >= 2.0);
        let hub = (own_hub && all.len() > 1 && allows_two).then(|| all[0]);
        Self { all, hub, quota }
    }

    /// Returns how many cores' time there is for the load.
    pub(crate) fn of_load(&self) -> f64 {
        let cores = self.load().len().max(1) as f64;
        self.quota.cores.map_or(cores, |quota| cores.min(quota))
    }

    fn load(&self) -> Vec<usize> {
        self.all.iter().copied().filter(|core| Some(*core) != self.hub).collect()
    }

    /// Keeps every thread of this process off the hub's core, and those it starts from now on.
    pub(crate) fn pin_load(&self) -> Option<Pinned> {
        self.hub?;
        system::pin_process(&self.load());
        Some(Pinned { restore: self.all.clone() })
    }

    /// Keeps the calling thread, and whatever it starts, to the cores of that place.
    pub(crate) fn enter(&self, place: Place) {
        if let Some(core) = self.hub {
            match place {
                Place::Hub => system::pin_thread(&[core]),
                Place::Load => system::pin_thread(&self.load()),
                Place::Anywhere => system::pin_thread(&self.all),
            }
        }
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        system::pin_process(&self.restore);
    }
}

/// Pinning makes figures steadier; where the system refuses it, they are still figures. So nothing here
/// fails.
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
    fn one_core_is_not_parted() {
        let cores = Cores::parted(true, vec![3], Quota::default());
        assert_eq!((cores.hub, cores.of_load()), (None, 1.0));
        assert!(cores.pin_load().is_none());
    }

    #[test]
    fn the_hub_has_one_core_and_the_load_the_rest() {
        let cores = Cores::parted(true, vec![2, 5, 7], Quota::default());
        assert_eq!((cores.hub, cores.load()), (Some(2), vec![5, 7]));
    }

    #[test]
    fn a_quota_below_two_cores_leaves_no_core_to_the_hub_alone() {
        let quota = Quota::of_cores;
        let parted = |cores| Cores::parted(true, vec![0, 1], quota(cores));
        assert_eq!((parted(1.0).hub, parted(1.0).of_load()), (None, 1.0));
        assert_eq!((parted(1.9).hub, parted(2.0).hub), (None, Some(0)));
    }

    #[test]
    fn a_hub_that_is_not_ours_is_left_where_it_is() {
        assert_eq!(Cores::part(false).hub, None);
    }
}
