//! Stub.
mod client;
