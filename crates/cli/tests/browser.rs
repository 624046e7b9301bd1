//! `tidings compare` with tabs of a browser.

#![cfg(target_os = "linux")]

use std::process::{Command, Stdio};

use serde_json::Value;
use tidings_testkit::{COMPARE_LIMIT, TestProgram};

/// The samples of a very small run. `None` if the browser is not installed.
fn samples(transports: &str, rows: &str) -> Option<Vec<Value>> {
    let browser = Command::new("chromium").arg("--version").stdout(Stdio::null()).output();
    if browser.is_err() {
        eprintln!("skipped, because there is no chromium in PATH");
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--scenario", "browser", "--rounds", "1", "--seconds", "0.5"]);
    command.args(["--transports", transports, "--rows", rows, "--json", "-"]);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = TestProgram::run_within(COMPARE_LIMIT, &mut command, "");
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(!table.contains("not measured"), "{table}");
    let mut report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let Value::Array(samples) = report["samples"].take() else { panic!("no samples: {report}") };
    for sample in &samples {
        for fault in ["lost", "duplicated", "reordered"] {
            assert_eq!(sample[fault], 0, "{fault} in {sample}");
        }
    }
    Some(samples)
}

#[test]
fn six_of_twelve_tabs_have_a_stream_over_http1_and_all_over_http2() {
    let transports = "browser-websocket,browser-sse,browser-sse-http2";
    let Some(samples) = samples(transports, "open-12,many") else { return };
    let tabs = |contender: &str, stage: &str| {
        let is_it = |sample: &&Value| sample["contender"] == contender && sample["stage"] == stage;
        let sample = samples.iter().find(is_it).expect(contender);
        sample["connections"].as_u64()
    };
    for (contender, connected) in [
        ("browser, WebSocket", 12),
        ("browser, EventSource", 6),
        ("browser, EventSource, HTTP/2", 12),
    ] {
        assert_eq!(tabs(contender, "open-12"), Some(connected), "{contender}");
        assert_eq!(tabs(contender, "many"), Some(connected), "{contender}");
    }
    for sample in samples.iter().filter(|sample| sample["stage"] == "many") {
        assert_eq!(sample["browser"]["receiving"], sample["connections"], "{sample}");
        let deliveries =
            sample["published"].as_u64().unwrap() * sample["connections"].as_u64().unwrap();
        assert_eq!(sample["deliveries"].as_u64(), Some(deliveries), "{sample}");
        assert!(deliveries > 0, "{sample}");
    }
}

#[test]
fn visible_and_hidden_tabs_receive_everything_by_each_transport_over_http2() {
    let transports = "browser-websocket-http2,browser-long-polling-http2";
    let Some(samples) = samples(transports, "connect.tab,steady.,hidden.") else { return };
    assert_eq!(samples.len(), 2 * 3);
    for sample in samples {
        assert_eq!(sample["connections"], 4, "{sample}");
        let browser = &sample["browser"];
        if sample["stage"] == "connect" {
            let [first, all] = ["first_memory", "memory"].map(|key| browser[key].as_u64());
            assert!(first > Some(0) && first < all, "{sample}");
            continue;
        }
        assert_eq!(sample["command"]["publish"]["hidden"], sample["stage"] == "hidden");
        assert_eq!((&sample["published"], &sample["deliveries"]), (&10.into(), &40.into()));
        for key in ["renderer_cpu_ns", "network_cpu_ns"] {
            assert!(browser[key].as_u64() > Some(0), "{key} of {sample}");
        }
        assert!(sample["latency"]["p50"].as_f64() > Some(0.0), "{sample}");
    }
}

#[test]
fn a_missing_browser_is_reported_with_its_package() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--scenario", "browser", "--rounds", "1"]).env("PATH", "/nowhere");
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = TestProgram::run_within(COMPARE_LIMIT, &mut command, "");
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("there is no chromium in PATH"), "{error}");
    assert!(error.contains("apt-get install chromium"), "{error}");
}
