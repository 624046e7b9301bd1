//! The file for a report, opened before the first measurement.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// The path that means standard output.
const STDOUT: &str = "-";

/// The destination of a report. If nothing is written, dropping it removes a file that [`open`](Self::open) created.
#[derive(Debug)]
pub(crate) struct Output {
    path: PathBuf,
    /// `None` is standard output.
    file: Option<File>,
    /// `true` if `open` created the file and nothing has been written.
    is_new: bool,
}

impl Output {
    /// Opens the file without changing its contents. The path `-` is standard output.
    ///
    /// # Errors
    /// Fails if the file cannot be opened for writing. The message contains the path.
    pub(crate) fn open(path: &Path) -> Result<Self, String> {
        let path = path.to_owned();
        if path.as_os_str() == STDOUT {
            return Ok(Self { path, file: None, is_new: false });
        }
        let opened = match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                OpenOptions::new().write(true).open(&path).map(|file| (file, false))
            }
            created => created.map(|file| (file, true)),
        };
        match opened {
            Ok((file, is_new)) => Ok(Self { path, file: Some(file), is_new }),
            Err(error) => Err(format!("cannot write {}: {error}", path.display())),
        }
    }

    pub(crate) fn is_stdout(&self) -> bool {
        self.file.is_none()
    }

    /// Replaces the contents of the file with the text.
    ///
    /// # Errors
    /// Fails if the text cannot be written, for example because the disk is full. The error contains the path.
    pub(crate) fn write(mut self, text: &str) -> anyhow::Result<()> {
        let written = match &mut self.file {
            None => io::stdout().write_all(text.as_bytes()).and_then(|()| io::stdout().flush()),
            Some(file) => replace(file, text),
        };
        self.is_new = false;
        let path = self.path.display();
        written.map_err(|error| anyhow::anyhow!("cannot write {path}: {error}"))?;
        if !self.is_stdout() {
            eprintln!("wrote {path}");
        }
        Ok(())
    }
}

fn replace(file: &mut File, text: &str) -> io::Result<()> {
    // The length of a pipe or a device cannot be set.
    if file.metadata()?.is_file() {
        file.set_len(0)?;
    }
    file.write_all(text.as_bytes())
}

impl Drop for Output {
    fn drop(&mut self) {
        if self.is_new {
            // A failure leaves an empty file, which does no harm.
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("tidings-{name}-{}", std::process::id()));
        let _ = fs::remove_file(&path);
        path
    }

    #[test]
    fn a_new_file_is_removed_if_nothing_was_written() {
        let path = path("new");
        drop(Output::open(&path).unwrap());
        assert!(!path.exists());
    }

    #[test]
    fn an_existing_file_keeps_its_text_until_a_report_replaces_it() {
        let path = path("old");
        fs::write(&path, "the report of yesterday").unwrap();
        drop(Output::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "the report of yesterday");
        Output::open(&path).unwrap().write("today").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "today");
        fs::remove_file(&path).unwrap();
    }

    #[test]
    fn an_error_names_the_path_that_cannot_be_written() {
        let error = Output::open(Path::new("/no/such/folder/f.json")).unwrap_err();
        assert!(error.starts_with("cannot write /no/such/folder/f.json: "), "{error}");
    }
}
