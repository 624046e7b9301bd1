//! The pass of a lane: sends what [`FanOut`](super::fan_out::FanOut) has encoded.
//!
//! ```text
//! encodings ─► Session::seal, with TLS ─► Sender ─► sockets ─► Connection::on_sent ─► Next ─► Lane::apply
//! ```

use std::iter;
use std::os::fd::AsFd;

use super::Lane;
use super::fan_out::{Deliveries, Encoding};
use super::next::Next;

impl Lane {
    /// Sends the clients everything up to the head of the log.
    pub(super) fn run_pass(&mut self) {
        let target = self.status.hub.log().head();
        let mut deliveries = std::mem::take(&mut self.deliveries);
        loop {
            let head = self.status.hub.log().head();
            // After the head is read, so that a client that was disconnected before a publish is not sent it.
            self.end_disconnected();
            let log = self.status.hub.log();
            if !self.fan_out.pass(log, target, head, &mut self.peers, &mut deliveries) {
                break;
            }
            self.status.position = self.fan_out.position();
            self.send(&mut deliveries);
            for &key in &deliveries.catching_up {
                self.keep_busy(key);
            }
            deliveries.clear();
        }
        self.deliveries = deliveries;
    }

    /// Sends the encodings of a pass to their clients, and counts the deliveries.
    fn send(&mut self, deliveries: &mut Deliveries) {
        let Deliveries { encodings, sends, .. } = deliveries;
        if self.has_tls {
            self.send_sealed(sends, encodings);
        } else {
            self.send_each(sends, encodings, iter::repeat(None));
        }
        for encoding in encodings {
            let group = self.fan_out.groups.get_mut(encoding.group);
            group.delivered.inc_by(encoding.notifications * encoding.clients);
        }
    }

    /// Sends each client its records, or the bytes of its encoding if those are `None`, and performs what the
    /// connections return.
    // Compiled once for each kind of lane, because a pass without TLS would need 15 % more instructions otherwise.
    pub(super) fn send_each<'a>(
        &mut self,
        sends: &[(usize, usize)],
        encodings: &mut [Encoding],
        records: impl Iterator<Item = Option<&'a [u8]>> + Clone,
    ) {
        let mut sent = std::mem::take(&mut self.sent);
        let bytes = sends.iter().zip(records.clone()).map(|(&(key, encoding), records)| {
            (self.peers[key].socket.as_fd(), records.unwrap_or(&encodings[encoding].bytes))
        });
        self.sender.send(bytes, |_, result| sent.push(result));
        for ((&(key, encoding), records), result) in sends.iter().zip(records).zip(sent.drain(..)) {
            let encoding = &mut encodings[encoding];
            let connection = &mut self.peers[key].connection;
            let next = match records {
                None => connection.on_sent(&encoding.bytes, result, &self.status),
                Some(records) => connection.on_records_sent(records, result, &self.status),
            };
            encoding.clients += u64::from(!matches!(next, Next::Remove | Next::CutOff));
            match next {
                // Nearly every delivery. The call that would find nothing to drop costs 8 % of a pass.
                Next::Idle => std::mem::forget(next),
                next => self.apply(key, next),
            }
        }
        self.sent = sent;
    }
}
