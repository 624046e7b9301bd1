//! What every broker must do, as scenarios that run against real servers of each broker.

mod broker;
mod history;
mod outage;
mod publish;
mod replay;
mod tail;

/// Each scenario as a test of each broker.
macro_rules! contract {
    ($($room:ident: $($scenario:ident),+;)+) => {
        mod nats {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$room::$scenario(crate::broker::LocalBroker::nats().await).await;
            })+)+
        }
        mod redis {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $scenario() {
                super::$room::$scenario(crate::broker::LocalBroker::redis().await).await;
            })+)+
        }
    };
}

contract! {
    publish:
        ids_are_contiguous_from_one,
        a_repeated_key_has_the_first_ones_id_and_stores_nothing,
        a_payload_beyond_the_limit_is_refused_and_one_at_the_limit_arrives,
        headers_count_among_the_bytes_that_are_kept,
        publishes_of_two_nodes_have_one_order;
    tail:
        a_tail_delivers_everything_in_order_from_any_start,
        every_byte_arrives_and_so_does_the_kind,
        headers_arrive_by_tail_and_by_replay_and_what_has_none_has_none,
        a_malformed_header_does_not_cost_the_notification,
        what_somebody_else_wrote_is_passed_over_with_its_place,
        what_was_purged_under_a_tail_is_a_jump,
        many_and_large_messages_arrive;
    replay:
        filters_single_several_and_overlapping_find_what_matches,
        a_replay_keeps_to_its_budget_and_its_end,
        a_position_that_is_gone_is_told_with_its_reason;
    history:
        a_stream_that_was_deleted_has_a_new_epoch_which_two_nodes_agree_on,
        a_publish_into_a_new_stream_has_no_id_of_the_old_one,
        a_sequence_that_went_back_has_a_new_epoch_which_two_nodes_agree_on,
        a_sequence_that_went_back_and_grew_again_is_noticed,
        a_key_of_a_history_that_has_ended_is_a_new_one,
        an_epoch_that_an_operator_writes_is_another_history_of_the_same_stream;
    outage:
        a_stopped_broker_is_away_in_bounded_time_and_comes_back_with_nothing_lost,
        a_publish_that_failed_is_not_stored_afterwards;
}
