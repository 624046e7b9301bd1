//! What every broker must do: scenarios that run against real servers of each broker.

mod broker;
mod history;
mod outage;
mod publish;
mod replay;
mod tail;

/// Makes each scenario a test of each broker.
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
        a_repeated_key_returns_the_first_id_and_stores_nothing,
        a_payload_over_the_limit_is_rejected_and_one_at_the_limit_arrives,
        headers_count_towards_the_bytes_that_are_kept,
        publishes_of_two_hubs_have_one_order;
    tail:
        a_tail_delivers_everything_in_order_from_any_start,
        every_byte_and_the_kind_arrive,
        headers_arrive_by_tail_and_by_replay,
        a_notification_with_a_malformed_header_arrives_without_it,
        an_entry_of_another_program_arrives_without_a_notification,
        a_purge_under_a_tail_is_a_jump_of_the_sequence,
        many_and_large_messages_arrive;
    replay:
        single_several_and_overlapping_filters_find_what_matches,
        a_replay_keeps_to_its_budget_and_its_end,
        a_position_that_is_gone_is_reported_with_its_reason;
    history:
        a_deleted_stream_has_a_new_epoch_on_which_two_hubs_agree,
        a_publish_to_a_new_stream_has_an_id_of_the_new_epoch,
        a_sequence_that_went_back_has_a_new_epoch_on_which_two_hubs_agree,
        a_sequence_that_went_back_and_grew_again_is_detected,
        a_key_of_an_earlier_epoch_is_a_new_key,
        an_operator_can_give_a_stream_another_epoch;
    outage:
        a_broker_that_was_killed_is_away_in_bounded_time_and_loses_nothing,
        a_publish_that_failed_is_not_stored_afterwards;
}
