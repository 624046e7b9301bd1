//! The file of a Unix socket.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::RwLock;
use std::thread;

use tempfile::tempdir;
use tidings_core::Hub;
use tidings_server::{Builder, Server};
use tokio::sync::oneshot;

use crate::support::{Raw, eventually};

fn builder() -> Builder {
    Server::builder(Hub::default())
}

#[tokio::test]
async fn the_file_is_removed_when_the_server_ends() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = builder().bind_unix(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let serving = tokio::spawn(server.serve(async { drop(stopped.await) }));
    // The client does not close its side after the goodbye, and the server waits two seconds for that.
    let mut client = Raw::over(tokio::net::UnixStream::connect(&path).await.unwrap());
    client.send("GET /topics/t HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n").await;
    assert_eq!(client.head().await.status, 200);
    stop.send(()).unwrap();
    eventually("the file is removed", async || !path.exists()).await;
    assert!(!serving.is_finished(), "it drains");
    // Meanwhile the next server can bind the path.
    let next = builder().bind_unix(&path).unwrap();
    assert!(client.rest().await.windows(14).any(|bytes| bytes == b"event: goodbye"));
    serving.await.unwrap().unwrap();
    assert!(path.exists(), "the file is that of the next server");
    drop(next);
    assert!(!path.exists(), "a server that never served removes it as well");
}

#[test]
fn a_relative_path_is_resolved_when_it_is_bound() {
    let folder = tempfile::tempdir_in(".").unwrap();
    let path = folder.path().file_name().unwrap().to_owned();
    let path = std::path::Path::new(&path).join("socket");
    let server = builder().bind_unix(&path).unwrap();
    assert!(path.exists());
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn the_socket_of_a_server_that_was_killed_is_replaced() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists(), "the system leaves it");
    let server = builder().bind_unix(&path).unwrap();
    UnixStream::connect(&path).unwrap();
    drop(server);
}

#[tokio::test]
async fn the_socket_of_a_running_server_is_not_replaced() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    let first = builder().bind_unix(&path).unwrap();
    let error = builder().bind_unix(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(error.to_string().contains("another server listens there"), "{error}");
    UnixStream::connect(&path).unwrap();
    drop(first);
}

#[tokio::test]
async fn the_socket_of_a_server_with_a_full_queue_is_not_replaced() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = socket2::Socket::new(socket2::Domain::UNIX, socket2::Type::STREAM, None).unwrap();
    socket.bind(&socket2::SockAddr::unix(&path).unwrap()).unwrap();
    socket.listen(0).unwrap();
    // The queue is full now, so a further connect would wait.
    let _queued = UnixStream::connect(&path).unwrap();
    let error = builder().bind_unix(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AddrInUse);
    assert!(path.exists());
}

#[tokio::test]
async fn a_file_that_is_not_a_socket_is_not_replaced() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("precious");
    fs::write(&path, "data").unwrap();
    let error = builder().bind_unix(&path).unwrap_err();
    assert!(error.to_string().contains("not a socket"), "{error}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "data");
    let error = builder().bind_unix(folder.path().join("no/folder")).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn the_file_of_another_server_is_not_removed() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("socket");
    let server = builder().bind_unix(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let _other = UnixListener::bind(&path).unwrap();
    drop(server);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn of_servers_that_replace_a_socket_at_the_same_time_one_succeeds() {
    let folder = tempdir().unwrap();
    for round in 0..200 {
        let path = folder.path().join(round.to_string());
        drop(UnixListener::bind(&path).unwrap());
        let gate = RwLock::new(());
        let start = || {
            drop(gate.read().unwrap());
            builder().bind_unix(&path)
        };
        let started: Vec<_> = thread::scope(|scope| {
            // Opened even if a thread cannot be started, unlike a barrier.
            let closed = gate.write().unwrap();
            let starts = [(); 4].map(|()| scope.spawn(start));
            drop(closed);
            starts.into_iter().map(|start| start.join().unwrap()).collect()
        });
        assert_eq!(started.iter().filter(|server| server.is_ok()).count(), 1, "{round}");
        UnixStream::connect(&path).unwrap();
    }
}

#[test]
fn a_server_starts_even_if_another_program_has_locked_the_folder() {
    let folder = tempdir().unwrap();
    let lock = fs::File::open(folder.path()).unwrap();
    lock.lock().unwrap();
    let path = folder.path().join("socket");
    let _server = builder().bind_unix(&path).unwrap();
    UnixStream::connect(&path).unwrap();
}
