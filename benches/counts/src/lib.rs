//! Work that is the same in each run, without randomness and without a clock. Callgrind counts its instructions
//! (`cargo xtask counts`), and criterion measures its time (`cargo bench`).

mod decode;
mod encode;
mod filters;
mod log;
pub mod mark;
mod material;

pub use material::{json, topic};

/// Prepared work. Returns the number of operations.
pub type Work = Box<dyn FnMut() -> usize>;

/// Work of a fixed size.
#[derive(Debug)]
pub struct Scenario {
    /// The name in the baseline.
    pub name: &'static str,
    /// Prepares the work. Called once.
    pub prepare: fn() -> Work,
    /// The expected number of operations.
    pub count: usize,
}

/// All scenarios. To add one, add a line here and run `cargo xtask counts-write`.
pub static SCENARIOS: &[Scenario] = &[
    scenario("encode-websocket", || encode::encode("websocket", "", 1), 100),
    scenario("encode-websocket-v1", || encode::encode("websocket", "tidings.v1", 1), 100),
    scenario("encode-sse", || encode::encode("sse", "", 1), 100),
    scenario("encode-sse-lines", encode::sse_lines, 100),
    scenario("encode-long-polling-10", || encode::encode("long-polling", "", 10), 100),
    scenario("pass-sse-64", || encode::encode("sse", "", 64), 100),
    scenario("pass-websocket-64", || encode::encode("websocket", "", 64), 100),
    scenario("publish-evicting", log::publish_evicting, 1000),
    scenario("read-1000", log::read_1000, 1000),
    scenario("decode-text", decode::text, 100),
    scenario("decode-ping", decode::ping, 100),
    scenario("match-wildcards", filters::wildcards, 0),
];

const fn scenario(name: &'static str, prepare: fn() -> Work, count: usize) -> Scenario {
    Scenario { name, prepare, count }
}
