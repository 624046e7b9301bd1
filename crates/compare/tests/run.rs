//! A whole comparison against a hub of forty lines, which is an engine as well, and a client that may cheat.

use std::future::pending;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::{BoxFuture, LocalBoxFuture};
use tidings_compare::{
    Contender, Engine, EngineError, HubUnderTest, Missing, Plan, PlanError, Progress, Report,
    RunError, Running, Server, Warning, run,
};
use tidings_core::Kind;
use tidings_transport::client::{
    Arrival, Arrivals, Client, ClientError, Publisher, Received, Target,
};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast;
use url::Url;

/// Takes publishes over HTTP and tells them to whoever listens in this process.
struct TinyHub {
    address: SocketAddr,
    published: broadcast::Sender<Bytes>,
}

impl TinyHub {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (published, _) = broadcast::channel(4096);
        let telling = published.clone();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(answer(socket, telling.clone()));
            }
        });
        Self { address, published }
    }

    fn url(&self) -> Url {
        format!("http://{}", self.address).parse().unwrap()
    }

    fn plan(&self) -> Plan {
        let url = self.url();
        Plan {
            clients: 5,
            rate: 200.0,
            rounds: 2,
            publishers: 4,
            steady: Duration::from_millis(100),
            burst: Duration::from_millis(100),
            saturation: Duration::from_millis(20),
            patience: Duration::from_millis(100),
            ..Plan::new(HubUnderTest::Url { url, pid: None, options: Arc::default() })
        }
    }

    fn client(&self, name: &'static str, habit: Habit) -> Arc<dyn Client> {
        Arc::new(TinyClient { name, habit, published: self.published.clone() })
    }

    async fn compare(&self, plan: &Plan, habit: Habit) -> Result<Report, RunError> {
        let clients = [self.client("honest", Habit::Honest), self.client("other", habit)];
        run(plan, &clients.map(Contender::hub), &Progress::hidden(), pending()).await
    }

    /// Itself, as an engine that is read directly.
    fn contender(&self, name: &'static str, title: &'static str, server: Server) -> Contender {
        Contender {
            name,
            family: Some("engines"),
            title,
            server,
            client: self.client("direct", Habit::Honest),
            publisher: Publisher::boxed,
            remark: Some("keeps nothing".to_owned()),
        }
    }

    fn engine(&self) -> Arc<dyn Engine> {
        Arc::new(TinyEngine { url: Some(self.url()) })
    }
}

/// Is there, or says how to get it.
#[derive(Clone, Debug)]
struct TinyEngine {
    url: Option<Url>,
}

impl Engine for TinyEngine {
    fn start(&self) -> LocalBoxFuture<'static, Result<Box<dyn Running>, EngineError>> {
        let tiny = self.clone();
        Box::pin(async move {
            match tiny.url {
                Some(_) => Ok(Box::new(tiny) as Box<dyn Running>),
                None => Err("there is no tiny-server in PATH: write one".into()),
            }
        })
    }
}

impl Running for TinyEngine {
    fn url(&self) -> Url {
        self.url.clone().unwrap()
    }

    fn pid(&self) -> Option<u32> {
        Some(std::process::id())
    }

    fn stop(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

async fn answer(socket: TcpStream, published: broadcast::Sender<Bytes>) {
    let mut socket = BufReader::new(socket);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if socket.read_line(&mut line).await.unwrap_or(0) == 0 {
                return;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            if line == "\r\n" {
                break;
            }
        }
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.unwrap();
        let _ = published.send(body.into());
        let answer = "HTTP/1.1 200 OK\r\ncontent-length: 17\r\n\r\n{\"id\":\"aaaaaa-1\"}";
        if socket.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Habit {
    Honest,
    /// Keeps the fortieth to itself.
    Loses,
    /// Tells the fortieth twice.
    Repeats,
    /// Says goodbye in place of the fortieth.
    Leaves,
}

#[derive(Debug)]
struct TinyClient {
    name: &'static str,
    habit: Habit,
    published: broadcast::Sender<Bytes>,
}

impl Client for TinyClient {
    fn transport(&self) -> &'static str {
        self.name
    }

    fn connect(&self, _: Target) -> BoxFuture<'static, Result<Arrivals, ClientError>> {
        let (published, habit) = (self.published.subscribe(), self.habit);
        let arrivals =
            futures::stream::unfold((published, 0), move |(mut published, at)| async move {
                let payload = published.recv().await.ok()?;
                let received = Received { id: None, topic: None, kind: Kind::Text, payload };
                let received = Ok(Arrival::Notification(received));
                let told = match habit {
                    Habit::Loses if at == 40 => vec![],
                    Habit::Repeats if at == 40 => {
                        let Ok(Arrival::Notification(again)) = &received else { unreachable!() };
                        vec![Ok(Arrival::Notification(again.clone())), received]
                    }
                    Habit::Leaves if at == 40 => return None,
                    _ => vec![received],
                };
                Some((told, (published, at + 1)))
            });
        let arrivals = arrivals.flat_map(futures::stream::iter).boxed();
        Box::pin(async { Ok(arrivals) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_honest_transports_are_compared_in_interleaved_rounds() {
    let hub = TinyHub::start().await;
    let report = hub.compare(&hub.plan(), Habit::Honest).await.unwrap();

    assert!(report.is_clean(), "{:?}", report.warnings);
    let order: Vec<(usize, &str)> =
        report.cells.iter().map(|cell| (cell.round, cell.transport.as_str())).collect();
    assert_eq!(order, [(1, "honest"), (1, "other"), (2, "honest"), (2, "other")]);
    for cell in &report.cells {
        assert_eq!((cell.steady.published, cell.steady.deliveries), (20, 100));
        assert_eq!((cell.burst.published, cell.burst.deliveries), (20, 100));
        assert_eq!(cell.saturation.deliveries, cell.saturation.published * 5);
        assert!(cell.steady.latency.is_some() && cell.saturation.latency.is_none());
    }
    let p50 = report.summary.row("steady.p50").unwrap();
    assert!(p50.values.iter().all(|value| value.is_some_and(|spread| spread.n == 2)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transport_that_loses_repeats_or_leaves_is_found_out() {
    let hub = TinyHub::start().await;
    let plan = Plan { rounds: 1, ..hub.plan() };
    for habit in [Habit::Loses, Habit::Repeats, Habit::Leaves] {
        let report = hub.compare(&plan, habit).await.unwrap();
        assert!(!report.is_clean(), "{habit:?}");
        let (honest, other) = (&report.cells[0].integrity, &report.cells[1].integrity);
        assert!(honest.is_clean(), "{habit:?}: {honest:?}");
        match habit {
            Habit::Repeats => assert_eq!((other.lost, other.duplicated), (0, 5)),
            Habit::Leaves => assert_eq!((other.disconnected, other.lost > 5), (5, true)),
            _ => assert_eq!((other.lost, other.duplicated), (5, 0)),
        }
        assert!(report.warnings.iter().any(|doubt| matches!(doubt, Warning::NotClean { .. })));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transport_that_is_not_there_is_named_with_those_that_are() {
    let hub = TinyHub::start().await;
    let plan = Plan { transports: vec!["pigeon".into()], ..hub.plan() };
    let error = hub.compare(&plan, Habit::Honest).await.unwrap_err();
    assert!(matches!(error, RunError::Plan(PlanError::UnknownTransport { .. })));
    assert_eq!(error.to_string(), "there is no transport \"pigeon\"; there are honest, other");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_is_a_row_like_any_other_and_one_that_is_not_there_says_how_to_get_it() {
    let hub = TinyHub::start().await;
    let contenders = [
        Contender::hub(hub.client("honest", Habit::Honest)),
        hub.contender("there", "engines (there)", Server::Engine(hub.engine())),
        hub.contender("away", "engines (away)", Server::Engine(Arc::new(TinyEngine { url: None }))),
    ];
    let report = run(&hub.plan(), &contenders, &Progress::hidden(), pending()).await.unwrap();

    assert!(report.is_clean(), "{:?}", report.warnings);
    assert_eq!(report.summary.transports, ["honest", "engines (there)"]);
    let [ours, engines] = report.summary.row("steady.cpu").unwrap().values[..] else { panic!() };
    assert!(ours.is_none() && engines.is_some_and(|spread| spread.n == 2 && spread.min > 0.0));
    let problem = "there is no tiny-server in PATH: write one".to_owned();
    assert_eq!(report.missing, [Missing { transport: "engines (away)".to_owned(), problem }]);
    let remarked: Vec<_> = report.remarks.iter().map(|remark| remark.transport.as_str()).collect();
    assert_eq!(remarked, ["engines (there)"], "what was not measured needs no remark");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_family_is_chosen_by_its_name_and_nothing_twice() {
    let hub = TinyHub::start().await;
    let contenders = [
        Contender::hub(hub.client("honest", Habit::Honest)),
        hub.contender("one", "engines (one)", Server::Engine(hub.engine())),
        hub.contender("two", "engines (two)", Server::Engine(hub.engine())),
    ];
    let transports = vec!["two".into(), "engines".into()];
    let plan = Plan { rounds: 1, transports, ..hub.plan() };
    let report = run(&plan, &contenders, &Progress::hidden(), pending()).await.unwrap();
    assert_eq!(report.summary.transports, ["engines (two)", "engines (one)"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_nothing_is_there_there_is_no_report() {
    let hub = TinyHub::start().await;
    let away = [hub.contender(
        "away",
        "engines (away)",
        Server::Engine(Arc::new(TinyEngine { url: None })),
    )];
    let error = run(&hub.plan(), &away, &Progress::hidden(), pending()).await.unwrap_err();
    assert!(error.to_string().ends_with("PATH: write one"), "{error}");
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_are_started_over_their_engine_and_both_sides_are_told() {
    let hub = TinyHub::start().await;
    let url = hub.url();
    let script = format!(
        "[ $# = 0 ] || [ \"$*\" = '--broker {url}' ] || exit 3\necho listening on {url}\nexec sleep 600"
    );
    let args = ["-c", &script, "sh"].map(str::to_owned).to_vec();
    let plan = Plan { hub: HubUnderTest::Child { program: "sh".into(), args }, ..hub.plan() };
    let nodes = |nodes, engine| Server::Nodes { nodes, engine };
    let contenders = [
        hub.contender("alone", "engines (alone)", nodes(1, None)),
        hub.contender("pair", "engines (pair)", nodes(2, Some(hub.engine()))),
    ];
    let report = tidings_compare::backplane(&plan, &contenders, &Progress::hidden(), pending())
        .await
        .unwrap();

    assert!(report.is_clean(), "{:?}", report.warnings);
    let row = |key: &str| report.summary.row(key).unwrap().values.clone();
    assert!(row("steady.answer.p50").iter().all(Option::is_some));
    assert!(row("steady.cpu").iter().all(Option::is_some));
    let [alone, pair] = row("steady.engine")[..] else { panic!() };
    assert!(alone.is_none() && pair.is_some());

    let elsewhere = Plan { rounds: 1, ..hub.plan() };
    let error = tidings_compare::backplane(&elsewhere, &contenders, &Progress::hidden(), pending())
        .await
        .unwrap_err();
    assert!(matches!(error, RunError::Plan(PlanError::NotOurs)));
}
