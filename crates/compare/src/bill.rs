//! The monthly cost of a million clients, from measured CPU time, memory and bytes on the wire.

use crate::report::{Report, value_of};
use crate::units::separated;

/// Prices, in any currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Prices {
    /// A core for a month. Default: 25, which is about half of a machine with two cores at a large cloud.
    pub core: f64,
    /// A GiB of memory for a month. Default: 3.
    pub gib: f64,
    /// A GB (10^9 bytes) to clients. Default: 0.09, the first tier of large clouds. Others charge a tenth or nothing.
    pub egress: f64,
}

impl Default for Prices {
    fn default() -> Self {
        Self { core: 25.0, gib: 3.0, egress: 0.09 }
    }
}

/// Clients for which the bill is.
const CLIENTS: f64 = 1e6;
/// Notifications that each client gets in an hour.
const PER_HOUR: f64 = 60.0;
/// The part of each core that is used, so that bursts and the failure of a machine fit in.
const UTILISATION: f64 = 0.5;
/// Seconds of 30 days.
const MONTH: f64 = 30.0 * 86_400.0;
/// Seconds between two heartbeats, or two empty answers, of a quiet client: the default of the server.
const HEARTBEAT: f64 = 25.0;
const GIB: f64 = (1 << 30) as f64;

/// The clients that receive a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    Same,
    Own,
}

/// A line of the bill.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Line {
    /// The transport, and the clients that receive a notification.
    pub(crate) title: String,
    pub(crate) cores: f64,
    pub(crate) gib: f64,
    /// GB to clients.
    pub(crate) egress: f64,
    pub(crate) cost_of_cores: f64,
    pub(crate) cost_of_memory: f64,
    pub(crate) cost_of_egress: f64,
}

impl Line {
    pub(crate) fn total(&self) -> f64 {
        self.cost_of_cores + self.cost_of_memory + self.cost_of_egress
    }

    /// The figures as text, in the order of [`HEADINGS`].
    pub(crate) fn cells(&self) -> [String; 7] {
        let whole = |value: f64| separated(&format!("{value:.0}"));
        [
            whole(self.cores.ceil()),
            whole(self.gib),
            whole(self.egress),
            whole(self.cost_of_cores),
            whole(self.cost_of_memory),
            whole(self.cost_of_egress),
            whole(self.total()),
        ]
    }
}

/// The headings of [`Line::cells`].
pub(crate) const HEADINGS: [&str; 7] =
    ["cores", "memory, GiB", "egress, GB", "cores", "memory", "egress", "a month"];

/// The transports on the bill: the title, and the contender whose CPU time and memory are those of the line.
const TRANSPORTS: [(&str, &str); 4] = [
    ("SSE", "SSE"),
    ("WebSocket", "WebSocket"),
    ("long-polling", "long-polling"),
    ("SSE, compressed", "SSE"),
];

/// The bill of a million clients over TLS, each of which gets a notification a minute. A transport of which a figure is
/// missing has no line. The figures are those of the scenarios tls, topics, idle and wire.
pub(crate) fn bill(reports: &[&Report], prices: Prices) -> Vec<Line> {
    let patterns = [Pattern::Same, Pattern::Own].into_iter();
    let lines =
        patterns.flat_map(|pattern| TRANSPORTS.map(|of| line(reports, prices, pattern, of)));
    lines.flatten().collect()
}

fn line(
    reports: &[&Report],
    prices: Prices,
    pattern: Pattern,
    (title, cost_of): (&str, &str),
) -> Option<Line> {
    let median = |scenario, title, key| Some(value_of(reports, scenario, title, key)?.median);
    let is_own = pattern == Pattern::Own;
    if is_own && title.ends_with("compressed") {
        // Without other clients that get the same, a stream has its own context, which is not measured.
        return None;
    }
    // CPU time of a notification for one client in microseconds.
    let delivery = match pattern {
        Pattern::Same => median("tls", cost_of, "steady-tls.cpu")?,
        Pattern::Own => median("topics", cost_of, "topics-tls.cpu")?,
    };
    let heartbeat = median("idle", cost_of, "heartbeat-tls.cpu")?;
    let per_second = delivery * PER_HOUR / 3_600.0 + heartbeat / HEARTBEAT;
    let cores = per_second * CLIENTS / 1e6 / UTILISATION;
    let memory =
        median("idle", cost_of, "quiet-tls.memory")? + median("idle", cost_of, "quiet-tls.kernel")?;
    let sent = median("wire", title, "steady-tls.egress")?;
    let quiet = median("wire", title, "quiet-tls.egress")?;
    let bytes = MONTH * (sent * PER_HOUR / 3_600.0 + quiet / HEARTBEAT);
    let egress = bytes * CLIENTS / 1e9;
    let gib = memory * CLIENTS / GIB;
    let pattern = if is_own { "one for each client" } else { "one for all clients" };
    Some(Line {
        title: format!("{title}, {pattern}"),
        cores,
        gib,
        egress,
        cost_of_cores: cores.ceil() * prices.core,
        cost_of_memory: gib * prices.gib,
        cost_of_egress: egress * prices.egress,
    })
}

/// The assumptions in whole sentences.
pub(crate) fn assumptions(Prices { core, gib, egress }: Prices) -> String {
    format!(
        "A million clients over TLS, each with a notification a minute and a heartbeat every {HEARTBEAT:.0} s, for 30 days. \
         CPU time is that of notifications of 128 B, and egress that of orders of 227 B. CPU \
         time and memory with compression are those without it. Half of each core is used. A core costs {core} a month, \
         a GiB of memory {gib} a month, and a GB sent to clients {egress}. Load balancers and spare machines are not \
         included."
    )
}

/// The bill as text for a terminal. `None` if a figure is missing.
pub fn bill_text(reports: &[Report], prices: Prices) -> Option<String> {
    let lines = bill(&reports.iter().collect::<Vec<_>>(), prices);
    if lines.is_empty() {
        return None;
    }
    let width = lines.iter().map(|line| line.title.chars().count()).max().unwrap_or(0);
    let row = |title: &str, cells: [String; 7]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>13}")).collect();
        format!("{title:width$}{cells}\n")
    };
    let head = row("", HEADINGS.map(str::to_owned));
    let body: String = lines.iter().map(|line| row(&line.title, line.cells())).collect();
    Some(format!("{head}{body}\n{}\n", assumptions(prices)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{sample, with_figures};

    fn reports() -> Vec<Report> {
        vec![
            with_figures("tls", &[("SSE", "steady-tls.cpu", 10.0)]),
            with_figures("topics", &[("SSE", "topics-tls.cpu", 41.0)]),
            with_figures(
                "idle",
                &[
                    ("SSE", "heartbeat-tls.cpu", 5.0),
                    ("SSE", "quiet-tls.memory", 4_000.0),
                    ("SSE", "quiet-tls.kernel", 6_737.0),
                ],
            ),
            with_figures(
                "wire",
                &[("SSE", "steady-tls.egress", 300.0), ("SSE", "quiet-tls.egress", 100.0)],
            ),
        ]
    }

    #[test]
    fn a_bill_follows_from_cpu_time_memory_and_bytes() {
        let reports = reports();
        let prices = Prices { core: 10.0, gib: 2.0, egress: 0.1 };
        let lines = bill(&reports.iter().collect::<Vec<_>>(), prices);
        let [same, own] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(same.title, "SSE, one for all clients");
        // 10 µs a minute and 5 µs each 25 s, on cores of which half is used.
        assert!((same.cores - 2.0 * (10.0 / 60.0 + 0.2)).abs() < 1e-9, "{same:?}");
        assert!((own.cores - 2.0 * (41.0 / 60.0 + 0.2)).abs() < 1e-9, "{own:?}");
        assert!((same.gib - 10.0).abs() < 0.01, "{same:?}");
        // 9 bytes a second for each client.
        assert!((same.egress - 9.0 * 2_592_000.0 / 1e3).abs() < 1e-6, "{same:?}");
        assert!((same.total() - (10.0 + 20.0 + 2_332.8)).abs() < 0.1, "{}", same.total());
    }

    #[test]
    fn without_one_of_the_scenarios_there_is_no_bill() {
        let mut reports = reports();
        assert!(
            bill_text(&reports, Prices::default()).unwrap().contains("SSE, one for each client")
        );
        reports.pop();
        assert_eq!(bill_text(&reports, Prices::default()), None);
        assert_eq!(bill_text(&[sample()], Prices::default()), None);
    }
}
