//! The monthly cost of many clients, from measured CPU time, memory and bytes on the wire.

use crate::report::{Report, value_of};
use crate::units::separated;

/// What the bill is for, and prices in any currency.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assumptions {
    /// Connected clients. Default: a million.
    pub clients: f64,
    /// Notifications that each client gets in an hour. Default: 60.
    pub per_hour: f64,
    /// Seconds between two heartbeats, or two empty answers, of a quiet client. Default: 25, as that of the server.
    pub heartbeat: f64,
    /// A core for a month. Default: 25, which is about half of a machine with two cores at a large cloud.
    pub core: f64,
    /// A GiB of memory for a month. Default: 3.
    pub gib: f64,
    /// A GB (10^9 bytes) to clients. Default: 0.09, the first tier of large clouds. Others charge a tenth or nothing.
    pub egress: f64,
}

impl Default for Assumptions {
    fn default() -> Self {
        Self { clients: 1e6, per_hour: 60.0, heartbeat: 25.0, core: 25.0, gib: 3.0, egress: 0.09 }
    }
}

/// The part of each core that is used, so that bursts and the failure of a machine fit in.
const UTILISATION: f64 = 0.5;
/// Seconds of 30 days.
const MONTH: f64 = 30.0 * 86_400.0;
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
    /// GB of them that are heartbeats or empty answers.
    pub(crate) heartbeats: f64,
    pub(crate) cost_of_cores: f64,
    pub(crate) cost_of_memory: f64,
    pub(crate) cost_of_egress: f64,
}

impl Line {
    pub(crate) fn total(&self) -> f64 {
        self.cost_of_cores + self.cost_of_memory + self.cost_of_egress
    }

    /// The figures as text, in the order of [`HEADINGS`].
    pub(crate) fn cells(&self) -> [String; 8] {
        let whole = |value: f64| separated(&format!("{value:.0}"));
        [
            whole(self.cores.ceil()),
            whole(self.gib),
            whole(self.egress),
            whole(self.heartbeats),
            whole(self.cost_of_cores),
            whole(self.cost_of_memory),
            whole(self.cost_of_egress),
            whole(self.total()),
        ]
    }
}

/// The headings of [`Line::cells`].
pub(crate) const HEADINGS: [&str; 8] = [
    "cores",
    "memory, GiB",
    "egress, GB",
    "heartbeats, GB",
    "cost of cores",
    "cost of memory",
    "cost of egress",
    "a month",
];

/// The contenders on the bill: the one whose bytes are those of the line, and the one whose CPU time and memory are. SSE
/// with compression is left out. A heartbeat ends the history of its compression, so a notification now and then takes more
/// bytes than one at the measured rate.
const TRANSPORTS: [(&str, &str); 4] = [
    ("SSE", "SSE"),
    ("WebSocket", "WebSocket"),
    ("WebSocket, compressed", "WebSocket"),
    ("long-polling", "long-polling"),
];

/// The bill of clients over TLS. A transport of which a figure is missing has no line. The figures are those of the
/// scenarios tls, topics, idle and wire.
pub(crate) fn bill(reports: &[&Report], assumptions: Assumptions) -> Vec<Line> {
    let lines = [Pattern::Same, Pattern::Own]
        .into_iter()
        .flat_map(|pattern| TRANSPORTS.map(|titles| line(reports, assumptions, pattern, titles)));
    lines.flatten().collect()
}

fn line(
    reports: &[&Report],
    it: Assumptions,
    pattern: Pattern,
    (title, cost_of): (&str, &str),
) -> Option<Line> {
    if pattern == Pattern::Own && title != cost_of {
        // Without other clients that get the same, a stream has its own context, which is not measured.
        return None;
    }
    let median = |scenario, key| Some(value_of(reports, scenario, cost_of, key)?.median);
    let bytes = |key| Some(value_of(reports, "wire", title, key)?.median);
    // CPU time of a notification for one client in microseconds.
    let (delivery, who) = match pattern {
        Pattern::Same => (median("tls", "steady-tls.cpu")?, "one for all clients"),
        Pattern::Own => (median("topics", "topics-tls.cpu")?, "one for each client"),
    };
    let notifications = it.per_hour / 3_600.0;
    let busy = delivery * notifications + median("idle", "heartbeat-tls.cpu")? / it.heartbeat;
    let cores = busy * it.clients / 1e6 / UTILISATION;
    let memory = median("idle", "quiet-tls.memory")? + median("idle", "quiet-tls.kernel")?;
    let gib = memory * it.clients / GIB;
    let sent = bytes("steady-tls.egress")? * notifications;
    let quiet = bytes("quiet-tls.egress")? / it.heartbeat;
    let gigabytes = |per_second: f64| MONTH * per_second * it.clients / 1e9;
    let egress = gigabytes(sent + quiet);
    Some(Line {
        title: format!("{title}, {who}"),
        cores,
        gib,
        egress,
        heartbeats: gigabytes(quiet),
        cost_of_cores: cores.ceil() * it.core,
        cost_of_memory: gib * it.gib,
        cost_of_egress: egress * it.egress,
    })
}

/// The assumptions in whole sentences.
pub(crate) fn sentences(it: Assumptions) -> String {
    let Assumptions { per_hour, heartbeat, core, gib, egress, .. } = it;
    let clients = separated(&it.clients.to_string());
    format!(
        "{clients} clients are connected to our server itself, by HTTP/1.1 and TLS, for 30 days. Each gets {per_hour} \
         notifications an hour and a heartbeat every {heartbeat} s. CPU time is that of notifications of 128 B, and \
         egress that of orders of 227 B, as bytes on the wire. Egress includes the heartbeats. CPU time and memory with \
         compression are those without it. Memory includes that of the kernel. Half of each core is used. A core costs \
         {core} a month, a GiB of memory {gib} a month, and a GB sent to clients {egress}. Publishes, reconnects, load \
         balancers and spare machines are not included. The figures are of at most 10,000 clients, multiplied."
    )
}

/// The bill as text for a terminal. `None` if a figure is missing.
pub fn bill_text(reports: &[Report], assumptions: Assumptions) -> Option<String> {
    let lines = bill(&reports.iter().collect::<Vec<_>>(), assumptions);
    if lines.is_empty() {
        return None;
    }
    let width = lines.iter().map(|line| line.title.chars().count()).max().unwrap_or(0);
    let row = |title: &str, cells: [String; 8]| {
        let cells: String = cells.iter().map(|cell| format!("{cell:>18}")).collect();
        format!("{title:width$}{cells}\n")
    };
    let head = row("", HEADINGS.map(str::to_owned));
    let body: String = lines.iter().map(|line| row(&line.title, line.cells())).collect();
    Some(format!("{head}{body}\n{}\n", sentences(assumptions)))
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
        let reports: Vec<&Report> = reports.iter().collect();
        let assumptions =
            Assumptions { core: 10.0, gib: 2.0, egress: 0.1, ..Assumptions::default() };
        let lines = bill(&reports, assumptions);
        let [same, own] = &lines[..] else { panic!("{lines:?}") };
        assert_eq!(same.title, "SSE, one for all clients");
        // 10 µs a minute and 5 µs each 25 s, on cores of which half is used.
        assert!((same.cores - 2.0 * (10.0 / 60.0 + 0.2)).abs() < 1e-9, "{same:?}");
        assert!((own.cores - 2.0 * (41.0 / 60.0 + 0.2)).abs() < 1e-9, "{own:?}");
        assert!((same.gib - 10.0).abs() < 0.01, "{same:?}");
        // 9 bytes a second for each client.
        assert!((same.egress - 9.0 * 2_592_000.0 / 1e3).abs() < 1e-6, "{same:?}");
        assert!((same.heartbeats - 4.0 * 2_592_000.0 / 1e3).abs() < 1e-6, "{same:?}");
        assert!((same.total() - (10.0 + 20.0 + 2_332.8)).abs() < 0.1, "{}", same.total());
        // Half of the clients, no notifications, and half of the heartbeats.
        let quiet =
            Assumptions { clients: 5e5, per_hour: 0.0, heartbeat: 50.0, ..Assumptions::default() };
        let [same, own] = &bill(&reports, quiet)[..] else { panic!("two lines") };
        assert!((same.cores - 0.1).abs() < 1e-9 && same.cores == own.cores, "{same:?}");
        assert!((same.egress - 2_592_000.0 / 1e3).abs() < 1e-6, "{same:?}");
        assert_eq!(same.egress, same.heartbeats);
    }

    #[test]
    fn without_one_of_the_scenarios_there_is_no_bill() {
        let mut reports = reports();
        assert!(
            bill_text(&reports, Assumptions::default())
                .unwrap()
                .contains("SSE, one for each client")
        );
        reports.pop();
        assert_eq!(bill_text(&reports, Assumptions::default()), None);
        assert_eq!(bill_text(&[sample()], Assumptions::default()), None);
    }
}
