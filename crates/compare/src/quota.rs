//! The CPU quota of this process's control groups: how much CPU time it may use, regardless of the number of cores.
//!
//! Both versions of Linux's control groups are read, at `/sys/fs/cgroup`. A quota applies to a group and all groups
//! inside it, so the smallest one up to the root counts. Without control groups there is no quota.

use std::fs;
use std::path::{Path, PathBuf};

/// The quota, and the file with the number of times that it was enforced.
#[derive(Clone, Debug, Default)]
pub(crate) struct Quota {
    /// The limit in cores. `None` if there is no limit.
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

    /// The number of scheduling periods so far in which the quota was used up.
    pub(crate) fn throttled(&self) -> u64 {
        self.stats.iter().filter_map(|stat| throttled(&fs::read_to_string(stat).ok()?)).sum()
    }

    /// Reads the quota from the file systems below `base`.
    fn below(base: &Path) -> Self {
        let groups = fs::read_to_string(base.join("proc/self/cgroup")).unwrap_or_default();
        let mut quota = Self::default();
        // Inside a container, the path of the group can be that of the host. Only the root exists then.
        let all = groups.lines().filter_map(mount_and_group);
        for (mount, group) in all.flat_map(|(mount, it)| it.ancestors().map(move |it| (mount, it)))
        {
            let folder = base.join(mount).join(group);
            if let Some(cores) = limit(&folder) {
                quota.cores = Some(quota.cores.map_or(cores, |least| least.min(cores)));
                quota.stats.push(folder.join("cpu.stat"));
            }
        }
        quota
    }
}

/// Parses a line of `/proc/self/cgroup`, which is `0::/GROUP` in version 2 and `4:cpu,cpuacct:/GROUP` in version 1.
/// `None` if it is not a line for CPU time.
fn mount_and_group(line: &str) -> Option<(&'static str, &Path)> {
    let (controllers, group) = line.split_once(':')?.1.split_once(":/")?;
    let mount = match controllers {
        "" => "sys/fs/cgroup",
        _ if controllers.split(',').any(|controller| controller == "cpu") => "sys/fs/cgroup/cpu",
        _ => return None,
    };
    Some((mount, Path::new(group)))
}

/// The quota of one group in cores, or `None` if it has no limit (`max` or a negative number).
fn limit(folder: &Path) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let version_one = || Some(read("cpu.cfs_quota_us")? + &read("cpu.cfs_period_us")?);
    let text = read("cpu.max").or_else(version_one)?;
    let mut numbers = text.split_whitespace().map_while(|number| number.parse::<f64>().ok());
    let (quota, period) = (numbers.next()?, numbers.next()?);
    (quota > 0.0 && period > 0.0).then_some(quota / period)
}

fn throttled(stat: &str) -> Option<u64> {
    stat.lines().find_map(|line| line.strip_prefix("nr_throttled "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tree of files. Dropping it removes the files.
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
    fn the_smallest_quota_up_to_the_root_counts() {
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
    fn the_quota_of_version_one_is_read() {
        let group = "sys/fs/cgroup/cpu/build";
        let files = [
            ("proc/self/cgroup", "5:memory:/other\n4:cpu,cpuacct:/build\n"),
            (&format!("{group}/cpu.cfs_quota_us"), "50000\n"),
            (&format!("{group}/cpu.cfs_period_us"), "100000\n"),
            (&format!("{group}/cpu.stat"), "nr_periods 9\nnr_throttled 3\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"),
            ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n"),
        ];
        let tree = Tree::of("quota-one", &files);
        let quota = Quota::below(&tree.0);
        assert_eq!((quota.cores, quota.throttled()), (Some(0.5), 3));
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
    fn the_path_of_a_group_on_the_host_is_ignored_in_a_container() {
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
