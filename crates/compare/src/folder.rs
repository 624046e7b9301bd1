//! A folder with the raw data of several scenarios, and the page about them.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

use crate::bill::Assumptions;
use crate::report::{Report, page, part};
use crate::scenario::Scenario;

/// The name of the page.
const PAGE: &str = "report.html";

/// A folder with a file of raw data for each scenario that was measured, such as `fan-out.json`, and a page about all of
/// them, `report.html`.
#[derive(Clone, Debug)]
pub struct Folder {
    path: PathBuf,
    /// Those of the bill on the page. Default: those of [`Assumptions::default`].
    pub assumptions: Assumptions,
}

impl Folder {
    /// Creates the folder if it does not exist.
    ///
    /// # Errors
    /// Fails if it cannot be created.
    pub fn create(path: &Path) -> anyhow::Result<Self> {
        let failed = || format!("cannot create the folder {}", path.display());
        fs::create_dir_all(path).with_context(failed)?;
        Ok(Self { path: path.to_owned(), assumptions: Assumptions::default() })
    }

    /// Opens a folder that exists.
    ///
    /// # Errors
    /// Fails if there is no such folder.
    pub fn open(path: &Path) -> anyhow::Result<Self> {
        ensure!(path.is_dir(), "there is no folder {}", path.display());
        Ok(Self { path: path.to_owned(), assumptions: Assumptions::default() })
    }

    /// Returns the report of a scenario, or `None` if there is none.
    ///
    /// # Errors
    /// Fails if the file cannot be read, or is not a report of this version.
    pub fn report(&self, scenario: &Scenario) -> anyhow::Result<Option<Report>> {
        let path = self.raw_data(scenario.name);
        match fs::read_to_string(&path) {
            Ok(json) => Report::from_json(&json)
                .map(Some)
                .with_context(|| format!("{}: remove it to measure again", path.display())),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
        }
    }

    /// Returns all reports of the folder, in the order of the scenarios.
    ///
    /// # Errors
    /// Fails if a report cannot be read.
    pub fn reports(&self) -> anyhow::Result<Vec<Report>> {
        let reports = Scenario::all().map(|scenario| self.report(scenario));
        let reports: Vec<Option<Report>> = reports.collect::<anyhow::Result<_>>()?;
        Ok(reports.into_iter().flatten().collect())
    }

    /// Returns the page about all reports of the folder.
    ///
    /// # Errors
    /// Fails if a report cannot be read.
    pub fn page(&self) -> anyhow::Result<String> {
        Ok(page(&self.reports()?, true, self.assumptions))
    }

    /// Returns a part of the document about all reports, in Markdown: `decisions`, `claims`, `bill`, or `scenarios`. The
    /// document must be beside the folder. `None` if there is no such part, or if its figures were not measured.
    ///
    /// # Errors
    /// Fails if a report cannot be read.
    pub fn markdown(&self, part_name: &str) -> anyhow::Result<Option<String>> {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        Ok(part(&self.reports()?, part_name, &name, self.assumptions))
    }

    /// Writes the raw data of a report, and then the page.
    ///
    /// # Errors
    /// Fails if a file cannot be written, or another report of the folder cannot be read.
    pub fn write(&self, report: &Report) -> anyhow::Result<()> {
        self.write_file(&self.raw_data(&report.scenario), &report.json())?;
        self.write_file(&self.path.join(PAGE), &self.page()?)
    }

    /// Replaces a file at once, so that an interruption never leaves half of it.
    fn write_file(&self, path: &Path, text: &str) -> anyhow::Result<()> {
        let failed = || format!("cannot write {}", path.display());
        let mut file = tempfile::Builder::new();
        // Others may read the files, as those that a program creates by default.
        #[cfg(unix)]
        file.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644));
        let file = file.tempfile_in(&self.path).with_context(failed)?;
        fs::write(file.path(), text).with_context(failed)?;
        file.persist(path).with_context(failed)?;
        Ok(())
    }

    fn raw_data(&self, scenario: &str) -> PathBuf {
        self.path.join(format!("{scenario}.json"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::sample;

    #[test]
    fn a_report_is_written_with_a_page_and_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::create(&directory.path().join("a/b")).unwrap();
        let scenario = Scenario::named("fan-out").unwrap();
        assert!(folder.report(scenario).unwrap().is_none());
        let missing = Folder::open(&directory.path().join("c")).unwrap_err().to_string();
        assert!(missing.starts_with("there is no folder "), "{missing}");
        folder.write(&sample()).unwrap();
        assert!(folder.report(scenario).unwrap() == Some(sample()));
        let page = fs::read_to_string(folder.path.join(PAGE)).unwrap();
        assert!(page.contains("href=\"fan-out.json\""), "{page}");
        assert_eq!(fs::read_dir(&folder.path).unwrap().count(), 2, "no temporary file is left");
    }

    #[test]
    fn a_file_that_is_not_a_report_is_an_error_with_its_name() {
        let directory = tempfile::tempdir().unwrap();
        let folder = Folder::create(directory.path()).unwrap();
        let scenario = Scenario::named("fan-out").unwrap();
        for (text, problem) in [
            ("{\"samples\":", "not a report"),
            ("{\"schema\": 99}", "has format 99, and this program reads format 1"),
        ] {
            fs::write(folder.path.join("fan-out.json"), text).unwrap();
            let error = format!("{:#}", folder.report(scenario).unwrap_err());
            assert!(error.contains("fan-out.json") && error.contains(problem), "{error}");
            assert!(folder.page().is_err());
        }
    }
}
