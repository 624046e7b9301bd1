//! Network namespaces, which are kept by a file descriptor and have no name.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};
use std::{fs, io, process, thread};

use anyhow::{Context, anyhow};
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, unshare_unsafe};

use super::device::{self, Device};

/// The namespace of the calling thread.
const OF_THIS_THREAD: &str = "/proc/thread-self/ns/net";

/// A network namespace with a loopback device and one TUN device.
#[derive(Debug)]
pub(crate) struct Namespace(File);

/// This system or this user cannot have simulated networks.
#[derive(Debug, thiserror::Error)]
#[error("simulated networks need {needed}")]
pub(crate) struct Unavailable {
    /// What is missing.
    needed: &'static str,
    source: io::Error,
}

impl Unavailable {
    pub(super) fn new(needed: &'static str, source: impl Into<io::Error>) -> Self {
        Self { needed, source: source.into() }
    }
}

impl Namespace {
    /// Makes a namespace with a device that has these addresses.
    pub(super) fn with_device(addresses: &[Ipv4Addr]) -> anyhow::Result<(Self, Device)> {
        // A thread of its own, because `unshare` moves the calling thread.
        let made = thread::scope(|scope| scope.spawn(|| make(addresses)).join());
        made.map_err(|_| anyhow!("the thread that makes a network namespace panicked"))?
    }

    /// The namespace of another process, by its [`path`](Self::path).
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        File::open(path).map(Self)
    }

    /// A path by which other processes can open it, as long as it exists.
    pub(crate) fn path(&self) -> PathBuf {
        format!("/proc/{}/fd/{}", process::id(), self.0.as_raw_fd()).into()
    }

    /// Runs a closure on the calling thread inside this namespace. A socket that the closure opens, or a process that it
    /// starts, is in this namespace as long as it lives. The thread is back in its own namespace when this returns, also if
    /// the closure panics. Other threads are not affected.
    ///
    /// The closure must not start threads which it expects to be outside, and must not hand out a future: a future that
    /// is polled later runs outside, whichever thread polls it.
    ///
    /// # Errors
    ///
    /// Fails if the thread cannot enter the namespace. The closure is not called then.
    ///
    /// # Panics
    ///
    /// Panics if the thread cannot return to its own namespace.
    pub(crate) fn inside<T>(&self, run: impl FnOnce() -> T) -> io::Result<T> {
        let _outside = Return(File::open(OF_THIS_THREAD)?);
        enter(&self.0)?;
        Ok(run())
    }

    /// Returns the number of packets that the kernel dropped because the relay did not read them in time.
    pub(super) fn dropped(&self) -> anyhow::Result<u64> {
        let devices = self.inside(|| fs::read_to_string("/proc/thread-self/net/dev"))??;
        device::dropped(&devices).context("failed to parse /proc/net/dev")
    }
}

/// Dropping it moves the thread back to this namespace.
struct Return(File);

impl Drop for Return {
    fn drop(&mut self) {
        enter(&self.0).expect("a thread can return to its network namespace");
    }
}

fn enter(namespace: &File) -> io::Result<()> {
    Ok(move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?)
}

fn make(addresses: &[Ipv4Addr]) -> anyhow::Result<(Namespace, Device)> {
    // SAFETY: it is unsafe for the table of file descriptors only, which remains shared.
    #[expect(unsafe_code, reason = "rustix has no safe way for one kind of namespace")]
    let unshared = unsafe { unshare_unsafe(UnshareFlags::NEWNET) };
    unshared
        .map_err(|error| Unavailable::new("network namespaces, which only root can make", error))?;
    let device = Device::open(addresses)?;
    let namespace = File::open(OF_THIS_THREAD).context("failed to keep a network namespace")?;
    Ok((Namespace(namespace), device))
}
