//! Runs passes: what is new goes to every client that keeps up.

use std::os::fd::AsFd;

use super::fan_out::Pass;
use super::next::Next;
use super::turn::Lane;

impl Lane {
    /// Serves everything up to the head of the log.
    pub(super) fn run_pass(&mut self) {
        let head = self.status.hub.log().head();
        let mut pass = std::mem::take(&mut self.pass);
        while self.fan_out.pass(self.status.hub.log(), head, &mut self.peers, &mut pass) {
            self.status.position = self.fan_out.position();
            self.send(&mut pass);
            pass.clear();
        }
        self.pass = pass;
    }

    /// Sends what a pass has for its clients.
    fn send(&mut self, pass: &mut Pass) {
        let mut sent = std::mem::take(&mut self.sent);
        let sends = pass.sends.iter().map(|&(key, encoding)| {
            (self.peers[key].socket.as_fd(), &pass.encodings[encoding].bytes[..])
        });
        self.sender.send(sends, |_, result| sent.push(result));
        for (&(key, encoding), result) in pass.sends.iter().zip(sent.drain(..)) {
            let encoding = &mut pass.encodings[encoding];
            let connection = &mut self.peers[key].connection;
            let next = connection.on_sent(&encoding.bytes, result, &self.status);
            encoding.clients += u64::from(!matches!(next, Next::Remove | Next::CutOff));
            if !matches!(next, Next::Idle) {
                self.apply(key, next);
            }
        }
        self.sent = sent;
        for encoding in &pass.encodings {
            let group = self.fan_out.groups.get_mut(encoding.group);
            group.delivered.inc_by(encoding.notifications * encoding.clients);
        }
        for &key in &pass.left_behind {
            self.keep_busy(key);
        }
    }
}
