//! The thread that moves packets between the devices of a network, through a link in each direction.

use std::collections::VecDeque;
use std::num::NonZeroU64;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Instant;
use std::{io, mem};

use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::thread::set_current_timer_slack;
use rustix::time::Timespec;

use super::device::{Device, MTU};
use super::link::{Fate, Link};
use crate::network_counts::{Counts, LinkCounts};

/// The packets that are read from one device before the other one has its turn.
const BATCH: usize = 64;

/// The running thread. Dropping it stops the thread and closes the devices.
#[derive(Debug)]
pub(super) struct Relay {
    stop: Arc<OwnedFd>,
    /// `true` if every packet is lost.
    is_cut: Arc<AtomicBool>,
    /// Down and up.
    counts: Arc<[Mutex<LinkCounts>; 2]>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Relay {
    /// Starts a relay between the devices of server and clients. Each link begins at its device.
    pub(super) fn start(server: (Device, Link), clients: (Device, Link)) -> io::Result<Self> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
        let counts = Arc::<[Mutex<LinkCounts>; 2]>::default();
        let is_cut = Arc::<AtomicBool>::default();
        let (stopped, cut, counted) = (Arc::clone(&stop), Arc::clone(&is_cut), Arc::clone(&counts));
        let run = move || run(server, clients, &stopped, &cut, &counted);
        let thread = thread::Builder::new().name("network-relay".into()).spawn(run)?;
        Ok(Self { stop, is_cut, counts, thread: Some(thread) })
    }

    pub(super) fn counts(&self) -> Counts {
        let [down, up] = &*self.counts;
        Counts { down: *lock(down), up: *lock(up) }
    }

    /// Loses every packet from now on.
    pub(super) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    /// `true` until the thread has ended, which is an error.
    pub(super) fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    fn join(&mut self) -> io::Result<()> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        rustix::io::write(&self.stop, &1_u64.to_ne_bytes())?;
        thread.join().map_err(|_| io::Error::other("its thread panicked"))?
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.join();
    }
}

fn lock(counts: &Mutex<LinkCounts>) -> MutexGuard<'_, LinkCounts> {
    counts.lock().unwrap_or_else(PoisonError::into_inner)
}

fn run(
    (server, down): (Device, Link),
    (clients, up): (Device, Link),
    stop: &OwnedFd,
    is_cut: &AtomicBool,
    [counts_down, counts_up]: &[Mutex<LinkCounts>; 2],
) -> io::Result<()> {
    // The system may otherwise delay each wake-up by 50 µs to save energy.
    set_current_timer_slack(NonZeroU64::new(1))?;
    let mut down = Direction::new(&server, &clients, down, is_cut, counts_down);
    let mut up = Direction::new(&clients, &server, up, is_cut, counts_up);
    loop {
        let wakes = [down.deliver(Instant::now())?, up.deliver(Instant::now())?];
        let next = wakes.into_iter().flatten().min();
        let wait = next.map(|at| at.saturating_duration_since(Instant::now()));
        let wait = wait.and_then(|wait| Timespec::try_from(wait).ok());

        let readable = |fd| PollFd::from_borrowed_fd(fd, PollFlags::IN);
        let mut files = [server.as_fd(), clients.as_fd(), stop.as_fd()].map(readable);
        match poll(&mut files, wait.as_ref()) {
            Err(Errno::INTR) => continue,
            other => other?,
        };
        let [from_server, from_clients, stopped] = files.map(|file| !file.revents().is_empty());
        if stopped {
            return Ok(());
        }
        if from_server {
            down.receive()?;
        }
        if from_clients {
            up.receive()?;
        }
    }
}

/// One direction: a device to read from, a device to write to, and the packets that are on their way.
struct Direction<'a> {
    from: &'a Device,
    to: &'a Device,
    link: Link,
    is_cut: &'a AtomicBool,
    counts: &'a Mutex<LinkCounts>,
    /// In the order of arrival.
    on_the_way: VecDeque<(Instant, Vec<u8>)>,
    /// For the next packet.
    buffer: Vec<u8>,
    /// Empty buffers for further packets.
    spare: Vec<Vec<u8>>,
}

impl<'a> Direction<'a> {
    fn new(
        from: &'a Device,
        to: &'a Device,
        link: Link,
        is_cut: &'a AtomicBool,
        counts: &'a Mutex<LinkCounts>,
    ) -> Self {
        let (on_the_way, buffer, spare) = (VecDeque::new(), Vec::with_capacity(MTU), Vec::new());
        Self { from, to, link, is_cut, counts, on_the_way, buffer, spare }
    }

    /// Delivers the packets that have arrived, and returns when the next one arrives.
    fn deliver(&mut self, now: Instant) -> io::Result<Option<Instant>> {
        while let Some((_, mut packet)) = self.on_the_way.pop_front_if(|(at, _)| *at <= now) {
            rustix::io::write(self.to, &packet)?;
            packet.clear();
            self.spare.push(packet);
        }
        Ok(self.on_the_way.front().map(|(arrival, _)| *arrival))
    }

    /// Reads packets and sends them into the link.
    fn receive(&mut self) -> io::Result<()> {
        for _ in 0..BATCH {
            self.buffer.clear();
            match rustix::io::read(self.from, spare_capacity(&mut self.buffer)) {
                Ok(_) => {}
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            }
            if self.buffer.first().is_some_and(|byte| byte >> 4 == 4) {
                self.send()?;
            }
        }
        Ok(())
    }

    /// Sends the packet in the buffer.
    fn send(&mut self) -> io::Result<()> {
        let (now, bytes) = (Instant::now(), self.buffer.len());
        let fate = match self.is_cut.load(Ordering::Relaxed) {
            true => Fate::Lost,
            false => self.link.send(now, bytes),
        };
        let mut counts = lock(self.counts);
        counts.packets += 1;
        counts.bytes += bytes as u64;
        counts.lost += u64::from(fate == Fate::Lost);
        counts.dropped += u64::from(fate == Fate::Dropped);
        drop(counts);
        match fate {
            Fate::Lost | Fate::Dropped => {}
            Fate::Arrives(arrival) if arrival <= now && self.on_the_way.is_empty() => {
                rustix::io::write(self.to, &self.buffer)?;
            }
            Fate::Arrives(arrival) => {
                let empty = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(MTU));
                self.on_the_way.push_back((arrival, mem::replace(&mut self.buffer, empty)));
            }
        }
        Ok(())
    }
}
