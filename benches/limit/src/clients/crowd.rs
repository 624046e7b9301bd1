//! The crowd: all clients, each by its index.

use std::ops::Range;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;

use crate::clients::client::{self, Client, Stage};
use crate::clients::clock::Clock;
use crate::clients::failure::Failure;
use crate::clients::inbox::{Gone, Inbox};
use crate::clients::order::Order;
use crate::clients::requests::{Requests, Transport};
use crate::clients::score::Score;
use crate::clients::socket::{Intake, Route};
use crate::clients::stamp::Run;

/// Edge-triggered: a socket that was read to its end is not looked at again before more comes.
pub(crate) const INTEREST: EventFlags = EventFlags::IN.union(EventFlags::OUT).union(EventFlags::ET);

/// All clients.
#[derive(Debug)]
pub(crate) struct Crowd {
    pub(crate) requests: Requests,
    /// Whether clients ask as soon as they are connected.
    pub(crate) eager: bool,
    clients: Vec<Client>,
    /// How many there will be.
    planned: usize,
    /// The publishes of the present part of the run.
    range: Range<u64>,
    route: Route,
    run: Run,
    receive_buffer: Option<usize>,
    /// What one client says in return to one read.
    reply: Vec<u8>,
    /// How many connects have succeeded, how many clients receive, and how many are lost.
    pub(crate) connected: usize,
    pub(crate) ready: usize,
    pub(crate) gone: usize,
    /// Why the first one was lost.
    pub(crate) reason: Option<Gone>,
    /// What clients received and how often they asked, in the present part of the run.
    pub(crate) bytes: u64,
    pub(crate) asked: u64,
}

impl Crowd {
    pub(crate) fn new(
        requests: Requests,
        planned: usize,
        route: Route,
        run: Run,
        receive_buffer: Option<usize>,
    ) -> Self {
        Self {
            requests,
            eager: true,
            clients: Vec::with_capacity(planned),
            planned,
            range: 0..0,
            route,
            run,
            receive_buffer,
            reply: Vec::new(),
            connected: 0,
            ready: 0,
            gone: 0,
            reason: None,
            bytes: 0,
            asked: 0,
        }
    }

    /// How many clients there are, in whatever stage.
    pub(crate) fn size(&self) -> usize {
        self.clients.len()
    }

    /// Has one more client connect.
    pub(crate) fn open(&mut self, epoll: &OwnedFd) -> Result<(), Failure> {
        let index = self.clients.len();
        let socket = self.route.connect(index, self.receive_buffer);
        let socket = socket.map_err(|error| {
            Failure::new(format_args!(
                "cannot connect client {index}: {error}; try fewer --clients"
            ))
        })?;
        epoll::add(epoll, &socket, EventData::new_u64(index as u64), INTEREST)
            .map_err(Failure::to("wait for a client"))?;
        self.clients.push(Client::new(socket, self.requests.transport, self.order(index)));
        Ok(())
    }

    /// Begins a part of the run, in which these publishes are due to everyone, also to those who are still to come.
    /// Counts anew.
    pub(crate) fn begin(&mut self, range: Range<u64>, score: &mut Score) {
        self.range = range;
        for index in 0..self.clients.len() {
            self.clients[index].order = self.order(index);
        }
        score.begin((0..self.planned).map(|index| self.order(index).due()).sum());
        (self.bytes, self.asked) = (0, 0);
    }

    /// What is due to a client: what goes to its topic.
    fn order(&self, index: usize) -> Order {
        let (topics, start) = (self.requests.topics, self.range.start);
        let first = start + (index as u64 % topics + topics - start % topics) % topics;
        Order::new(first..self.range.end, topics)
    }

    /// Has everyone ask who is connected.
    pub(crate) fn ask_all(&mut self, score: &mut Score) {
        for index in 0..self.clients.len() {
            if self.clients[index].stage == Stage::Connected
                && let Err(gone) = self.ask(index)
            {
                self.lose(index, gone, score);
            }
        }
    }

    /// Leaves what clients receive in their sockets.
    pub(crate) fn look_away(&self, epoll: &OwnedFd) -> Result<(), Failure> {
        let mut clients = self.clients.iter();
        clients
            .try_for_each(|client| epoll::delete(epoll, &client.socket))
            .map_err(Failure::to("stop reading"))
    }

    /// Reads again what clients receive; what came meanwhile is told at once.
    pub(crate) fn look_back(&self, epoll: &OwnedFd) -> Result<(), Failure> {
        (0..)
            .zip(&self.clients)
            .try_for_each(|(index, client)| {
                epoll::add(epoll, &client.socket, EventData::new_u64(index), INTEREST)
            })
            .map_err(Failure::to("read again"))
    }

    /// Goes on with a client, once the epoll says that its socket does.
    pub(crate) fn attend(
        &mut self,
        index: usize,
        intake: &mut Intake,
        score: &mut Score,
        clock: Clock,
    ) {
        let going = match self.clients[index].stage {
            Stage::Gone => Ok(()),
            Stage::Connecting => self.connected(index),
            _ => self.receive(index, intake, score, clock),
        };
        if let Err(gone) = going {
            self.lose(index, gone, score);
        }
    }

    fn connected(&mut self, index: usize) -> Result<(), Gone> {
        self.clients[index].connected()?;
        self.connected += 1;
        if self.eager { self.ask(index) } else { Ok(()) }
    }

    fn ask(&mut self, index: usize) -> Result<(), Gone> {
        self.requests.subscribe(&mut self.reply, index);
        self.clients[index].stage = Stage::Asked;
        self.asked += 1;
        self.reply(index)
    }

    fn receive(
        &mut self,
        index: usize,
        intake: &mut Intake,
        score: &mut Score,
        clock: Clock,
    ) -> Result<(), Gone> {
        loop {
            let client = &mut self.clients[index];
            let before = client.stage;
            let (run, requests, reply) = (self.run, &self.requests, &mut self.reply);
            let (length, more) = client::receive(client, intake, |order| Inbox {
                run,
                requests,
                index,
                order,
                score,
                now: clock.now(),
                reply,
            })?;
            self.bytes += length as u64;
            self.ready += usize::from(self.clients[index].stage != before);
            if !self.reply.is_empty() {
                // One read brings one answer at most, so what a long-polling client says is one poll.
                self.asked += u64::from(self.requests.transport == Transport::LongPolling);
                self.reply(index)?;
            }
            if !more {
                return Ok(());
            }
        }
    }

    fn reply(&mut self, index: usize) -> Result<(), Gone> {
        let said = self.clients[index].say(&self.reply);
        self.reply.clear();
        said
    }

    /// A lost client is due nothing that could still come; it counts as lost.
    fn lose(&mut self, index: usize, gone: Gone, score: &mut Score) {
        let client = &mut self.clients[index];
        self.ready -= usize::from(client.stage == Stage::Ready);
        client.stage = Stage::Gone;
        score.due -= client.order.due();
        self.gone += 1;
        self.reason.get_or_insert(gone);
        self.reply.clear();
    }
}
