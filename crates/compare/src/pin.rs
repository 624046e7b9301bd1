//! The hub on one core, the load on the others, so that neither measures the other's turn to run.

/// Which cores whom.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cores {
    /// All that this process may use.
    all: Vec<usize>,
    /// The hub's, where it has one for itself.
    pub(crate) hub: Option<usize>,
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
    /// Parts the cores where the hub is ours and there are two.
    pub(crate) fn part(own_hub: bool) -> Self {
        let all = system::allowed();
        let hub = (own_hub && all.len() > 1).then(|| all[0]);
        Self { all, hub }
    }

    /// How many cores there are for the load.
    pub(crate) fn of_load(&self) -> usize {
        self.load().len().max(1)
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
        let cores = Cores { all: vec![3], hub: None };
        assert_eq!(cores.of_load(), 1);
        assert!(cores.pin_load().is_none());
    }

    #[test]
    fn the_hub_has_one_core_and_the_load_the_rest() {
        let cores = Cores { all: vec![2, 5, 7], hub: Some(2) };
        assert_eq!(cores.load(), [5, 7]);
    }

    #[test]
    fn a_hub_that_is_not_ours_is_left_where_it_is() {
        assert_eq!(Cores::part(false).hub, None);
    }
}
