//! `serve --listen`: Unix sockets, and sockets that systemd passes.

#![cfg(unix)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Stdio};

use rustix::process::Signal;
use tempfile::tempdir;
use tidings_testkit::{LIMIT, TestProgram, connect};

const PROGRAM: &str = env!("CARGO_BIN_EXE_tidings");

/// A server that does not outlive the test.
struct Hub(TestProgram);

impl Hub {
    fn start(mut command: Command) -> Self {
        Self(TestProgram::start(command.stdout(Stdio::piped())))
    }

    fn line(&mut self) -> String {
        self.0.line()
    }

    fn end(mut self, signal: Signal) -> Option<i32> {
        self.0.signal(signal);
        self.0.wait().code()
    }

    /// The exit code and the standard error of a server that does not start.
    fn failure(self) -> (Option<i32>, String) {
        let output = self.0.finish();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    }
}

/// Serves on the Unix socket at this path.
fn at(path: &Path) -> Command {
    let mut command = Command::new(PROGRAM);
    command.arg("serve").arg("--listen").arg(format!("unix:{}", path.display()));
    command.stderr(Stdio::piped());
    command
}

/// A shell that runs this line of script and then serves on the sockets that systemd passes.
fn from_systemd(script: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!(r#"{script}; exec "$0" serve --listen systemd"#);
    command.args(["-c", &script, PROGRAM]).stdin(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Serves on this socket, which is passed as descriptor 3, as systemd does.
fn passed(socket: impl Into<OwnedFd>) -> Command {
    // A child inherits only its standard streams, so the socket is passed as standard input first.
    let mut command = from_systemd("exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1");
    command.stdin(socket.into());
    command
}

/// Serves on these two sockets, which are passed as descriptors 3 and 4.
fn both_passed(first: impl Into<OwnedFd>, second: impl Into<OwnedFd>) -> Command {
    let mut command =
        from_systemd("exec 3<&0 4<&2 0</dev/null 2>/dev/null; export LISTEN_PID=$$ LISTEN_FDS=2");
    command.stdin(first.into()).stderr(second.into());
    command
}

fn connect_unix(path: &Path) -> UnixStream {
    let stream = UnixStream::connect(path).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// Publishes and checks the start of the response.
fn publish(mut stream: impl Read + Write) {
    let request = b"POST /topics/t HTTP/1.1\r\nHost: hub\r\nContent-Length: 2\r\n\r\nhi";
    stream.write_all(request).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200");
}

#[test]
fn a_unix_socket_is_served_and_its_file_is_removed_with_the_server() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tidings.sock");
    let mut hub = Hub::start(at(&path));
    assert_eq!(hub.line(), format!("listening on unix:{}", path.display()));
    publish(connect_unix(&path));

    let (code, error) = Hub::start(at(&path)).failure();
    assert_eq!(code, Some(1));
    assert!(error.contains(path.to_str().unwrap()), "{error}");
    assert!(error.contains("another server listens there"), "{error}");

    // A killed server leaves the file of its socket, and the next server replaces it.
    assert_eq!(hub.end(Signal::KILL), None);
    assert!(path.exists());
    let mut hub = Hub::start(at(&path));
    hub.line();
    publish(connect_unix(&path));
    assert_eq!(hub.end(Signal::TERM), Some(0));
    assert!(!path.exists());
}

#[test]
fn sockets_that_systemd_passes_are_served_in_order() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("tidings.sock");
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let unix = UnixListener::bind(&path).unwrap();
    let address = tcp.local_addr().unwrap();
    // This connection waits in the accept queue, like one that arrives while systemd starts the service.
    let early = connect(address);
    let mut hub = Hub::start(both_passed(tcp, unix));
    assert_eq!(hub.line(), format!("listening on http://{address}"));
    assert_eq!(hub.line(), format!("listening on unix:{}", path.display()));
    publish(early);
    publish(connect(address));
    publish(connect_unix(&path));
    assert_eq!(hub.end(Signal::TERM), Some(0));
    assert!(path.exists(), "the file belongs to systemd and is kept");
}

#[test]
fn missing_and_unusable_sockets_of_systemd_are_errors() {
    let connected = || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        TcpStream::connect(listener.local_addr().unwrap()).unwrap()
    };
    let datagrams = UdpSocket::bind("127.0.0.1:0").unwrap();
    for (command, problem) in [
        (from_systemd("true"), "systemd has passed no socket"),
        (from_systemd("export LISTEN_FDS=1 LISTEN_PID=1"), "systemd has passed no socket"),
        (passed(datagrams), "socket 1 from systemd is not a TCP or Unix stream socket"),
        (passed(connected()), "Accept="),
    ] {
        let (code, error) = Hub::start(command).failure();
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains(problem), "{error}");
    }
}
