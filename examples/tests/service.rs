//! Runs the tests of the example `service`, which is not compiled for tests itself, so that the smoke tests can start it.

#[expect(dead_code, reason = "nobody calls its main function")]
#[path = "../service.rs"]
mod service;
