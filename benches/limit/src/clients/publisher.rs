//! The publisher: one keep-alive connection, pipelined.

use std::net::{SocketAddr, TcpStream};

use rustix::fd::OwnedFd;

use crate::clients::answer::Head;
use crate::clients::failure::Failure;
use crate::clients::requests::Requests;
use crate::clients::score::Score;
use crate::clients::socket::{self, Intake};
use crate::clients::stamp::Run;

/// Publishes, either when told to or whenever fewer than a window are unanswered.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) socket: OwnedFd,
    run: Run,
    payload: usize,
    /// What the socket has not taken yet. It holds no more than the run publishes.
    out: Vec<u8>,
    /// What the last read left unused, and what is left of an answer's body.
    carry: Vec<u8>,
    skip: usize,
    sent: u64,
    /// How many publishes of the present part are answered.
    pub(crate) answered: u64,
    /// How many are still to be published as the window allows.
    waiting: u64,
    window: u64,
}

impl Publisher {
    /// Connects, and waits for it: a server that is not there is best told at once.
    pub(crate) fn connect(
        server: SocketAddr,
        run: Run,
        payload: usize,
        window: u64,
    ) -> Result<Self, Failure> {
        let socket = TcpStream::connect(server)
            .and_then(|socket| {
                socket.set_nodelay(true)?;
                socket.set_nonblocking(true)?;
                Ok(socket)
            })
            .map_err(|error| {
                Failure::new(format_args!("no server at http://{server}/: {error}; start it first"))
            })?;
        Ok(Self {
            socket: socket.into(),
            run,
            payload,
            out: Vec::new(),
            carry: Vec::new(),
            skip: 0,
            sent: 0,
            answered: 0,
            waiting: 0,
            window,
        })
    }

    /// Begins to count anew.
    pub(crate) fn begin(&mut self) {
        (self.sent, self.answered) = (0, 0);
    }

    /// Whether all is published and answered.
    pub(crate) fn is_done(&self) -> bool {
        self.waiting == 0 && self.sent == self.answered
    }

    /// Publishes `count` at once, which the schedule meant for `intended`.
    pub(crate) fn burst(
        &mut self,
        count: u64,
        requests: &Requests,
        score: &mut Score,
        intended: u64,
    ) -> Result<(), Failure> {
        self.queue(count, requests, score, intended);
        self.flush()
    }

    /// Publishes `count` as the window allows, from now on.
    pub(crate) fn pipeline(
        &mut self,
        count: u64,
        requests: &Requests,
        score: &mut Score,
        now: u64,
    ) -> Result<(), Failure> {
        self.waiting += count;
        self.top_up(requests, score, now)
    }

    /// Goes on, once the epoll says that the socket does.
    pub(crate) fn attend(
        &mut self,
        intake: &mut Intake,
        requests: &Requests,
        score: &mut Score,
        now: u64,
    ) -> Result<(), Failure> {
        self.flush()?;
        while self.receive(intake)? {}
        self.top_up(requests, score, now)
    }

    fn top_up(&mut self, requests: &Requests, score: &mut Score, now: u64) -> Result<(), Failure> {
        let room = self.window.saturating_sub(self.sent - self.answered);
        let count = room.min(self.waiting);
        self.waiting -= count;
        self.burst(count, requests, score, now)
    }

    fn queue(&mut self, count: u64, requests: &Requests, score: &mut Score, intended: u64) {
        for _ in 0..count {
            let sequence = score.publish(intended);
            requests.publish(&mut self.out, sequence, self.payload);
            self.run.write(&mut self.out, sequence, self.payload);
        }
        self.sent += count;
    }

    fn flush(&mut self) -> Result<(), Failure> {
        if !self.out.is_empty() {
            let taken = socket::write(&self.socket, &self.out).map_err(Failure::to("publish"))?;
            self.out.drain(..taken);
        }
        Ok(())
    }

    /// Reads answers once. Returns whether there may be more.
    fn receive(&mut self, intake: &mut Intake) -> Result<bool, Failure> {
        let received = intake.read(&self.socket, &self.carry);
        let Some(received) = received.map_err(Failure::to("read the answer to a publish"))? else {
            return Ok(false);
        };
        if received.length == 0 {
            return Err(Failure::new("the server closed the connection that publishes"));
        }
        let mut rest = received.bytes;
        loop {
            let skipped = self.skip.min(rest.len());
            self.skip -= skipped;
            rest = &rest[skipped..];
            let Some(head) = Head::read(rest).map_err(Failure::new)? else {
                break;
            };
            if head.status != 200 {
                let status = head.status;
                return Err(Failure::new(format_args!(
                    "the server answered {status} to a publish; try it with curl to see why"
                )));
            }
            self.skip = head.body.unwrap_or_default();
            self.answered += 1;
            rest = &rest[head.length..];
        }
        self.carry.clear();
        self.carry.extend_from_slice(rest);
        Ok(received.full)
    }
}
