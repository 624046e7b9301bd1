//! The CPU quota of this process's control groups: how much CPU time it may use, whatever cores it may run on.
//!
//! Version 2 of Linux's control groups is read. A quota holds for a group and all groups inside it, so the
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

/// The mounted hierarchy of control groups.
struct Mount<'a> {
    /// The group that is seen at the mount point.
    root: &'a Path,
    at: &'a Path,
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
        let read = |path: &str| fs::read_to_string(base.join(path)).unwrap_or_default();
        let (groups, mounts) = (read("proc/self/cgroup"), read("proc/self/mountinfo"));
        let mut quota = Self::default();
        let group = groups.lines().find_map(|line| line.strip_prefix("0::"));
        let Some((group, mount)) = group.zip(mounts.lines().find_map(mount)) else {
            return quota;
        };
        // Inside a container the group's path can be one that is outside of what is mounted.
        let inside = Path::new(group).strip_prefix(mount.root).unwrap_or(Path::new(""));
        let top = base.join(mount.at.strip_prefix("/").unwrap_or(mount.at));
        for folder in inside.ancestors().map(|inside| top.join(inside)) {
            if let Some(cores) = limit(&folder) {
                quota.cores = Some(quota.cores.map_or(cores, |least| least.min(cores)));
                quota.stats.push(folder.join("cpu.stat"));
            }
        }
        quota
    }
}

/// Reads a line of `mountinfo`: `36 35 98:0 ROOT POINT OPTIONS … - TYPE SOURCE SUPER-OPTIONS`. Returns `None` if it is
/// not about control groups.
fn mount(line: &str) -> Option<Mount<'_>> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3).map(Path::new);
    let (root, at) = (fields.next()?, fields.next()?);
    kind.starts_with("cgroup2 ").then_some(Mount { root, at })
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

    const CGROUP2: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_least_quota_on_the_way_up_counts() {
        let tree = Tree::of(
            "quota-two",
            &[
                ("proc/self/mountinfo", CGROUP2),
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
        let unlimited = [
            ("proc/self/mountinfo", CGROUP2),
            ("proc/self/cgroup", "0::/\n"),
            ("sys/fs/cgroup/cpu.max", "max 100000\n"),
        ];
        let unlimited = Tree::of("quota-max", &unlimited);
        for base in [unlimited.0.as_path(), Path::new("/no/such/folder")] {
            let quota = Quota::below(base);
            assert_eq!((quota.cores, quota.throttled()), (None, 0));
        }
    }
}
