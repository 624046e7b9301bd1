//! The times of certificates.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rcgen::date_time_ymd;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

use super::*;

#[test]
fn an_expired_certificate_is_used_and_its_times_are_known() {
    let [from, until] = [date_time_ymd(2001, 2, 3), date_time_ymd(2004, 5, 6)];
    let expired =
        Made::of(&["A.example", "*.a.example"], &KeyPair::generate().unwrap(), |params| {
            (params.not_before, params.not_after) = (from, until);
            // As openssl creates it for req -x509.
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        });
    let certificate = expired.certificate();
    assert_eq!(certificate.not_before, SystemTime::from(from));
    assert_eq!(certificate.not_after, SystemTime::from(until));
    assert_eq!(certificate.names, ["a.example", "*.a.example"]);
    assert_eq!(presented(&expired.tls(), client(), "a.example"), expired.chain[0]);

    let until = date_time_ymd(9999, 1, 1);
    let ancient = Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
        (params.not_before, params.not_after) = (date_time_ymd(1970, 1, 1), until);
    });
    let certificate = ancient.certificate();
    assert_eq!(certificate.not_before, SystemTime::UNIX_EPOCH);
    assert_eq!(certificate.not_after, SystemTime::from(until));
}

#[test]
fn a_certificate_expires_soon_in_its_last_14_days_or_its_last_quarter() {
    use files::Validity::{Early, Ending, Expired, Good};

    let day = |day| SystemTime::from(date_time_ymd(2030, 1, day));
    for (first, last, now, expected) in [
        (1, 31, 16, Good),
        (1, 31, 25, Ending),
        (1, 9, 6, Good),
        (1, 9, 8, Ending),
        (5, 9, 4, Early),
        (5, 9, 10, Expired),
    ] {
        let made = Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            params.not_before = date_time_ymd(2030, 1, first);
            params.not_after = date_time_ymd(2030, 1, last);
        });
        let certificate = made.certificate();
        assert_eq!(files::validity(&certificate, day(now)), expected, "{first} {last} {now}");
    }
    let year = Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
        params.not_before = date_time_ymd(2029, 1, 31);
        params.not_after = date_time_ymd(2030, 1, 31);
    });
    assert_eq!(files::validity(&year.certificate(), day(16)), Good);
    assert_eq!(files::validity(&year.certificate(), day(18)), Ending);
}

/// Counts the warnings of this thread.
struct Warnings(Arc<AtomicUsize>);

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Relaxed);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[tokio::test(start_paused = true)]
async fn a_certificate_that_expires_soon_is_logged_once_a_day() {
    let warnings = Arc::new(AtomicUsize::new(0));
    let _subscriber = tracing::subscriber::set_default(Warnings(warnings.clone()));
    let (folder, hour) = (Folder::new(), Duration::from_secs(3600));
    let until = |days: u32| {
        Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            params.not_after = (SystemTime::now() + hour * (days * 24)).into();
        })
    };
    let tls = Tls::from_files(folder.write_pair(&until(13))).unwrap();
    let _watching = tokio::spawn(tls.watch(hour));
    for day in 1..4 {
        assert_eq!(warnings.load(Relaxed), day);
        // From here on the pauses end half an hour after those of the watch.
        let first = if day == 1 { hour / 2 } else { Duration::ZERO };
        tokio::time::sleep(24 * hour + first).await;
    }
    folder.write_pair(&until(300));
    tokio::time::sleep(48 * hour).await;
    assert_eq!(warnings.load(Relaxed), 4);
}

#[test]
fn the_expiry_is_that_of_the_certificate_that_expires_first() {
    let until = |year| {
        Made::of(&["a.example"], &KeyPair::generate().unwrap(), |params| {
            params.not_after = date_time_ymd(year, 5, 6);
        })
    };
    let tls = of(&[&until(2040), &until(2031), &until(2050)]);
    assert_eq!(tls.expiry(), Some(SystemTime::from(date_time_ymd(2031, 5, 6))));
}
