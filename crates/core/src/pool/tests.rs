use super::*;

fn pool(total: usize, transports: &[(&str, usize)]) -> ClientPool {
    let transports = transports.iter().map(|(name, limit)| (name.to_string(), *limit)).collect();
    ClientPool::new(Limits { total, transports, ..Limits::default() }, WakerSet::default())
}

#[test]
fn clients_with_many_filters_share_a_limit_that_does_not_affect_those_with_few() {
    let limits = Limits { filters: 70, ..Limits::default() };
    let pool = ClientPool::new(limits, WakerSet::default());
    let filters = |number: usize| -> Filters {
        let filters: Vec<_> = (0..number).map(|number| format!("a{number}.*")).collect();
        filters.join(",").parse().unwrap()
    };
    let many = pool.join_with("sse", &filters(64)).unwrap();
    let full = JoinError::TooManyFilters { limit: 70 };
    assert_eq!(pool.join_with("sse", &filters(64)).unwrap_err(), full);
    let _some = pool.join_with("sse", &filters(14)).unwrap();
    assert_eq!(pool.join_with("sse", &filters(5)).unwrap_err(), full);
    let few: Vec<_> = (0..100).map(|_| pool.join_with("sse", &filters(4)).unwrap()).collect();
    drop(many);
    assert!(pool.join_with("sse", &filters(64)).is_ok());
    drop(few);
}

#[test]
fn a_transport_can_be_full_while_others_have_seats() {
    let pool = pool(3, &[("sse", 1)]);
    let _sse = pool.join("sse").unwrap();
    assert_eq!(pool.join("sse").unwrap_err(), JoinError::Full { limit: 1 });
    let _one = pool.join("websocket").unwrap();
    let _two = pool.join("websocket").unwrap();
    assert_eq!(pool.join("websocket").unwrap_err(), JoinError::Full { limit: 3 });
    assert_eq!(pool.counts(), [("sse", 1), ("websocket", 2)]);
}

#[test]
fn many_threads_never_take_more_seats_than_the_limit() {
    let pool = pool(50, &[]);
    let taken = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                let seats: Vec<_> = (0..20).filter_map(|_| pool.join("sse").ok()).collect();
                taken.fetch_add(seats.len(), std::sync::atomic::Ordering::Relaxed);
                assert!(pool.len() <= 50);
                std::mem::forget(seats);
            });
        }
    });
    assert_eq!((taken.into_inner(), pool.len()), (50, 50));
}

#[test]
fn a_session_value_lives_as_long_as_its_seat() {
    let pool = pool(2, &[]);
    let mut seat = pool.join("websocket").unwrap();
    let mut other = pool.join("websocket").unwrap();
    seat.set_session(Arc::new(User("ann")));
    other.set_session(Arc::new(()));
    assert_eq!(seat.session::<User>().as_deref(), Some(&User("ann")));
    assert!(seat.session::<()>().is_none() && other.session::<()>().is_some());
    assert_eq!(pool.sessions::<User>().len(), 1);
    drop(seat);
    assert!(pool.sessions::<User>().is_empty());
}

#[derive(Debug, PartialEq)]
struct User(&'static str);

impl Session for User {}

#[test]
fn a_disconnect_ends_each_selected_session_once() {
    let pool = pool(3, &[]);
    let seats = ["ann", "bob", "ann"].map(|name| {
        let mut seat = pool.join("websocket").unwrap();
        seat.set_session(Arc::new(User(name)));
        seat
    });
    assert_eq!(pool.disconnect(|user: &User| user.0 == "eve"), 0);
    assert_eq!((pool.disconnect(|_: &()| true), pool.disconnects()), (0, 0));
    assert_eq!(pool.disconnect(|user: &User| user.0 == "ann"), 2);
    assert_eq!(pool.disconnect(|user: &User| user.0 == "ann"), 0);
    assert_eq!(pool.disconnects(), 1);
    assert_eq!(seats.each_ref().map(Seat::is_expired), [true, false, true]);
}

#[test]
fn a_closed_pool_accepts_no_clients_and_keeps_its_first_reason() {
    let pool = pool(2, &[]);
    pool.close(Reason::GoingAway);
    pool.close(Reason::Internal);
    assert_eq!(pool.join("sse").unwrap_err(), JoinError::Closed(Reason::GoingAway));
}

#[test]
fn a_seat_is_small_and_keeps_the_pool_alive() {
    assert_eq!(size_of::<Seat>(), 32, "each client has one");
    let pool = pool(2, &[]);
    let state = Arc::downgrade(&pool.0);
    let seats = ["sse", "websocket"].map(|transport| pool.join(transport).unwrap());
    drop((pool, seats[0].info()));
    assert!(state.upgrade().is_some());
    drop(seats);
    assert!(state.upgrade().is_none());
}

#[test]
fn a_seat_can_be_taken_after_all_of_its_transport_were_freed() {
    let pool = pool(1, &[("sse", 1)]);
    for _ in 0..3 {
        let seat = pool.join("sse").unwrap();
        assert_eq!((seat.transport(), pool.counts()), ("sse", vec![("sse", 1)]));
        drop(seat);
        assert_eq!(pool.counts(), [("sse", 0)]);
    }
}
