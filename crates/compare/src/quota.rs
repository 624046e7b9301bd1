//! The CPU quota of this process's control groups: how much CPU time it may use, whatever cores it may run on.
//!
//! Both versions of Linux's control groups are read. A quota holds for a group and all groups inside it, so the
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

/// One mounted hierarchy of control groups.
struct Mount {
    version: Version,
    /// The group that is seen at the mount point.
    root: PathBuf,
    at: PathBuf,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    One,
    Two,
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
        let groups = read("proc/self/cgroup");
        let mut quota = Self::default();
        for mount in read("proc/self/mountinfo").lines().filter_map(mount) {
            let Some(group) = groups.lines().find_map(|line| group(line, mount.version)) else {
                continue;
            };
            // Inside a container the group's path can be one that is outside of what is mounted.
            let inside = group.strip_prefix(&mount.root).unwrap_or(Path::new(""));
            for inside in inside.ancestors() {
                let below = |path: &Path| base.join(path.strip_prefix("/").unwrap_or(path));
                let folder = below(&mount.at).join(inside);
                if let Some(cores) = limit(&folder, mount.version) {
                    quota.cores = Some(quota.cores.map_or(cores, |least| least.min(cores)));
                    quota.stats.push(folder.join("cpu.stat"));
                }
            }
        }
        quota
    }
}

/// A line of `mountinfo`: `36 35 98:0 ROOT POINT OPTIONS … - TYPE SOURCE SUPER-OPTIONS`.
fn mount(line: &str) -> Option<Mount> {
    let (mount, kind) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(3);
    let (root, at) = (fields.next()?.into(), fields.next()?.into());
    let mut kind = kind.split(' ');
    let version = match kind.next()? {
        "cgroup2" => Version::Two,
        "cgroup" if has_cpu(kind.nth(1)?) => Version::One,
        _ => return None,
    };
    Some(Mount { version, root, at })
}

/// A line of `/proc/self/cgroup`: `0::PATH` in version 2, `4:cpu,cpuacct:PATH` in version 1.
fn group(line: &str, version: Version) -> Option<&Path> {
    let mut fields = line.splitn(3, ':').skip(1);
    let controllers = fields.next()?;
    let is_wanted = match version {
        Version::One => has_cpu(controllers),
        Version::Two => controllers.is_empty(),
    };
    is_wanted.then_some(Path::new(fields.next()?))
}

fn has_cpu(controllers: &str) -> bool {
    controllers.split(',').any(|controller| controller == "cpu")
}

/// The quota of one group in cores, if it has one.
fn limit(folder: &Path, version: Version) -> Option<f64> {
    let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
    let number = |text: &str| text.trim().parse::<f64>().ok().filter(|number| *number > 0.0);
    let (quota, period) = match version {
        Version::One => (read("cpu.cfs_quota_us")?, read("cpu.cfs_period_us")?),
        Version::Two => {
            let text = read("cpu.max")?;
            let (quota, period) = text.trim().split_once(' ')?;
            (quota.to_owned(), period.to_owned())
        }
    };
    // Without a limit the quota is -1 or "max".
    Some(number(&quota)? / number(&period)?)
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

    const TWO: &str = "30 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n";

    #[test]
    fn the_least_quota_on_the_way_up_counts() {
        let tree = Tree::of(
            "quota-two",
            &[
                ("proc/self/mountinfo", TWO),
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
    fn version_one_of_a_container_is_read_at_its_mount_point() {
        let tree = Tree::of(
            "quota-one",
            &[
                (
                    "proc/self/mountinfo",
                    "36 35 0:31 /docker/abc /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n\
                     37 35 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
                ),
                ("proc/self/cgroup", "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n0::/x\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "50000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
                ("sys/fs/cgroup/cpu,cpuacct/cpu.stat", "nr_periods 9\nnr_throttled 3\n"),
            ],
        );
        let quota = Quota::below(&tree.0);
        assert_eq!((quota.cores, quota.throttled()), (Some(0.5), 3));
    }

    #[test]
    fn without_a_limit_or_without_control_groups_there_is_no_quota() {
        let unlimited = [
            ("proc/self/mountinfo", TWO),
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
