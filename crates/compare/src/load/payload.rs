//! What is published: a stamp, with the text around it that the plan chooses.
//!
//! Every payload follows from its sequence number, so that all contenders are sent the same bytes.

use std::io::Write;

use super::stamp::Run;
use crate::workload::Payload;

/// The names in ticks and orders.
const SYMBOLS: [&str; 8] = ["ACME", "GLOBX", "INTCO", "UMBR", "HOOLI", "STARK", "WAYNE", "WONKA"];
const STATUSES: [&str; 4] = ["accepted", "packed", "shipped", "delivered"];
const NOTES: [&str; 4] = [
    r#"ring \"Miller\" twice"#,
    r#"leave at the \"back door\""#,
    "call before delivery",
    r#"gift, write \"With love\" on it"#,
];

/// The characters of random text. The mark of a stamp is not among them.
const CHARACTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 -";

/// The time of the first tick and order, in milliseconds since 1970.
const BEGAN: u64 = 1_767_225_600_000;

/// Appends the payload with this sequence number.
pub(crate) fn write(payload: Payload, out: &mut Vec<u8>, run: Run, sequence: u64) {
    let random = &mut Random(sequence);
    let end = out.len() + payload.about();
    match payload {
        Payload::Plain(_) => {
            run.write(out, sequence);
            out.resize(end, b'.');
        }
        Payload::Random => {
            run.write(out, sequence);
            let rest = end - out.len();
            out.extend((0..rest).map(|_| CHARACTERS[random.below(64) as usize]));
        }
        Payload::Ticks => {
            let symbol = random.below(8);
            let (price, spread) = (9_000 + symbol * 1_711 + random.below(90), 1 + random.below(9));
            let time = BEGAN + sequence * 50 + random.below(50);
            out.extend_from_slice(br#"{"id":"eu-west-"#);
            run.write(out, sequence);
            let symbol = SYMBOLS[symbol as usize];
            let (bid, ask) = (cents(price), cents(price + spread));
            append(
                out,
                format_args!(r#"","symbol":"{symbol}","bid":{bid},"ask":{ask},"time":{time}}}"#),
            );
        }
        Payload::Orders => {
            let [number, customer, status, article, quantity, price, note, time] =
                [90_000, 5_000, 4, 60, 5, 9_900, 4, 400].map(|most| random.below(most));
            out.extend_from_slice(br#"{"type":"order.updated","id":"eu-west-"#);
            run.write(out, sequence);
            let (order, customer) = (410_000 + number, 10_000 + customer);
            let status = STATUSES[status as usize];
            append(
                out,
                format_args!(r#"","order":{order},"customer":"c-{customer}","status":"{status}","#),
            );
            let (article, quantity, price) = (4_400 + article, 1 + quantity, 100 + price);
            let total = cents(quantity * price);
            append(
                out,
                format_args!(
                    r#""items":[{{"article":"TX-{article}","quantity":{quantity}}}],"total":{total},"#
                ),
            );
            let (note, time) = (NOTES[note as usize], BEGAN + sequence * 400 + time);
            append(out, format_args!(r#""note":"{note}","time":{time}}}"#));
        }
    }
}

fn append(out: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a vector accepts everything");
}

/// An amount with two decimal places.
fn cents(amount: u64) -> String {
    format!("{}.{:02}", amount / 100, amount % 100)
}

/// Numbers that follow from a sequence number (SplitMix64).
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }
}

#[cfg(test)]
mod tests {
    use flate2::{Compress, Compression, FlushCompress};
    use memchr::memchr_iter;

    use super::super::stamp::{LENGTH, MARK};
    use super::*;

    const REALISTIC: [Payload; 3] = [Payload::Ticks, Payload::Orders, Payload::Random];

    fn written(payload: Payload, sequence: u64) -> Vec<u8> {
        let mut out = Vec::new();
        write(payload, &mut out, Run::new(0x5f0c_93d1), sequence);
        out
    }

    #[test]
    fn every_payload_has_one_mark_which_begins_its_stamp() {
        for payload in REALISTIC.into_iter().chain([Payload::Plain(48)]) {
            for sequence in 0..2_000 {
                let bytes = written(payload, sequence);
                let marks: Vec<usize> = memchr_iter(MARK, &bytes).collect();
                let stamp = bytes.get(marks[0]..marks[0] + LENGTH).unwrap();
                let read = Run::new(0x5f0c_93d1).read(stamp);
                assert_eq!((marks.len(), read), (1, Some(sequence)));
                assert!(bytes.len().abs_diff(payload.about()) <= 24, "{payload}: {}", bytes.len());
                assert!(bytes.len() <= payload.most());
            }
        }
    }

    #[test]
    fn ticks_and_orders_are_json_with_quotes_that_need_escaping() {
        for payload in [Payload::Ticks, Payload::Orders] {
            let all: Vec<Vec<u8>> = (0..50).map(|sequence| written(payload, sequence)).collect();
            for bytes in &all {
                serde_json::from_slice::<serde_json::Value>(bytes).unwrap();
            }
            let has_quote = |bytes: &[u8]| bytes.windows(2).any(|pair| pair == br#"\""#);
            assert_eq!(all.iter().any(|bytes| has_quote(bytes)), payload == Payload::Orders);
        }
    }

    /// Compresses 1,000 SSE events with shared history, which is reset each 100 events. Returns bytes per event, plain
    /// and compressed.
    fn compressed(payload: Payload) -> [f64; 2] {
        let mut stream = Compress::new(Compression::new(6), false);
        let (mut plain, mut bytes) = (0, 0);
        for sequence in 0..1_000 {
            let id = format!("id: 6f1c2a-{sequence}\ndata: ");
            let event = [id.as_bytes(), &written(payload, sequence), b"\n\n"].concat();
            let flush = match sequence % 100 {
                99 => FlushCompress::Full,
                _ => FlushCompress::Sync,
            };
            let mut out = Vec::with_capacity(4 * event.len());
            stream.compress_vec(&event, &mut out, flush).unwrap();
            plain += event.len();
            bytes += out.len();
        }
        [plain, bytes].map(|sum| f64::from(sum as u32) / 1_000.0)
    }

    #[test]
    fn payloads_compress_as_those_of_real_services() {
        let ratios = REALISTIC.map(|payload| {
            let [plain, bytes] = compressed(payload);
            println!("{payload}: {plain} bytes, {bytes} compressed");
            bytes / plain
        });
        let [ticks, orders, random] = ratios;
        assert!((0.2..0.45).contains(&ticks), "{ticks}");
        assert!((0.15..0.3).contains(&orders), "{orders}");
        assert!((0.6..1.0).contains(&random), "{random}");
    }
}
