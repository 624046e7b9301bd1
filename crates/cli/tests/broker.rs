//! `tidings serve --broker`: what the program does while its broker is not there, and what it logs.

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
