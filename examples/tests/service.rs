//! Runs the tests of the example `service`. The example itself is not compiled for tests, so that the smoke tests can
//! start it.

#[expect(dead_code, reason = "the main function is not called")]
#[path = "../service.rs"]
mod service;
