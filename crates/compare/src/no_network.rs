//! Simulated networks need Linux.

use std::io;
use std::net::Ipv4Addr;
use std::path::PathBuf;

use thiserror::Error;

use crate::network_counts::{Checked, Counts};

pub(crate) const SERVER: Ipv4Addr = Ipv4Addr::LOCALHOST;
pub(crate) const CLIENTS: [Ipv4Addr; 0] = [];

/// A network that cannot be made.
#[derive(Debug)]
pub(crate) enum Network {}

/// A namespace that cannot be made.
#[derive(Debug)]
pub(crate) enum Namespace {}

/// The name of a network.
#[derive(Debug)]
pub(crate) struct Profile;

/// This system cannot have simulated networks.
#[derive(Debug, Error)]
#[error("simulated networks need Linux")]
pub(crate) struct Unavailable;

impl Profile {
    pub(crate) fn named(_: &str) -> Option<&'static Self> {
        Some(&Self)
    }
}

impl Network {
    pub(crate) fn start(_: &Profile, _: u64) -> anyhow::Result<Self> {
        Err(Unavailable.into())
    }

    pub(crate) fn check(&self) -> anyhow::Result<Checked> {
        match *self {}
    }

    pub(crate) fn cut(&self) {
        match *self {}
    }

    pub(crate) fn ensure_valid(&self) -> anyhow::Result<()> {
        match *self {}
    }

    pub(crate) fn counts(&self) -> Counts {
        match *self {}
    }

    pub(crate) fn server(&self) -> &Namespace {
        match *self {}
    }

    pub(crate) fn clients(&self) -> &Namespace {
        match *self {}
    }
}

impl Namespace {
    pub(crate) fn path(&self) -> PathBuf {
        match *self {}
    }

    pub(crate) fn inside<T>(&self, _: impl FnOnce() -> T) -> io::Result<T> {
        match *self {}
    }
}
