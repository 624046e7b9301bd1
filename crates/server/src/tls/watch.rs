//! Reloads certificates when their files change.

use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep};

use super::Tls;
use super::files::Pair;

/// The state of a file, from which a change is noticed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    modified: Option<SystemTime>,
    len: u64,
    /// Device, inode, and the time at which the inode was changed.
    #[cfg(unix)]
    inode: [i64; 4],
}

impl Stamp {
    /// `None` if the file cannot be examined.
    fn of(path: &Path) -> Option<Self> {
        let metadata = std::fs::metadata(path).ok()?;
        Some(Self {
            modified: metadata.modified().ok(),
            len: metadata.len(),
            #[cfg(unix)]
            inode: {
                use std::os::unix::fs::MetadataExt;
                let [device, inode] = [metadata.dev(), metadata.ino()].map(u64::cast_signed);
                [device, inode, metadata.ctime(), metadata.ctime_nsec()]
            },
        })
    }
}

pub(super) fn stamps(pairs: &[Pair]) -> Vec<Option<Stamp>> {
    pairs.iter().flat_map(|Pair { chain, key }| [chain, key]).map(|path| Stamp::of(path)).collect()
}

/// How often a certificate that expires soon is logged.
const BETWEEN_WARNINGS: Duration = Duration::from_secs(24 * 60 * 60);

/// Reloads the files each time they have changed, and logs once a day which certificates expire soon. See
/// [`Tls::watch`].
pub(super) async fn watch(tls: Tls, period: Duration) {
    let mut next_warning = Instant::now() + BETWEEN_WARNINGS;
    loop {
        sleep(period).await;
        if Instant::now() >= next_warning {
            next_warning += BETWEEN_WARNINGS;
            tls.warn();
        }
        let tls = tls.clone();
        // Files may be on a network, and then reading them takes time.
        let checked = spawn_blocking(move || if tls.has_changed() { tls.reload() } else { Ok(()) });
        if let Ok(Err(error)) = checked.await {
            tracing::error!(%error, "cannot reload the certificates, the old ones stay in use");
        }
    }
}
