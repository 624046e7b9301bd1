//! Creates and removes the file of a Unix socket.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, SockAddr, Socket, Type};

/// The file of a Unix socket that this server has created. Dropping it removes the file, unless another server has
/// replaced the file since.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    identity: (u64, u64),
}

/// What is at the path of a socket.
enum Found {
    /// The socket of a server that has crashed.
    Stale,
    /// Nothing: the file was removed meanwhile.
    Gone,
}

/// Listens on a Unix socket at this path. Replaces the file that a crashed server has left there.
///
/// # Errors
/// Fails if another server listens there, the path is that of another file, or the socket cannot be created.
pub(crate) fn bind(path: &Path) -> io::Result<(UnixListener, SocketFile)> {
    // Absolute, because the process may change its directory before the file is removed.
    let path = std::path::absolute(path)?;
    let _lock = lock_folder_of(&path);
    let listener = match UnixListener::bind(&path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if let Found::Stale = look(&path)? {
                tracing::info!(path = %path.display(), "replacing the socket of a server that is gone");
                fs::remove_file(&path)?;
            }
            UnixListener::bind(&path)?
        }
        bound => bound?,
    };
    let identity = identity(&path)?;
    Ok((listener, SocketFile { path, identity }))
}

/// How long to wait for the lock. A server holds it only for a few system calls, none of which blocks.
const PATIENCE: Duration = Duration::from_secs(1);

/// Locks the folder of a socket, so that only one server at a time checks, binds or removes a socket in it. Without the
/// lock, two servers that start at once could both find the socket of a crashed server, and the second would remove the
/// socket that the first has just created. It could also find a socket that is bound, but does not listen yet.
///
/// The lock is on the folder, so that no lock file is left. If the folder cannot be locked, or if another program locks
/// it for too long, the server continues without the lock, because any user may lock a folder such as `/tmp`.
fn lock_folder_of(path: &Path) -> Option<File> {
    let folder = File::open(path.parent()?).ok()?;
    let start = Instant::now();
    loop {
        match folder.try_lock() {
            Ok(()) => return Some(folder),
            Err(TryLockError::WouldBlock) if start.elapsed() < PATIENCE => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => {
                tracing::debug!(%error, path = %path.display(), "cannot lock the folder of the socket");
                return None;
            }
        }
    }
}

/// Looks for a socket at this path that no server uses.
///
/// # Errors
/// Fails if a server listens there, or the file is not a socket.
fn look(path: &Path) -> io::Result<Found> {
    let in_use = |problem| Err(io::Error::new(io::ErrorKind::AddrInUse, problem));
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Gone),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            return in_use("the file there is not a socket: choose another path");
        }
        Ok(_) => {}
    }
    let probe = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // Otherwise the connect would block if the queue of the listener is full.
    probe.set_nonblocking(true)?;
    match probe.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(Found::Stale),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Gone),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error),
        Ok(()) | Err(_) => in_use("another server listens there: stop it or choose another path"),
    }
}

/// The device and the inode, which no other file has while the socket is open.
fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let file = fs::symlink_metadata(path)?;
    Ok((file.dev(), file.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Otherwise another server could replace the file between the check and the removal.
        let _lock = lock_folder_of(&self.path);
        if identity(&self.path).is_ok_and(|found| found == self.identity)
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(%error, path = %self.path.display(), "cannot remove the file of the socket");
        }
    }
}
