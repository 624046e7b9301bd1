//! Two instruments that the hub is measured with: [`limit`], the bare server, and [`clients`], the load. Both are
//! loops on epoll, and so for Linux alone.

#![cfg(target_os = "linux")]

pub mod clients;
pub mod limit;
