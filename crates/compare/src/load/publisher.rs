//! The publishers: connections with one notification in flight each.

use std::collections::VecDeque;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustix::fd::OwnedFd;

use super::crowd::Crowd;
use super::failure::Failure;
use super::inbox::Gone;
use super::score::Score;
use super::socket::{self, Intake};
use super::stamp::Run;
use super::wire::http::Head;
use super::wire::nats::Nats;
use super::wire::redis;
use crate::protocol::Transport;

/// How long a publisher waits for its connection.
const CONNECT: Duration = Duration::from_secs(10);

/// All publishers, and what they are to publish.
#[derive(Debug)]
pub(crate) struct Publishers {
    all: Vec<Publisher>,
    idle: VecDeque<u16>,
    /// When each notification that no publisher has taken yet was intended.
    due: VecDeque<u64>,
    /// Whether a publisher waits until every client has its notification.
    wait_for_delivery: bool,
    run: Run,
    payload: usize,
}

/// One connection.
#[derive(Debug)]
struct Publisher {
    socket: OwnedFd,
    /// How many responses to its first requests have not come yet.
    beginning: usize,
    in_flight: Option<InFlight>,
    /// What the socket has not taken yet.
    out: Vec<u8>,
    /// What the last read left unused, and what is left of the body of a response.
    carry: Vec<u8>,
    skip: usize,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    sequence: u64,
    is_answered: bool,
    is_delivered: bool,
}

impl Publishers {
    /// Connects them. They are ready once the server has answered what each of them sends first.
    ///
    /// # Errors
    /// If nothing listens at the address.
    pub(crate) fn connect(
        crowd: &Crowd,
        run: Run,
        count: usize,
        payload: usize,
    ) -> Result<Self, Failure> {
        let mut all = Vec::with_capacity(count);
        for index in 0..count as u16 {
            let mut publisher = Publisher::connect(crowd.requests.server(0))?;
            let mut first = Vec::new();
            publisher.beginning = crowd.requests.begin_publishing(&mut first, index);
            publisher.send(&first)?;
            all.push(publisher);
        }
        let idle = (0..count as u16).collect();
        let due = VecDeque::new();
        Ok(Self { all, idle, due, wait_for_delivery: false, run, payload })
    }

    /// Returns their sockets, each with its index.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (u64, &OwnedFd)> {
        (0..).zip(self.all.iter().map(|publisher| &publisher.socket))
    }

    /// Returns `true` once each has its first response.
    pub(crate) fn is_ready(&self) -> bool {
        self.all.iter().all(|publisher| publisher.beginning == 0)
    }

    /// Returns `true` if everything is published and answered.
    pub(crate) fn is_done(&self) -> bool {
        self.due.is_empty() && self.idle.len() == self.all.len()
    }

    /// Begins a stage.
    pub(crate) fn begin(&mut self, wait_for_delivery: bool) {
        self.wait_for_delivery = wait_for_delivery;
    }

    /// Publishes a notification that is intended for `intended`, as soon as a publisher is idle.
    pub(crate) fn publish(
        &mut self,
        intended: u64,
        crowd: &Crowd,
        score: &mut Score,
        now: u64,
    ) -> Result<(), Failure> {
        self.due.push_back(intended);
        self.publish_due(crowd, score, now)
    }

    /// Publishes one notification with each publisher that is idle.
    pub(crate) fn publish_all(
        &mut self,
        crowd: &Crowd,
        score: &mut Score,
        now: u64,
    ) -> Result<(), Failure> {
        (0..self.idle.len()).try_for_each(|_| self.publish(now, crowd, score, now))
    }

    /// Returns how many publishers are idle.
    pub(crate) fn idle(&self) -> usize {
        self.idle.len()
    }

    /// Continues with a publisher whose socket is readable or writable.
    pub(crate) fn attend(
        &mut self,
        index: u16,
        intake: &mut Intake,
        crowd: &Crowd,
        score: &mut Score,
        now: u64,
    ) -> Result<(), Failure> {
        let publisher = &mut self.all[usize::from(index)];
        publisher.flush()?;
        loop {
            let (answers, more) = publisher.receive(intake, crowd.requests.transport)?;
            for _ in 0..answers {
                publisher.answered(score, now);
            }
            if !more {
                break;
            }
        }
        self.release(index);
        self.publish_due(crowd, score, now)
    }

    /// Takes note of what every client has received by now.
    pub(crate) fn take_complete(
        &mut self,
        crowd: &Crowd,
        score: &mut Score,
        now: u64,
    ) -> Result<(), Failure> {
        while let Some(index) = score.complete.pop() {
            if let Some(in_flight) = &mut self.all[usize::from(index)].in_flight {
                in_flight.is_delivered = true;
            }
            self.release(index);
        }
        self.publish_due(crowd, score, now)
    }

    /// Makes a publisher idle if nothing of it is in flight any more.
    fn release(&mut self, index: u16) {
        let in_flight = &mut self.all[usize::from(index)].in_flight;
        let waits = self.wait_for_delivery;
        if in_flight.is_some_and(|one| one.is_answered && (one.is_delivered || !waits)) {
            *in_flight = None;
            self.idle.push_back(index);
        }
    }

    /// Stops waiting for deliveries that did not come in time. Returns `false` if publishes are still unanswered.
    pub(crate) fn give_up(&mut self) -> bool {
        self.wait_for_delivery = false;
        (0..self.all.len() as u16).for_each(|index| self.release(index));
        self.is_done()
    }

    fn publish_due(&mut self, crowd: &Crowd, score: &mut Score, now: u64) -> Result<(), Failure> {
        while let Some(&intended) = self.due.front()
            && let Some(index) = self.idle.pop_front()
        {
            self.due.pop_front();
            score.late.saturating_record(now.saturating_sub(intended));
            let (expected, live) = crowd.audience(score.next());
            let sequence = score.publish(intended, index, expected, live);
            let publisher = &mut self.all[usize::from(index)];
            let out = &mut publisher.out;
            let end = crowd.requests.publish(out, index, sequence, self.payload);
            self.run.write(out, sequence, self.payload);
            out.extend_from_slice(end);
            let is_answered = !crowd.requests.transport.answers_publishes();
            publisher.in_flight = Some(InFlight { sequence, is_answered, is_delivered: false });
            publisher.flush()?;
            self.release(index);
        }
        Ok(())
    }
}

impl Publisher {
    /// Waits for the connection, so that a missing server is reported at once.
    fn connect(server: SocketAddr) -> Result<Self, Failure> {
        let socket = TcpStream::connect_timeout(&server, CONNECT)
            .and_then(|socket| {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .map_err(|error| Failure::new(format_args!("no server at {server}: {error}")))?;
        Ok(Self {
            socket: socket.into(),
            beginning: 0,
            in_flight: None,
            out: Vec::new(),
            carry: Vec::new(),
            skip: 0,
        })
    }

    fn answered(&mut self, score: &mut Score, now: u64) {
        if self.beginning > 0 {
            self.beginning -= 1;
        } else if let Some(in_flight) = &mut self.in_flight {
            in_flight.is_answered = true;
            let intended = score.intended(in_flight.sequence);
            score.answered.saturating_record(now.saturating_sub(intended));
        }
    }

    fn send(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.out.extend_from_slice(bytes);
        self.flush()
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if !self.out.is_empty() {
            let taken = socket::write(&self.socket, &self.out).map_err(Failure::to("publish"))?;
            self.out.drain(..taken);
        }
        Ok(())
    }

    /// Reads once. Returns how many responses came, and whether there may be more to read.
    fn receive(
        &mut self,
        intake: &mut Intake,
        transport: Transport,
    ) -> Result<(usize, bool), Failure> {
        let received = intake.read(&self.socket, &self.carry);
        let received = received.map_err(Failure::to("read the response to a publish"))?;
        let Some(received) = received else {
            return Ok((0, false));
        };
        if received.length == 0 {
            return Err(Failure::new("the server closed the connection of a publisher"));
        }
        let input = received.bytes;
        let taken = match transport {
            Transport::Nats | Transport::JetStream => Nats::take_answers(input, &mut self.out),
            Transport::Redis => redis::take_answers(input),
            _ => self.take_responses(input),
        };
        let rejected = |gone: Gone| Failure::new(format_args!("cannot publish: {gone}"));
        let (used, answers) = taken.map_err(rejected)?;
        self.carry.clear();
        self.carry.extend_from_slice(&input[used..]);
        let more = received.full;
        self.flush()?;
        Ok((answers, more))
    }

    /// Reads responses of HTTP. Returns how many bytes it used and how many heads there were.
    fn take_responses(&mut self, input: &[u8]) -> Result<(usize, usize), Gone> {
        let (mut at, mut answers) = (0, 0);
        loop {
            let skipped = self.skip.min(input.len() - at);
            self.skip -= skipped;
            at += skipped;
            let Some(head) = Head::read(&input[at..]).map_err(Gone::Invalid)? else {
                return Ok((at, answers));
            };
            if head.status != 200 {
                return Err(Gone::Rejected(head.status));
            }
            self.skip = head.body.unwrap_or_default();
            answers += 1;
            at += head.length;
        }
    }
}
