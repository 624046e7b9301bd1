//! `tidings compare` with message queues: measured where their servers are, and told where they are not.

use std::process::Command;

/// A run as small as it can be, and what it says.
fn compare(transports: &str, path: Option<&str>) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--transports", transports, "--clients", "5", "--rounds", "1"]);
    command.args(["--rate", "50", "--seconds", "0.3"]);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    let output = command.output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    (output.status.code(), said.concat())
}

#[test]
fn each_queue_is_read_directly_beside_a_transport() {
    let (code, said) = compare("sse,message-queue", None);
    assert_eq!(code, Some(0), "{said}");
    for name in
        ["sse", "message-queue (NATS)", "message-queue (JetStream)", "message-queue (Redis)"]
    {
        assert!(said.contains(name), "{said}");
    }
    assert!(said.contains("delivers at most once"), "what is compared is told: {said}");
    assert!(!said.contains("not measured"), "{said}");
}

#[test]
fn a_queue_whose_server_is_not_there_says_how_to_get_it_and_the_rest_goes_on() {
    let (code, said) = compare("sse,redis", Some("/nowhere"));
    assert_eq!(code, Some(0), "{said}");
    let told = "message-queue (Redis): not measured: there is no redis-server in PATH: get it from";
    assert!(said.contains(told) && said.contains("Saturation"), "{said}");
    let (code, said) = compare("redis", Some("/nowhere"));
    assert_eq!(code, Some(1), "{said}");
}

#[test]
fn a_hub_on_its_own_is_the_first_row_of_the_backplane() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(["compare", "--backplane", "--rows", "memory", "--clients", "4", "--rounds", "1"]);
    let output = command.args(["--rate", "50", "--seconds", "0.3"]).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    for figure in ["memory, 1 node", "publish answered p99, ms", "CPU of all hubs a delivery, µs"]
    {
        assert!(said.contains(figure), "{said}");
    }
}
