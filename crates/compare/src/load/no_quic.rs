//! In place of `quic.rs` without the feature `webtransport`. There is no value of its types.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Instant;

use anyhow::bail;
use rustix::fd::OwnedFd;

use super::gone::Gone;
use super::inbox::Inbox;
use super::session_event::{SessionEvent, Traffic};
use super::tls::Tls;

#[derive(Debug)]
pub(crate) struct Quic(Infallible);

#[derive(Debug)]
pub(crate) struct Session(Infallible);

impl Quic {
    pub(crate) fn new(_: Option<&Tls>, _: Rc<OwnedFd>, _: Instant) -> anyhow::Result<Self> {
        bail!("this program was built without WebTransport: build it with --features webtransport")
    }

    pub(crate) fn open(&mut self, _: usize, _: SocketAddr, _: &str) -> anyhow::Result<Session> {
        match self.0 {}
    }

    pub(crate) fn run(&mut self, _waits: bool, _: &mut Vec<SessionEvent>) -> io::Result<()> {
        match self.0 {}
    }

    pub(crate) fn clear(&mut self) {
        match self.0 {}
    }
}

impl Session {
    pub(crate) fn take(&mut self, _: &[u8], _: &mut Inbox<'_>) -> Result<(), Gone> {
        match self.0 {}
    }

    pub(crate) fn begin(&mut self) {
        match self.0 {}
    }

    pub(crate) fn traffic(&self) -> Traffic {
        match self.0 {}
    }
}
