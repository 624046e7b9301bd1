use super::{CPU_BARS, DEFAULT, figure, ratio};
use crate::scenario::{Plot, Scenario, Table};
use crate::sequence::{CONNECT_STAGE, FAN_OUT, SATURATION, STEADY, Sequence};
use crate::workload::Workload;

pub(super) static SCENARIO: Scenario = Scenario {
    name: "proxies",
    question: "What does a proxy cost, and which of its defaults break a transport?",
    method: "nginx and HAProxy are in front of our server, each with its defaults and with settings for streams. 200 \
             clients and the publishers connect to the proxy. CPU time and memory are those of both processes, which \
             share a core. A combination that does not work is reported as not measured, with the reason.",
    limits: "Clients connect without TLS, which a proxy usually terminates. Proxy and server take turns on one core, \
             so the latency is higher than with a core for each. nginx allows 512 connections for each worker by \
             default, and each client needs two. The server sends heartbeats every 25 s, which is less than the \
             timeouts by default: 60 s in nginx, 50 s in Debian's HAProxy. The servers from Debian 12 are some years \
             old, and newer ones may be faster.",
    contenders: &["transports", "proxies"],
    workload: Workload { clients: 200, publishers: 16, ..Workload::DEFAULT },
    sequences: &[Sequence { stages: &[CONNECT_STAGE, STEADY, SATURATION], ..FAN_OUT }],
    tables: &[
        Table {
            title: "Deliveries",
            columns: &[
                "steady.cpu",
                "steady.p50",
                "steady.p99",
                "steady.received",
                "saturation.cpu",
            ],
        },
        Table { title: "Connections", columns: &["connect.cpu", "connect.memory"] },
    ],
    plots: &[Plot {
        title: "CPU per delivery",
        note: "microseconds in proxy and server",
        shape: CPU_BARS,
    }],
    answer: |it| {
        let websocket = match it.value("WebSocket, nginx defaults", "steady.cpu") {
            Some(_) => "",
            None => " By WebSocket, clients do not connect through nginx with its defaults.",
        };
        Some(format!(
            "Through nginx, a delivery by SSE takes {} times the CPU time, and the p50 is {} instead of {}. Through \
             HAProxy, it takes {} times the CPU time, and the p50 is {}.{websocket}",
            ratio(it, ("SSE, nginx", "steady.cpu"), ("SSE", "steady.cpu"))?,
            figure(it, "SSE, nginx", "steady.p50")?,
            figure(it, "SSE", "steady.p50")?,
            ratio(it, ("SSE, HAProxy", "steady.cpu"), ("SSE", "steady.cpu"))?,
            figure(it, "SSE, HAProxy", "steady.p50")?,
        ))
    },
    ..DEFAULT
};
