//! One monotonic clock for the whole load process: publishers stamp with it, receivers read it.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

static START: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since the process first asked.
pub(crate) fn now_ns() -> u64 {
    START.get_or_init(Instant::now).elapsed().as_nanos() as u64
}

/// Sleeps the calling thread until `at_ns`; returns at once where that is past.
///
/// A thread's sleep and not the runtime's timer: the latter counts in milliseconds, and the hub answers
/// faster than that.
pub(crate) fn sleep_until(at_ns: u64) {
    let now = now_ns();
    if at_ns > now {
        std::thread::sleep(Duration::from_nanos(at_ns - now));
    }
}

/// A clock that the kernel reads slowly, which makes every stamp a cost of its own: its name.
pub(crate) fn slow_source() -> Option<String> {
    let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
    let name = std::fs::read_to_string(path).ok()?.trim().to_owned();
    matches!(name.as_str(), "hpet" | "acpi_pm" | "jiffies" | "refined-jiffies").then_some(name)
}
