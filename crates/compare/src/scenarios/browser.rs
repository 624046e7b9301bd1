use super::{DEFAULT, figure};
use crate::measures::{
    CONNECTED_TABS, CPU_PER_DELIVERY, MAX, NETWORK_CPU, P50, P90, P99, RECEIVING_TABS,
    RENDERER_CPU, REQUESTS, TAB_MEMORY,
};
use crate::protocol::Command;
use crate::scenario::{Plot, Scenario, Shape, Table};
use crate::sequence::{CONNECT, Clients, FAN_OUT, Sequence, Stage, publish};
use crate::workload::Workload;

/// Tabs of one window, of which more and more connect.
const MANY: Sequence = Sequence {
    clients: Clients::Exactly(12),
    stages: &[
        Stage {
            name: "open-1",
            heading: "1 tab",
            before: None,
            command: |_| Command::Open { tabs: 1 },
            measures: &[CONNECTED_TABS],
        },
        Stage {
            name: "open-6",
            heading: "6 tabs",
            before: None,
            command: |_| Command::Open { tabs: 6 },
            measures: &[CONNECTED_TABS],
        },
        Stage {
            name: "open-12",
            heading: "12 tabs",
            before: None,
            command: |_| Command::Open { tabs: 12 },
            measures: &[CONNECTED_TABS],
        },
        Stage {
            name: "many",
            heading: "12 tabs",
            before: None,
            command: |it| publish(it.rate, 1, it.steady_seconds / 2.0),
            measures: &[RECEIVING_TABS, P50, P99, MAX],
        },
    ],
    includes: |contender| contender.browser,
    ..FAN_OUT
};

/// Four tabs, each in a window of its own, which are visible and then hidden.
const FEW: Sequence = Sequence {
    clients: Clients::Exactly(4),
    stages: &[
        Stage {
            name: "connect",
            heading: "4 tabs",
            before: None,
            command: |_| CONNECT,
            measures: &[TAB_MEMORY],
        },
        Stage {
            name: "steady",
            heading: "4 visible tabs",
            before: None,
            command: |it| publish(it.rate, 1, it.steady_seconds),
            measures: &[RENDERER_CPU, NETWORK_CPU, CPU_PER_DELIVERY, P50, P90, P99, MAX, REQUESTS],
        },
        Stage {
            name: "hidden",
            heading: "4 hidden tabs",
            before: None,
            command: |it| Command::Publish {
                rate: it.rate,
                burst: 1,
                seconds: it.steady_seconds,
                hidden: true,
            },
            measures: &[RENDERER_CPU, NETWORK_CPU, P50, P99, MAX],
        },
    ],
    includes: |contender| contender.browser,
    ..FAN_OUT
};

pub(super) static SCENARIO: Scenario = Scenario {
    name: "browser",
    question: "What does each transport cost in a browser?",
    method: "Tabs of a headless Chromium are the clients, all of one origin and over TLS 1.3. For HTTP/1.1, Chromium is \
             started without HTTP/2. In one sequence, 12 tabs load a page, and then 1, 6 and 12 of them open their \
             stream. In the other, 4 tabs have a window each, which is visible and then minimized. Latency ends in the \
             script of the page. The CPU time of the browser is that of its renderer processes and of its network \
             service, which has the sockets.",
    limits: "A tab that the browser does not connect is not a client, so nothing is lost in it. The clock of a page has \
             a resolution of 0.1 ms. On a machine with two cores, all processes of the browser share one, so latency \
             includes the work of the other tabs. Timers of a hidden page are throttled, but none of these clients \
             uses one as long as it is connected. Pages are hidden for seconds and not frozen. A \
             poll is held for 5 s at most. If more tabs poll over HTTP/1.1 than the browser has connections, a \
             notification can wait for the end of another tab's poll.",
    contenders: &["browser"],
    workload: Workload {
        clients: 12,
        steady_seconds: 1.5,
        publishers: 1,
        tls: true,
        ..Workload::DEFAULT
    },
    sequences: &[MANY, FEW],
    tables: &[
        Table {
            title: "Tabs of one origin",
            columns: &[
                "open-1.connected",
                "open-6.connected",
                "open-12.connected",
                "many.receiving",
                "many.p50",
                "many.p99",
                "many.max",
            ],
        },
        Table {
            title: "Visible tabs",
            columns: &[
                "steady.renderer",
                "steady.network",
                "steady.p50",
                "steady.p99",
                "steady.requests",
                "connect.tab",
            ],
        },
        Table {
            title: "Hidden tabs",
            columns: &["hidden.renderer", "hidden.network", "hidden.p50", "hidden.p99"],
        },
    ],
    plots: &[
        Plot {
            title: "Connected tabs",
            note: "tabs of one origin whose stream is open",
            shape: Shape::Bars(&[
                ("open-1.connected", "of 1"),
                ("open-6.connected", "of 6"),
                ("open-12.connected", "of 12"),
            ]),
        },
        Plot {
            title: "CPU of the browser per delivery",
            note: "microseconds in the renderer and in the network service",
            shape: Shape::Bars(&[
                ("steady.renderer", "renderer, visible"),
                ("steady.network", "network, visible"),
                ("hidden.renderer", "renderer, hidden"),
                ("hidden.network", "network, hidden"),
            ]),
        },
    ],
    answer: |it| {
        Some(format!(
            "Of 12 tabs with an EventSource, {} are connected over HTTP/1.1 and {} over HTTP/2. A WebSocket costs the \
             renderer {} of CPU time per delivery, an EventSource {} and long-polling {}.",
            figure(it, "browser, EventSource", "open-12.connected")?,
            figure(it, "browser, EventSource, HTTP/2", "open-12.connected")?,
            figure(it, "browser, WebSocket", "steady.renderer")?,
            figure(it, "browser, EventSource", "steady.renderer")?,
            figure(it, "browser, long-polling", "steady.renderer")?,
        ))
    },
    ..DEFAULT
};
