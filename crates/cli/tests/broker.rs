//! `tidings serve --broker`: the program while its broker cannot be reached, and what it logs.

#[path = "broker/failover.rs"]
mod failover;
#[path = "broker/log.rs"]
mod log;
#[path = "broker/program.rs"]
mod program;
#[path = "broker/secrets.rs"]
mod secrets;
#[path = "broker/start.rs"]
mod start;
