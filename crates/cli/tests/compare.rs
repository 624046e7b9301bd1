//! `tidings compare`: contenders that are measured, and those whose servers are not installed.

use std::process::{Command, Output, Stdio};

use tidings_testkit::TestProgram;

fn output(command: &mut Command) -> Output {
    TestProgram::run(command.stdout(Stdio::piped()).stderr(Stdio::piped()), "")
}

/// A run as small as it can be, and what it says.
fn compare(transports: &str, path: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--transports", transports, "--clients", "5", "--rounds", "1"]);
    command.args(["--rate", "50", "--seconds", "0.3"]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = output(&mut command);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), said.concat())
}

#[test]
fn each_queue_is_read_directly_beside_a_transport() {
    let (code, said) = compare("sse,message-queue", None);
    assert_eq!(code, Some(0), "{said}");
    for name in ["sse", "NATS", "JetStream", "Redis"] {
        assert!(said.contains(name), "{said}");
    }
    assert!(said.contains("delivers at most once"), "{said}");
    assert!(!said.contains("not measured"), "{said}");
}

#[test]
fn a_queue_whose_server_is_not_there_says_how_to_get_it_and_the_rest_goes_on() {
    let (code, said) = compare("sse,redis", Some("/nowhere"));
    assert_eq!(code, Some(0), "{said}");
    let told = "Redis: not measured: there is no redis-server in PATH: get it from";
    assert!(said.contains(told) && said.contains("Saturation"), "{said}");
    let (code, said) = compare("redis", Some("/nowhere"));
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn servers_that_share_a_broker_are_contenders_like_the_others() {
    let (code, said) = compare("memory,redis-2", None);
    assert_eq!(code, Some(0), "{said}");
    for part in
        ["no broker, 1 server", "Redis, 2 servers", "publish answered p50", "broker CPU a publish"]
    {
        assert!(said.contains(part), "{said}");
    }
}

#[test]
fn the_baseline_stands_beside_our_server_with_targets() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--baseline", "--transports", "websocket", "--rows", "steady.cpu"]);
    command.args(["--clients", "5", "--rounds", "2", "--rate", "50", "--seconds", "0.3"]);
    let output = output(command.args(["--json", "-"]));
    let table = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{table}");
    assert!(table.contains("websocket by baseline websocket"), "{table}");
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["targets"][0]["compared"]["n"], 2);
    assert_eq!(report["samples"].as_array().unwrap().len(), 4, "only the stage that was chosen");
}

#[test]
fn long_scenarios_are_measured_if_their_rows_are_chosen() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--transports", "websocket", "--rows", "topics,resume,many,quiet"]);
    command.args(["--clients", "5", "--rounds", "1", "--rate", "50", "--seconds", "0.3"]);
    let output = output(&mut command);
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).concat();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for part in ["One topic a client", "Resume", "Saturation of many (75 clients)", "Quiet clients"]
    {
        assert!(said.contains(part), "{said}");
    }
}
