//! `tidings compare` with contenders that are measured and with contenders whose servers are not installed.

use std::process::{Command, Output, Stdio};

use tidings_testkit::{COMPARE_LIMIT, TestProgram};

fn output(command: &mut Command) -> Output {
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    TestProgram::run_within(COMPARE_LIMIT, command, "")
}

/// The exit code of a very small run, and everything that it prints.
fn compare(transports: &str, path: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--transports", transports, "--clients", "5", "--rounds", "1"]);
    command.args(["--rate", "50", "--seconds", "0.3"]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = output(&mut command);
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), printed.concat())
}

#[test]
fn message_queues_are_measured_next_to_a_transport() {
    let (code, printed) = compare("sse,message-queue", None);
    assert_eq!(code, Some(0), "{printed}");
    for name in ["SSE", "NATS", "JetStream", "Redis Streams"] {
        assert!(printed.contains(name), "{printed}");
    }
    assert!(printed.contains("delivers at most once"), "{printed}");
    assert!(!printed.contains(": not measured: "), "{printed}");
}

#[test]
fn a_missing_queue_server_is_reported_and_the_rest_is_measured() {
    let (code, printed) = compare("sse,redis", Some("/nowhere"));
    assert_eq!(code, Some(0), "{printed}");
    let missing = "Redis Streams: not measured: there is no redis-server in PATH: get it from";
    assert!(printed.contains(missing) && printed.contains("Saturation"), "{printed}");
    let (code, printed) = compare("redis", Some("/nowhere"));
    assert_eq!(code, Some(1), "{printed}");
}

#[test]
fn missing_peers_are_reported_and_the_rest_is_measured() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--transports", "sse,ws,gorilla", "--rows", "steady"]);
    command.args(["--clients", "5", "--rounds", "1", "--rate", "50", "--seconds", "0.3"]);
    let peers = concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/peers");
    command.args(["--peers", peers]).env("PATH", "/nowhere");
    let output = output(&mut command);
    let printed = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for missing in [
        "WebSocket, ws: not measured: there is no node in PATH: get it from https://nodejs.org",
        "WebSocket, gorilla: not measured: there is no go in PATH: get it from https://go.dev",
    ] {
        assert!(printed.contains(missing), "{printed}");
    }
}

#[test]
fn without_the_folder_of_peers_the_error_says_which_one_is_needed() {
    let (code, printed) = compare("ws", None);
    assert_eq!(code, Some(1), "{printed}");
    let problem = "there is no benches/peers/ws/start.sh: run it in a clone of the repository";
    assert!(printed.contains(problem) && printed.contains("--peers"), "{printed}");
}

#[test]
fn every_payload_is_received() {
    for payload in ["ticks", "orders", "random"] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        command.args(["compare", "--transports", "transports", "--rows", "steady"]);
        command.args(["--clients", "5", "--rounds", "1", "--rate", "50", "--seconds", "0.3"]);
        let output = output(command.args(["--payload", payload, "--json", "-"]));
        let table = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{table}");
        assert!(table.contains(&format!("payload of {payload}")), "{table}");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["plan"]["payload"], payload);
        for sample in report["samples"].as_array().unwrap() {
            assert!(sample["deliveries"].as_u64() > Some(0), "{sample}");
        }
    }
}

#[test]
fn every_transport_loses_nothing_with_compression() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--compression", "both", "--transports", "transports,general"]);
    command.args(["--scenario", "compression", "--rows", "steady,saturation,of-1.cpu"]);
    command.args(["--clients", "5", "--rounds", "1", "--rate", "50", "--seconds", "0.3"]);
    let output = output(command.args(["--json", "-"]));
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("SSE, compressed / SSE"), "{table}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let samples = report["samples"].as_array().unwrap();
    // Twelve contenders with three stages.
    assert_eq!(samples.len(), 12 * 3);
    for sample in samples {
        assert!(sample["deliveries"].as_u64() > Some(0), "{sample}");
        for fault in ["lost", "duplicated", "reordered"] {
            assert_eq!(sample[fault], 0, "{fault} in {sample}");
        }
    }
}

#[test]
fn a_contender_without_compression_is_rejected() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let output =
        output(command.args(["compare", "--compression", "on", "--transports", "sse,nats"]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("nats cannot be measured with compression"), "{error}");
}

#[test]
fn servers_that_share_a_broker_are_measured() {
    let (code, printed) = compare("memory,redis-2", None);
    assert_eq!(code, Some(0), "{printed}");
    for part in [
        "no broker, 1 server",
        "Redis, 2 servers",
        "publish answered p50",
        "broker CPU per publish",
    ] {
        assert!(printed.contains(part), "{printed}");
    }
}

#[test]
fn the_baseline_is_measured_next_to_our_server_with_targets() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--baseline", "--transports", "websocket", "--rows", "steady.cpu"]);
    command.args(["--clients", "5", "--rounds", "2", "--rate", "50", "--seconds", "0.3"]);
    let output = output(command.args(["--json", "-"]));
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("WebSocket / baseline WebSocket"), "{table}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["targets"][0]["compared"]["n"], 2);
    assert_eq!(report["samples"].as_array().unwrap().len(), 4, "only the stage that was chosen");
}

#[test]
fn sequences_are_measured_if_their_rows_are_chosen() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--scenario", "baseline", "--transports", "websocket"]);
    command.args(["--rows", "topics,resume,many,quiet"]);
    command.args(["--clients", "5", "--rounds", "1", "--rate", "50", "--seconds", "0.3"]);
    let output = output(&mut command);
    let printed =
        [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert_eq!(output.status.code(), Some(0), "{printed}");
    for part in
        ["One topic per client", "Resume", "Saturation of many (75 clients)", "Quiet clients"]
    {
        assert!(printed.contains(part), "{printed}");
    }
}

/// The report of a very small run over TLS.
fn over_tls(scenario: &str, transports: &str, rows: &str) -> serde_json::Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--scenario", scenario, "--tls", "--baseline"]);
    command.args(["--transports", transports, "--rows", rows]);
    command.args(["--clients", "5", "--rounds", "1", "--rate", "50", "--seconds", "0.3"]);
    let output = output(command.args(["--json", "-"]));
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.starts_with("5 clients over TLS"), "{table}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn every_transport_and_its_baseline_lose_nothing_over_tls() {
    let report = over_tls("baseline", "transports,general", "steady,saturation,resume.cpu");
    let samples = report["samples"].as_array().unwrap();
    // Nine contenders with two stages, and the log of three of them.
    assert_eq!(samples.len(), 9 * 2 + 3);
    for sample in samples {
        assert_eq!(sample["tls"], true, "{sample}");
        assert!(sample["deliveries"].as_u64() > Some(0), "{sample}");
        for fault in ["lost", "duplicated", "reordered"] {
            assert_eq!(sample[fault], 0, "{fault} in {sample}");
        }
        // A record has a header of 5 bytes, a content type and a tag of 16 bytes around at least one payload.
        let payloads = 128 * sample["deliveries"].as_u64().unwrap();
        assert!(sample["received_bytes"].as_u64() > Some(payloads), "{sample}");
    }
    assert_eq!(report["targets"][0]["at_most"], 1.1);
}

#[test]
fn handshakes_are_full_or_resumed_and_have_their_times() {
    let report = over_tls(
        "baseline-tls",
        "websocket,sse,long-polling",
        "connect,handshake,resumed,reconnect",
    );
    let samples = report["samples"].as_array().unwrap();
    assert_eq!(samples.len(), 6 * 4);
    for sample in samples {
        let resumes = ["resumed", "reconnect"].contains(&sample["stage"].as_str().unwrap());
        assert_eq!(sample["resumed"], if resumes { 5 } else { 0 }, "{sample}");
        for step in ["tcp_time", "tls_time", "request_time"] {
            assert!(sample[step]["p50"].as_f64() > Some(0.0), "{step} in {sample}");
        }
    }
    let bytes = |stage| {
        let is_it = |sample: &&serde_json::Value| sample["stage"] == stage;
        let bytes = samples.iter().filter(is_it).map(|it| it["received_bytes"].as_u64().unwrap());
        bytes.sum::<u64>()
    };
    assert!(bytes("resumed") < bytes("handshake"), "a resumed session needs no certificate");
}

/// The samples of a very small run, none of which has lost, duplicated or reordered anything.
fn over_http(versions: &str, args: &[&str]) -> Vec<serde_json::Value> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--http", versions, "--clients", "5", "--rounds", "1"]);
    command.args(["--rate", "50", "--seconds", "0.3", "--json", "-"]);
    let output = output(command.args(args));
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("message queues are left out: they "), "{table}");
    let mut report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let samples = std::mem::take(report["samples"].as_array_mut().unwrap());
    for sample in &samples {
        assert_eq!(sample["connections"], 5, "{sample}");
        for fault in ["lost", "duplicated", "reordered"] {
            assert_eq!(sample[fault], 0, "{fault} in {sample}");
        }
    }
    samples
}

#[test]
fn transports_are_measured_over_two_versions_of_http_without_tls() {
    let samples = over_http("1,2", &["--rows", "steady,saturation"]);
    assert_eq!(samples.len(), 6 * 2);
}

#[cfg(feature = "webtransport")]
#[test]
fn transports_and_webtransport_are_measured_over_every_version_of_http() {
    let samples = over_http("1,2,3", &["--tls", "--rows", "connect,steady,saturation"]);
    assert_eq!(samples.len(), 7 * 3);
    for sample in samples.iter().filter(|sample| sample["stage"] == "connect") {
        let has_tcp = sample["contender"] != "WebTransport";
        assert_eq!(sample["tcp_time"].is_object(), has_tcp, "{sample}");
        for step in ["tls_time", "request_time"] {
            assert!(sample[step]["p50"].as_f64() > Some(0.0), "{step} in {sample}");
        }
        assert!(sample["received_bytes"].as_u64() > Some(0), "{sample}");
    }
}

#[test]
fn versions_of_http_and_named_contenders_are_rejected_with_a_remedy() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let output = output(command.args(["compare", "--http", "1,2", "--transports", "nats"]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("leave out --http") && error.contains("--transports transports,http2"));
}

#[test]
fn webtransport_is_rejected_without_tls() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let output = output(command.args(["compare", "--http", "3"]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("only over TLS: add --tls"), "{error}");
}

#[test]
fn a_contender_without_tls_is_rejected() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let output = output(command.args(["compare", "--tls", "--transports", "sse,nats"]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("nats cannot be measured over TLS"), "{error}");
}

#[test]
fn several_scenarios_are_written_to_a_folder_with_a_page() {
    let directory = tempfile::tempdir().unwrap();
    let folder = directory.path().join("figures");
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--scenario", "tls,topics", "--transports", "sse"]).arg("--output");
    command.arg(&folder).args(["--clients", "5", "--rounds", "1", "--seconds", "0.1"]);
    let output = output(&mut command);
    let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(output.status.code(), Some(0), "{printed:?}");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    for (name, stages) in [("tls", 6), ("topics", 2)] {
        let report: serde_json::Value =
            serde_json::from_str(&read(&format!("{name}.json"))).unwrap();
        assert_eq!((&report["schema"], &report["scenario"]), (&1.into(), &name.into()));
        assert_eq!(report["samples"].as_array().unwrap().len(), stages, "{name}");
    }
    let tls: serde_json::Value = serde_json::from_str(&read("tls.json")).unwrap();
    let over_tls = tls["samples"].as_array().unwrap().iter().filter(|it| it["tls"] == true);
    assert_eq!(over_tls.count(), 3);
    let page = read("report.html");
    assert!(page.contains("id=\"tls\"") && page.contains("href=\"topics.json\""), "{page}");
}

#[test]
fn a_table_of_several_scenarios_cannot_be_written_to_one_file() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let output = output(command.args(["compare", "--scenario", "tls,topics", "--json", "-"]));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("write several with --output"), "{error}");
}

#[test]
fn raw_data_of_two_machines_is_merged_and_another_file_is_an_error() {
    let figures = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/comparison/");
    let merge = |files: [&str; 2]| {
        let files = files.map(|name| format!("{figures}{name}"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
        let output = output(command.args(["compare", "--merge"]).args(files));
        let printed = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        (output.status.code(), printed.concat())
    };
    let (code, printed) = merge(["fan-out.json", "fan-out.json"]);
    assert_eq!(code, Some(0), "{printed}");
    assert!(printed.contains("latency p99, ms · SSE") && printed.contains("1.00"), "{printed}");
    let (code, printed) = merge(["fan-out.json", "broker.json"]);
    assert!(code == Some(1) && printed.contains("is of the scenario broker"), "{printed}");
    let (code, printed) = merge(["fan-out.json", "../comparison.md"]);
    assert!(code == Some(1) && printed.contains("comparison.md: not a report"), "{printed}");
}

#[test]
fn a_bill_without_its_scenarios_names_them() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    let output = output(command.args(["compare", "--bill", "--output"]).arg(directory.path()));
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("the bill needs the scenarios tls, topics, idle and wire"), "{error}");
}
