//! The CPU quota of this process's control groups: how much CPU time it may use, whatever cores it may run on.
//!
//! Version 2 of Linux's control groups is read, at `/sys/fs/cgroup`. A quota holds for a group and all groups inside it, so the
//! least on the way up to the root counts. Without control groups there is no quota.

use std::fs;
use std::path::{Path, PathBuf};

/// The quota, and where the kernel counts how often it was enforced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quota {
    /// CPU time per time, in cores. `None` if there is no limit.
    pub(crate) cores: Option<f64>,
    stats: Vec<PathBuf>,
}

impl Quota {
    /// Reads the quota of this process.
    pub(crate) fn of_this_process() -> Self {
        Self::below(Path::new("/"))
    }

    #[cfg(test)]
    pub(crate) fn of_cores(cores: f64) -> Self {
        Self { cores: Some(cores), stats: Vec::new() }
    }

    /// Returns how many periods of the scheduler ended early so far because the quota was used up.
    pub(crate) fn throttled(&self) -> u64 {
        self.stats.iter().filter_map(|stat| throttled(&fs::read_to_string(stat).ok()?)).sum()
    }

    /// Reads the quota from the file systems below `base`.
    fn below(base: &Path) -> Self {
        let groups = fs::read_to_string(base.join("proc/self/cgroup")).unwrap_or_default();
        let group = groups.lines().find_map(|line| line.strip_prefix("0::/"));
        let mut quota = Self::default();
        // Inside a container the group's path can be that of the host. Then only the top is there.
        for folder in group.into_iter().flat_map(|group| Path::new(group).ancestors()) {
            let folder = base.join("sys/fs/cgroup").join(folder);
            if let Some(cores) = limit(&folder) {
                quota.cores = Some(quota.cores.map_or(cores, |least| least.min(cores)));
                quota.stats.push(folder.join("cpu.stat"));
            }
        }
        quota
    }
}

/// Returns the quota of one group in cores, or `None` if it has no limit, which is written as `max`.
fn limit(folder: &Path) -> Option<f64> {
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| *number > 0.0);
    let text = fs::read_to_string(folder.join("cpu.max")).ok()?;
    let (quota, period) = text.split_once(' ')?;
    Some(number(quota)? / number(period)?)
}

fn throttled(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files, removed when it is dropped.
    struct Tree(PathBuf);

    impl Tree {
        fn of(name: &str, files: &[(&str, &str)]) -> Self {
            let base = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
            for (path, text) in files {
                let path = base.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Self(base)
        }
    }

    impl Drop for Tree {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn the_least_quota_on_the_way_up_counts() {
        let tree = Tree::of(
            "quota-two",
            &[
                ("proc/self/cgroup", "0::/system.slice/load.service\n"),
                ("sys/fs/cgroup/system.slice/cpu.max", "150000 100000\n"),
                ("sys/fs/cgroup/system.slice/cpu.stat", "usage_usec 7\nnr_throttled 4\n"),
                ("sys/fs/cgroup/system.slice/load.service/cpu.max", "max 100000\n"),
            ],
        );
        let quota = Quota::below(&tree.0);
        assert_eq!((quota.cores, quota.throttled()), (Some(1.5), 4));
    }

    #[test]
    fn without_a_limit_or_without_control_groups_there_is_no_quota() {
        let unlimited = [("proc/self/cgroup", "0::/\n"), ("sys/fs/cgroup/cpu.max", "max 100000\n")];
        let unlimited = Tree::of("quota-max", &unlimited);
        for base in [unlimited.0.as_path(), Path::new("/no/such/folder")] {
            let quota = Quota::below(base);
            assert_eq!((quota.cores, quota.throttled()), (None, 0));
        }
    }

    #[test]
    fn a_group_of_the_host_leaves_the_quota_of_the_container() {
        let tree = Tree::of(
            "quota-container",
            &[
                ("proc/self/cgroup", "0::/docker/4242\n"),
                ("sys/fs/cgroup/cpu.max", "200000 100000\n"),
            ],
        );
        assert_eq!(Quota::below(&tree.0).cores, Some(2.0));
    }
}
