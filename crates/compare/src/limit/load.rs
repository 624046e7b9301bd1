//! The load program, and what is said over its pipes, line by line.
//!
//! ```text
//! it:       ready            …measured…   {"deliveries":…}
//! we:              go                                       (end of its input)
//! flood:    ready  go  published  read    {"deliveries":…}
//! ```

use std::time::Duration;

use url::Url;

use super::programs::Program;
use super::run::Run;
use super::sample::LoadFigures;
use crate::child::{Child, ChildError};
use crate::pin::{Cores, Place};
use crate::proc::Process;

/// How long it may take to be ready: 15,000 clients to connect, or a log to fill.
const READY: Duration = Duration::from_secs(120);
/// How long the measured part may take. Its own patience with a server that stands still is shorter, and its
/// words about that say more than ours.
const MEASURED: Duration = Duration::from_secs(600);

/// A load program. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct LoadProgram(Child);

impl LoadProgram {
    /// Starts it on the load's cores, and waits until it is ready.
    pub(crate) async fn ready(
        program: &Program,
        run: &Run,
        server: &Url,
        cores: &Cores,
    ) -> Result<Self, ChildError> {
        let url = ["--url".to_owned(), server.to_string()];
        let args = [&program.args[..], &run.load.args(), &url].concat();
        let child = Child::start(&program.path, &args, cores, Place::Load).await?;
        let mut load = Self(child);
        load.word("ready", "it was ready", READY).await?;
        Ok(load)
    }

    pub(crate) fn process(&self) -> Option<Process> {
        self.0.process()
    }

    /// Lets the measured part begin.
    pub(crate) async fn go(&mut self) -> Result<(), ChildError> {
        self.0.tell("go").await
    }

    /// Waits until everything of a flood is published.
    pub(crate) async fn published(&mut self) -> Result<(), ChildError> {
        self.word("published", "everything was published", MEASURED).await
    }

    /// Lets the clients of a flood read.
    pub(crate) async fn read(&mut self) -> Result<(), ChildError> {
        self.0.tell("read").await
    }

    /// Waits for the end of the measured part.
    pub(crate) async fn figures(&mut self) -> Result<LoadFigures, ChildError> {
        let line = self.0.line("it told its figures", MEASURED).await?;
        serde_json::from_str(&line).map_err(|_| self.0.misunderstood(line, "line of figures"))
    }

    /// Ends it. It has to have lived until now and to end well.
    pub(crate) async fn dismiss(self) -> Result<(), ChildError> {
        self.0.dismiss().await
    }

    async fn word(
        &mut self,
        word: &'static str,
        before: &'static str,
        patience: Duration,
    ) -> Result<(), ChildError> {
        let line = self.0.line(before, patience).await?;
        if line == word { Ok(()) } else { Err(self.0.misunderstood(line, word)) }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::limit::rows::ROWS;

    const FIGURES: &str = r#"{"deliveries":12,"lost":0,"duplicated":0,"reordered":0,"publishes":3,
        "connections":4,"requests":7,"bytes":99,"wall_ns":5,"cpu_ns":6,"p50_ns":null,"p99_ns":8,
        "p999_ns":null}"#;

    async fn load(script: &str) -> Result<LoadProgram, ChildError> {
        let url = "http://127.0.0.1:4242/".parse().unwrap();
        let program = Program::shell(script);
        LoadProgram::ready(&program, &ROWS[0].run, &url, &Cores::default()).await
    }

    #[tokio::test]
    async fn it_is_asked_in_the_words_of_its_contract() {
        let error = load("echo \"$*\" >&2; exit 1").await.unwrap_err().to_string();
        let asked = "steady --transport websocket --clients 1000 --rate 40 --burst 1 --seconds 5 \
                     --url http://127.0.0.1:4242/";
        assert!(error.contains(asked), "{error}");
        assert!(error.starts_with("sh ended before it was ready"), "{error}");
    }

    #[tokio::test]
    async fn its_figures_are_read_when_it_was_told_to_go() {
        let figures = FIGURES.replace('\n', "");
        let script =
            format!("echo ready; read go; [ $go = go ] && echo '{figures}'; read end || :");
        let mut load = load(&script).await.unwrap();
        load.go().await.unwrap();
        let figures = load.figures().await.unwrap();
        assert_eq!((figures.deliveries, figures.p50_ns, figures.p99_ns), (12, None, Some(8)));
        load.dismiss().await.unwrap();
    }

    #[tokio::test]
    async fn one_that_fails_in_the_middle_is_told_with_its_own_words() {
        let mut load =
            load("echo ready; read go; echo client 7 was refused >&2; exit 1").await.unwrap();
        load.go().await.unwrap();
        let error = load.figures().await.unwrap_err().to_string();
        assert!(error.starts_with("sh ended before it told its figures"), "{error}");
        assert!(error.contains("client 7 was refused"), "{error}");
    }

    #[tokio::test]
    async fn one_that_ends_before_it_may_go_is_told() {
        let mut load = load("echo ready; echo too early >&2; exit 1").await.unwrap();
        // Whether the word still fits into the pipe is the system's affair.
        let error = match load.go().await {
            Ok(()) => load.figures().await.unwrap_err(),
            Err(error) => error,
        };
        assert!(error.to_string().contains("too early"), "{error}");
    }

    #[tokio::test]
    async fn what_is_no_line_of_figures_is_shown() {
        for said in ["{\"deliveries\":1}", "done"] {
            let mut load =
                load(&format!("echo ready; read go; echo '{said}'; read end")).await.unwrap();
            load.go().await.unwrap();
            let error = load.figures().await.unwrap_err();
            assert_eq!(error.to_string(), format!("sh said {said:?}, which is no line of figures"));
        }
    }

    #[tokio::test]
    async fn a_flood_is_read_when_it_is_published() {
        let figures = FIGURES.replace('\n', "");
        let script = format!(
            "echo ready; read go; echo published; read word; [ $word = read ] && echo '{figures}'; \
             read end || :"
        );
        let mut load = load(&script).await.unwrap();
        load.go().await.unwrap();
        load.published().await.unwrap();
        load.read().await.unwrap();
        assert_eq!(load.figures().await.unwrap().deliveries, 12);
    }
}
