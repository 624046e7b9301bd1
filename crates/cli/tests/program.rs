//! The program as its users run it: a child process, its output and its exit code.

#![cfg(unix)]

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

use rustix::process::Signal;
use tidings_testkit::{LIMIT, TestProgram, connect};

fn tidings(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tidings"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn output(args: &[&str]) -> (Option<i32>, String, String) {
    output_with(args, "")
}

fn output_with(args: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = tidings(args);
    let Output { status, stdout, stderr } = TestProgram::run(command.stdin(Stdio::piped()), input);
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A child that does not outlive the test.
struct Running(TestProgram);

impl Running {
    fn start(args: &[&str]) -> Self {
        Self(TestProgram::start(&mut tidings(args)))
    }

    fn hub(args: &[&str]) -> (Self, String) {
        let mut hub = Self::start(&[&["serve", "--listen", "127.0.0.1:0"], args].concat());
        let line = hub.line();
        let url = line.strip_prefix("listening on ").unwrap().to_owned();
        (hub, url)
    }

    fn line(&mut self) -> String {
        self.0.line()
    }

    fn interrupt(mut self) -> Option<i32> {
        self.signal(Signal::INT);
        self.0.wait().code()
    }

    fn signal(&mut self, signal: Signal) {
        self.0.signal(signal);
    }

    /// The lines of its standard error.
    fn log(&mut self) -> impl Iterator<Item = String> {
        std::iter::from_fn(|| self.0.log_line())
    }
}

#[test]
fn help_shows_examples_and_wrong_usage_exits_with_2() {
    for command in ["serve", "compare", "publish", "subscribe"] {
        let (code, help, _) = output(&[command, "--help"]);
        assert_eq!(code, Some(0));
        let examples = help.split("Examples:").nth(1).unwrap_or_default();
        assert!(examples.contains(&format!("tidings {command}")), "{help}");
    }
    for wrong in [
        &["frobnicate"][..],
        &["serve", "--heartbeat", "soon"],
        &["serve", "--compression-contexts", "2"],
        &["serve", "--compression", "both"],
        &["compare", "--clients", "0"],
        &["compare", "--clients", "30000"],
        &["compare", "--transports", "carrier-pigeon"],
        &["compare", "--rows", "carrier-pigeon"],
        &["compare", "--baseline", "--url", "http://127.0.0.1:1"],
        &["compare", "--transports", "nats", "--url", "http://127.0.0.1:1"],
        &["compare", "--transports", "nats", "--rows", "quiet"],
        &["compare", "--url", "https://127.0.0.1:1"],
        &["compare", "--limit"],
        &["compare", "--json", "/no/such/folder/figures.json"],
        &["compare", "--html", "/no/such/folder/report.html"],
        &["compare", "--json", "-", "--html", "-"],
        &["subscribe", "http://127.0.0.1:1/topics/t", "--after", "nonsense"],
        &["subscribe", "http://127.0.0.1:1/topics/t", "--transport", "carrier-pigeon"],
    ] {
        let (code, _, error) = output(wrong);
        assert_eq!(code, Some(2), "{wrong:?}: {error}");
        assert!(!error.is_empty());
    }
}

#[test]
fn serving_on_a_port_in_use_exits_with_1_and_names_the_address() {
    let (_hub, url) = Running::hub(&[]);
    let address = url.strip_prefix("http://").unwrap();
    let (code, _, error) = output(&["serve", "--listen", address]);
    assert_eq!(code, Some(1));
    assert!(error.contains(address), "{error}");
}

/// Publishes a text with the program and returns its id.
fn publish(topic: &str, text: &str) -> String {
    publish_with(&[topic], text)
}

fn publish_with(args: &[&str], text: &str) -> String {
    let (code, id, error) = output_with(&[&["publish"], args].concat(), text);
    assert_eq!(code, Some(0), "{error}");
    id.trim_end().to_owned()
}

#[test]
fn a_subscriber_of_each_transport_prints_what_is_published() {
    let (hub, url) = Running::hub(&[]);
    let topic = format!("{url}/topics/greetings");
    let first = publish(&topic, "one");
    let second = publish(&topic, "two");
    for transport in ["websocket", "sse", "long-polling"] {
        let args = ["subscribe", &topic, "--transport", transport, "--after", &first, "--json"];
        let mut subscriber = Running::start(&args);
        let envelope: serde_json::Value = serde_json::from_str(&subscriber.line()).unwrap();
        assert_eq!(envelope["data"], "two", "{transport}");
        assert_eq!(envelope["id"], second, "{transport}");
        assert_eq!(subscriber.interrupt(), Some(0), "{transport}");
    }
    assert_eq!(hub.interrupt(), Some(0));
}

#[test]
fn http2_is_spoken_with_prior_knowledge() {
    let (hub, url) = Running::hub(&[]);
    let topic = format!("{url}/topics/greetings");
    let known = "--http2-prior-knowledge";
    publish_with(&[&topic, known], "one");
    for transport in ["sse", "long-polling"] {
        let args = ["subscribe", &topic, known, "--transport", transport, "--after", "earliest"];
        let mut subscriber = Running::start(&args);
        assert_eq!(subscriber.line(), "one", "{transport}");
        assert_eq!(subscriber.interrupt(), Some(0), "{transport}");
    }
    assert_eq!(hub.interrupt(), Some(0));
}

#[test]
fn headers_are_set_by_arguments_and_printed_as_json() {
    let (hub, url) = Running::hub(&[]);
    let topic = format!("{url}/topics/greetings");
    let first = publish(&topic, "no headers");
    let headers = ["--event", "hello", "--content-type", "text/markdown", "--time", "7"];
    publish_with(&[&[&*topic], &headers[..]].concat(), "text");
    publish_with(&[&topic, "--binary", "--content-type", "image/png", "--time", "now"], "image");
    publish(&topic, "none again");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_millis() as u64;
    for transport in ["websocket", "sse", "long-polling"] {
        let args = ["subscribe", &topic, "--transport", transport, "--after", &first, "--json"];
        let mut subscriber = Running::start(&args);
        let mut next = || serde_json::from_str::<serde_json::Value>(&subscriber.line()).unwrap();
        let all = serde_json::json!({"event": "hello", "content_type": "text/markdown", "time": 7});
        assert_eq!(next()["headers"], all, "{transport}");
        let image = next();
        assert_eq!(image["headers"]["content_type"], "image/png", "{transport}");
        let time = image["headers"]["time"].as_u64().unwrap();
        assert!((now - 120_000..=now).contains(&time), "{time}, and now it is {now}");
        assert_eq!(image["data_base64"], "aW1hZ2U=", "{transport}");
        assert_eq!(next().get("headers"), None, "{transport}");
        assert_eq!(subscriber.interrupt(), Some(0), "{transport}");
    }
    assert_eq!(hub.interrupt(), Some(0));
}

#[test]
fn ndjson_publishes_each_line_and_prints_its_id() {
    let (hub, url) = Running::hub(&[]);
    let topics = format!("{url}/topics");
    let many = |lines: String| output_with(&["publish", &topics, "--ndjson"], &lines);
    let line = |number: usize| format!("{{\"topic\":\"t.{number}\",\"data\":\"{number}\"}}\n");
    let (code, ids, error) = many((1..=2500).map(line).collect());
    assert_eq!((code, ids.lines().count()), (Some(0), 2500), "{error}");
    assert!(ids.lines().last().unwrap().ends_with("-2500"), "{ids}");
    let (code, ids, error) = many(format!("{}\nnonsense\n", line(1)));
    assert_eq!((code, ids.as_str()), (Some(1), ""));
    assert!(error.contains("line 3"), "{error}");
    assert_eq!(hub.interrupt(), Some(0));
}

#[test]
fn a_server_with_two_listeners_prints_both_and_serves_the_same_topics() {
    let (mut hub, first) = Running::hub(&["--listen", "127.0.0.1:0", "--no-page"]);
    let second = hub.line().strip_prefix("listening on ").unwrap().to_owned();
    assert_ne!(first, second);
    publish(&format!("{first}/topics/t"), "by the first");
    let topic = format!("{second}/topics/t");
    let mut subscriber = Running::start(&["subscribe", &topic, "--after", "earliest"]);
    assert_eq!(subscriber.line(), "by the first");
    assert_eq!(subscriber.interrupt(), Some(0));
    assert_eq!(hub.interrupt(), Some(0));
}

#[test]
fn the_demo_ticks_and_ctrl_c_sends_a_goodbye_and_exits_with_0() {
    let (hub, url) = Running::hub(&["--demo"]);
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = connect(address);
    let request = b"GET /topics/ticks HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n";
    stream.write_all(request).unwrap();
    let mut reader = BufReader::new(stream);
    let until = Instant::now() + LIMIT;
    let mut lines = std::iter::from_fn(|| {
        // Heartbeats come for as long as the server runs.
        assert!(Instant::now() < until, "what is looked for did not come");
        let mut line = String::new();
        (reader.read_line(&mut line).unwrap() > 0).then_some(line)
    });
    let tick = lines.find_map(|line| Some(line.strip_prefix("data: ")?.to_owned())).unwrap();
    let tick: serde_json::Value = serde_json::from_str(&tick).unwrap();
    // The ticks start when the client joins. On a busy machine it may receive its first one later.
    assert!(tick["tick"].as_u64().is_some_and(|number| number >= 1), "{tick}");
    let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64() * 1e3;
    assert!(
        (now - tick["sent"].as_f64().unwrap()).abs() < 120_000.0,
        "{tick}, and now it is {now}"
    );
    assert_eq!(hub.interrupt(), Some(0));
    assert!(lines.any(|line| line == "event: goodbye\n"));
    assert!(reader.read_to_end(&mut Vec::new()).is_ok(), "the stream has ended");
}

#[test]
fn a_server_compresses_as_many_streams_as_the_flag_allows() {
    let args = ["--compression", "on", "--compression-contexts", "1"];
    let (hub, url) = Running::hub(&args);
    let address = url.strip_prefix("http://").unwrap();
    let request = |path: &str, lines: &str| {
        let mut stream = connect(address);
        write!(stream, "GET {path} HTTP/1.1\r\nHost: h\r\n{lines}\r\n").unwrap();
        BufReader::new(stream)
    };
    let streams = ["a", "b"].map(|topic| {
        let lines = "Accept: text/event-stream\r\nAccept-Encoding: gzip\r\n";
        let mut stream = request(&format!("/topics/{topic}"), lines);
        let head: Vec<_> = stream
            .by_ref()
            .lines()
            .map(Result::unwrap)
            .take_while(|line| !line.is_empty())
            .collect();
        assert!(head.iter().any(|line| line == "content-encoding: gzip"), "{head:?}");
        publish(&format!("{url}/topics/{topic}"), "news");
        stream
    });
    let until = Instant::now() + LIMIT;
    let metrics = loop {
        let mut metrics = String::new();
        request("/metrics", "Connection: close\r\n").read_to_string(&mut metrics).unwrap();
        if metrics.contains("tidings_delivered_total{transport=\"sse\"} 2\n") {
            break metrics;
        }
        assert!(Instant::now() < until, "not delivered: {metrics}");
    };
    assert!(metrics.contains("tidings_compression_contexts 1\n"), "{metrics}");
    drop(streams);
    assert_eq!(hub.interrupt(), Some(0));
}

#[test]
fn a_rejected_publish_exits_with_1_and_prints_the_reason() {
    let (_hub, url) = Running::hub(&[]);
    let (code, _, error) = output(&["publish", &format!("{url}/topics/a..b")]);
    assert_eq!(code, Some(1));
    assert!(error.contains("empty token"), "{error}");
}

#[test]
fn sigterm_makes_readyz_fail_while_the_listener_is_open_and_logs_each_step() {
    let status = |url: &str| {
        let mut stream = connect(url.strip_prefix("http://").unwrap());
        stream.write_all(b"GET /readyz HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.lines().next().unwrap().to_owned()
    };
    let (mut hub, url) = Running::hub(&["--drain-delay", "3600"]);
    assert_eq!(status(&url), "HTTP/1.1 200 OK");
    hub.signal(Signal::TERM);
    assert!(hub.log().any(|line| line.contains("still serving") && line.contains("clients=0")));
    assert_eq!(status(&url), "HTTP/1.1 503 Service Unavailable");

    let (mut hub, _) = Running::hub(&["--drain-delay", "0.001", "--drain", "0.001"]);
    hub.signal(Signal::TERM);
    let log: Vec<String> = hub.log().collect();
    let steps = ["still serving", "draining", "drained"];
    let logged: Vec<&str> =
        log.iter().filter_map(|line| steps.into_iter().find(|step| line.contains(step))).collect();
    assert_eq!(logged, steps, "{log:?}");
    assert_eq!(hub.0.wait().code(), Some(0));
}

/// A shell lowers the hard limit on open files first, because the server raises the soft limit to it.
#[cfg(target_os = "linux")]
#[test]
fn connections_without_a_file_descriptor_are_counted_in_one_log_line() {
    let begun = std::time::Instant::now();
    let mut hub = Command::new("sh");
    let script = r#"ulimit -n 64 && exec "$0" serve --listen 127.0.0.1:0 --workers 1"#;
    hub.args(["-c", script, env!("CARGO_BIN_EXE_tidings")]);
    hub.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut hub = Running(TestProgram::start(&mut hub));
    let address = hub.line().strip_prefix("listening on http://").unwrap().to_owned();
    let crowd: Vec<_> = (0..100).map(|_| connect(&address)).collect();
    let is_of_them =
        |line: &String| line.contains("could not accept") && line.contains("attempts=");
    let first = hub.log().find(is_of_them).unwrap();
    assert!(first.contains("Too many open files"), "{first}");
    drop(crowd);
    hub.signal(Signal::TERM);
    let rest: Vec<String> = hub.log().collect();
    let further = rest.iter().filter(|line| is_of_them(line)).count() as u64;
    assert!(further <= 1 + begun.elapsed().as_secs() / 10, "{further} more lines");
    assert_eq!(hub.0.wait().code(), Some(0), "{rest:?}");
}
