//! What joins a lane to the rest of its worker.

use std::io;
use std::net::TcpListener;
use std::rc::{Rc, Weak};

use tokio::net::TcpStream;
use tokio_util::task::TaskTracker;

use super::{Epoll, Lane, Manners, Reception, Sender};
use crate::shared::{Context, Shared};
use crate::{connection, head, routes};

/// Makes the lane with this number, which accepts from the listener. What is not for it goes to hyper.
///
/// # Errors
/// If the system has no epoll for it.
pub(crate) fn start(
    listener: TcpListener,
    shared: Shared,
    number: usize,
    tasks: TaskTracker,
) -> io::Result<(Rc<Context>, Lane)> {
    let mut listener = mio::net::TcpListener::from_std(listener);
    let epoll = Epoll::new()?;
    epoll.watch_listener(&mut listener)?;
    let context = Rc::new_cyclic(|context: &Weak<Context>| {
        let reception = reception(listener, &shared, number, context.clone());
        let lane = make(&shared, reception, epoll);
        Context { shared, lane: Some(lane), tasks }
    });
    let lane = context.lane.clone().ok_or(io::ErrorKind::Unsupported)?;
    Ok((context, lane))
}

fn reception(
    listener: mio::net::TcpListener,
    shared: &Shared,
    lane: usize,
    context: Weak<Context>,
) -> Reception {
    let (answering, full) = (shared.clone(), shared.clone());
    Reception {
        listener: Some(listener),
        has_early_ones: true,
        connections: shared.connections.clone(),
        neighbours: shared.neighbours.clone(),
        lane,
        answer: Box::new(move |request, body| routes::answer(request, body, &answering)),
        no_room: Box::new(move || routes::no_room(&full)),
        hand_over: Box::new(move |socket, connected, early| {
            let Some(context) = context.upgrade() else { return };
            match TcpStream::from_std(socket) {
                Ok(socket) => connection::start(socket, connected, early, &context),
                Err(error) => context.shared.metrics.unserved.add(error),
            }
        }),
    }
}

fn make(shared: &Shared, reception: Reception, epoll: Epoll) -> Lane {
    let config = &shared.config;
    let manners = Manners {
        write_deadline: config.write_deadline,
        idle_timeout: config.idle_timeout,
        keep_alive: head::keep_alive(config.idle_timeout),
        max_head: config.max_head,
        drain: config.drain,
    };
    let sender = Sender::new(config.io_uring);
    Lane::new(config.hub.clone(), manners, shared.metrics.clone(), reception, epoll, sender)
}
