"""The table of faults: what may go wrong around a request, what then holds, and the tests that say so."""

import ast
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import attrs
import pytest

TESTS = Path(__file__).parent

PROVIDERS, GATEWAY, MEASURING = "issue 5, providers and kit", "issue 6, the gateway", "issue 7, ledger and batch"


@attrs.frozen
class Fault:
    """A row: what goes wrong, what then holds, the tests of that as `file: test test …`, and what is due later, by owner."""

    what: str
    holds: str
    tests: tuple[str, ...] = ()
    later: Mapping[str, str] = attrs.field(factory=dict)


FAULTS: dict[int, Fault] = {
    # ---- upstream and network ----
    1: Fault(
        "nobody listens",
        "the next is asked at once, for nothing, and the breaker counts it",
        (
            "faults_network: where_nobody_listens_the_next_is_asked_at_once_for_nothing",
            "http: a_refused_connection_was_certainly_not_sent",
        ),
    ),
    2: Fault(
        "the request is taken and no answer comes",
        "the time-out ends it, it may be charged, only a fallback that lists time-outs goes on, the connection is closed",
        (
            "faults_network: one_that_takes_the_request_and_is_silent_may_have_run_it"
            " only_a_fallback_that_lists_timeout_goes_on_after_silence",
            "http: a_server_that_takes_the_request_and_is_silent_may_have_begun a_time_out_closes_the_connection",
        ),
    ),
    3: Fault(
        "a stream stalls",
        "who heard a part gets an error, who did not gets the next one's answer; usage is estimated",
        (
            "faults_network: a_stream_that_stalls_is_broken_for_who_heard_it_and_made_up_for_otherwise",
            "http: silence_in_the_middle_of_a_stream_is_bounded",
        ),
    ),
    4: Fault(
        "a byte now and then, for ever",
        "the deadline of the whole ends it",
        (
            "faults_network: a_dribble_ends_with_the_deadline_of_the_flow",
            "http: a_dribble_is_never_idle_but_the_bound_on_the_whole_wins",
        ),
    ),
    5: Fault(
        "the connection is reset once the request is out",
        "it may have run, so it is not sent again",
        (
            "faults_network: a_connection_that_breaks_once_the_request_is_out_is_not_sent_again",
            "http: a_connection_lost_before_the_answer_is_not_sent_again",
        ),
    ),
    6: Fault(
        "a stream ends without saying that the answer is complete",
        "an error, no success, and nothing for the cache",
        (
            "faults_network: a_stream_without_its_end_is_no_success_and_is_not_kept",
            "provider_openai_compatible: a_stream_that_goes_wrong_is_never_an_answer",
            "provider_anthropic: a_stream_that_goes_wrong_is_never_an_answer",
        ),
    ),
    7: Fault(
        "server-sent events in odd forms: line ends, comments, marks, characters cut in two, a megabyte in a line",
        "they are read, or end in an error that says so",
        (
            "faults_network: events_in_every_form_that_servers_write_are_one_answer",
            "sse: however_a_stream_is_cut_the_events_are_the_same a_line_of_a_megabyte_is_read"
            " an_event_over_the_limit_is_an_error",
        ),
    ),
    8: Fault(
        "a success that is none: broken JSON, a web page, nothing",
        "an error of class `protocol`, which moves on and counts for the breaker",
        (
            "faults_network: a_success_that_is_none_goes_to_the_next servers_that_send_no_answer_of_their_api_open_the_breaker",
            "provider_openai_compatible: each_fault_has_its_class odd_bodies_are_protocol_errors",
            "executor: the_next_member_of_a_tier_answers_where_it_may_do_better",
        ),
    ),
    9: Fault(
        "an error inside of a success, or of a stream",
        "an error of its own class",
        (
            "faults_network: a_success_that_is_none_goes_to_the_next",
            "provider_openai_compatible: each_fault_has_its_class a_stream_that_goes_wrong_is_never_an_answer",
            "provider_anthropic: each_fault_has_its_class",
        ),
    ),
    10: Fault(
        "429 with a time to wait in any form, or in none that can be",
        "waited for up to the deadline, else the next is asked",
        (
            "faults_network: retry_after_in_any_form_is_waited_for_or_left_and_never_past_the_deadline"
            " a_wait_that_passes_the_deadline_moves_on_at_once",
            "http: retry_after_is_read_in_every_form a_date_beyond_every_calendar_is_no_time_to_wait",
            "executor: retry_after_is_honoured_unless_it_is_absurd",
            "pauses: a_model_that_asked_for_a_pause_is_left_alone_by_other_requests_until_it_is_over"
            " a_pause_of_days_is_not_meant",
        ),
        {GATEWAY: "one pause for all processes"},
    ),
    11: Fault(
        "a burst of 5xx",
        "retries add a fifth to what the upstream gets, and no more",
        (
            "faults_network: a_burst_of_failures_is_not_multiplied",
            "breaker: an_outage_is_not_multiplied_by_retries retries_are_a_fifth_of_the_first_tries_of_late",
        ),
    ),
    12: Fault(
        "the provider refuses the key",
        "one try, no key in the message",
        (
            "faults_network: a_refused_key_is_tried_once_and_not_shown",
            "breaker: failures_of_the_request_or_the_key_open_no_breaker",
            "provider_openai_compatible: an_echoed_key_is_masked",
        ),
        {GATEWAY: "502 for the caller, not 401"},
    ),
    13: Fault(
        "the text is too long for the model",
        "not tried again there, and answered by a longer one where the flow says so",
        (
            "faults_network: a_text_too_long_for_one_model_goes_to_a_longer_one_and_is_not_tried_twice",
            "provider_anthropic: a_prompt_that_is_too_long_is_a_context_overflow",
        ),
    ),
    14: Fault(
        "a filter, a refusal, nothing, or only calls of tools",
        "each has its type, and a fallback can route by it",
        (
            "faults_network: what_is_no_plain_answer_has_a_type",
            "provider_openai_compatible: a_refusal_is_a_filtered_answer an_answer_that_a_filter_kept_back_is_an_error"
            " tool_calls_are_read",
        ),
    ),
    15: Fault(
        "usage is missing or cannot be",
        "it is estimated and said to be; no cost is negative",
        (
            "faults_network: usage_that_cannot_be_is_estimated_said_to_be_and_never_negative",
            "provider_openai_compatible: usage_that_cannot_be_true_is_missing counts_are_disjoint",
            "provider_anthropic: usage_that_cannot_be_true_is_missing",
            "executor: usage_that_is_missing_or_cannot_be_is_estimated_and_says_so",
        ),
    ),
    16: Fault(
        "another model answers than was asked",
        "it is recorded and shown",
        (
            "executor: the_model_that_the_provider_says_answered_is_recorded",
            "report: a_trace_has_a_line_for_whatever_happened",
        ),
        {PROVIDERS: "the price of the model that answered, from the catalogue"},
    ),
    17: Fault(
        "a compressed bomb, a body or headers without an end",
        "cut at the cap with flat memory, and the next is asked",
        (
            "faults_network: an_answer_without_an_end_is_cut_and_the_next_is_asked",
            "http: a_body_is_cut_at_the_cap_and_memory_stays_flat a_stream_is_cut_at_its_cap an_event_is_cut_at_its_cap"
            " what_is_not_proper_http_is_a_protocol_error",
        ),
    ),
    18: Fault(
        "a redirect to somewhere else",
        "not followed: no key goes there",
        (
            "faults_network: a_redirect_to_another_address_takes_no_key_there",
            "http: a_redirect_is_not_followed",
            "reach: no_spelling_of_such_an_address_is_reached",
        ),
    ),
    19: Fault(
        "a name server that does not know, does not answer, or leads to where no provider is",
        "bounded by the time to connect, with the loop free; each address is looked at once it is known",
        (
            "faults_network: a_slow_name_server_holds_nobody_else_and_is_bounded",
            "http: a_name_that_does_not_resolve_is_a_connect_error",
            "reach: a_name_that_leads_there_is_refused a_name_that_changes_its_address_is_looked_at_again",
        ),
    ),
    20: Fault(
        "a certificate that nobody trusts",
        "refused, in clear words",
        ("http: a_certificate_that_nobody_trusts_is_refused https_where_the_server_speaks_http_is_a_clear_error",),
    ),
    21: Fault(
        "a kept connection is closed between requests, or under one",
        "a new one is opened, and no request goes out twice",
        (
            "faults_network: a_kept_connection_that_the_server_closed_loses_no_request_and_doubles_none",
            "http: a_kept_connection_that_fails_is_not_used_for_a_silent_second_try"
            " a_connection_closed_between_calls_is_replaced",
        ),
    ),
    22: Fault(
        "one endpoint becomes ten times slower",
        "traffic leaves it within some calls, and comes back",
        (
            "faults_network: traffic_leaves_an_endpoint_that_became_slow_and_comes_back_to_one_that_recovered",
            "health: old_answers_are_forgotten_so_that_a_slow_model_gets_another_chance",
            "breaker: of_calls_that_come_together_after_the_cooling_one_is_the_probe",
        ),
    ),
    23: Fault(
        "all endpoints are down",
        "the last is never passed over, and they do not come back as a herd",
        (
            "breaker: the_last_that_could_answer_is_never_passed_over breakers_do_not_open_again_all_at_once"
            " it_comes_back_once_a_probe_is_answered",
        ),
        {GATEWAY: "503 with Retry-After"},
    ),
    24: Fault(
        "an endpoint fails half of the time",
        "breaker and calls do not swing, and requests are answered",
        (
            "faults_network: an_endpoint_that_fails_half_the_time_does_not_swing_and_every_request_is_answered",
            "breaker: a_few_failures_among_many_answers_open_no_breaker",
        ),
    ),
    # ---- the caller's side ----
    25: Fault(
        "the caller leaves: before, in the middle, at the last piece, without a stream",
        "the upstream is let go, one call is recorded with its cost, its place is free",
        (
            "faults_callers: a_caller_who_leaves_a_stream_lets_the_upstream_go_and_pays_once"
            " a_caller_who_leaves_before_a_whole_answer_lets_the_upstream_go_and_pays_once"
            " a_caller_who_leaves_while_it_waits_its_turn_was_never_sent_and_pays_nothing",
            "budget: a_cancelled_call_spends_what_it_used",
            "limits: a_cancelled_call_gives_its_place_back_and_a_cancelled_wait_its_place_in_line",
        ),
    ),
    26: Fault(
        "the caller does not read",
        "the upstream is not read either, buffers are bounded, others go on",
        (
            "faults_callers: a_caller_who_does_not_read_stops_the_upstream_and_nobody_else"
            " a_reader_in_python_who_stops_reading_is_not_run_ahead_of",
            "http: a_slow_caller_is_not_an_idle_provider",
        ),
        {GATEWAY: "a time-out on writing"},
    ),
    27: Fault("a client is gone without a goodbye", "a time-out on writing ends it", later={GATEWAY: "all of it"}),
    28: Fault("the same idempotency key again", "one run, one answer", later={GATEWAY: "all of it"}),
    29: Fault(
        "the caller's SDK retries on top of ours",
        "the upstream sees our own tries only",
        ("http: a_connection_lost_before_the_answer_is_not_sent_again",),
        {GATEWAY: "`x-should-retry` and the caller's count"},
    ),
    30: Fault(
        "a request that is no proper JSON, or nested too deep, or not Unicode",
        "refused with the reason",
        (
            "request: a_request_that_is_not_one_is_refused",
            "http: half_a_surrogate_pair_is_refused_before_it_is_sent",
            "cli_inputs: bytes_that_are_not_utf_8_are_refused an_input_has_a_limit",
        ),
        {GATEWAY: "statuses, lengths and transfer encodings"},
    ),
    31: Fault(
        "unknown fields, impossible numbers",
        "refused by name, or bounded",
        (
            "request: a_field_that_cannot_be_is_refused",
            "executor: the_output_is_bounded_by_the_least_of_request_flow_with_and_model",
            "api: one_of_several_flows_is_named",
        ),
    ),
    32: Fault("thousands of idle or slow clients", "limits, and health still answers", later={GATEWAY: "all of it"}),
    # ---- cost, budget, state ----
    33: Fault(
        "many requests at once with money for some",
        "no interleaving passes the limit, in one process or in several",
        (
            "budget: no_interleaving_of_requests_passes_the_limit_and_all_promises_end the_property_finds_a_race"
            " several_processes_share_one_limit",
            "strategies_run: money_holds_for_calls_at_the_same_time",
            "redis: four_processes_with_200_requests_and_money_for_20_send_20",
            "redis_limits: four_processes_with_200_calls_and_leave_for_20_send_20",
        ),
    ),
    34: Fault(
        "the process is killed between sending and recording",
        "what was spent is known, what was promised is free again after its lease",
        (
            "faults_state: a_process_that_is_killed_mid_call_loses_no_money_and_holds_none_for_ever",
            "budget: in_the_file_a_promise_of_a_killed_process_ends_with_its_lease what_could_not_be_settled_is_settled_later",
            "redis: what_a_killed_process_held_is_free_after_its_lease_and_what_it_spent_stays",
            "redis_limits: the_place_of_a_killed_process_is_free_after_its_lease",
        ),
        {MEASURING: "rows of a batch"},
    ),
    35: Fault(
        "both calls of a hedge end at once, or the loser fails",
        "one answer, both settled",
        (
            "faults_state: of_a_hedge_that_ends_in_one_tick_the_caller_gets_one_answer_and_both_calls_are_settled",
            "bundled_strategies: nothing_is_left_under_way_and_one_answer_is_taken",
            "strategies_run: the_losers_are_cancelled_and_what_they_used_is_counted",
        ),
    ),
    36: Fault(
        "the budget is reached under way",
        "it cannot be in the middle of a call, whose worst was promised; afterwards the policy holds",
        (
            "budget: while_a_call_is_under_way_its_worst_is_promised once_the_limit_is_spent_requests_are_rejected_at_the_door"
            " what_does_not_fit_any_more_goes_to_the_degraded_step_which_a_free_model_serves_to_the_end",
        ),
        {MEASURING: "a batch that stops and goes on"},
    ),
    37: Fault(
        "a price is unknown, or zero",
        "unknown blocks where money is bounded, free is free",
        (
            "budget: an_unknown_price_is_refused_and_a_free_model_costs_nothing",
            "executor: under_max_cost_an_unknown_price_and_an_unbounded_answer_are_refused"
            " an_unknown_price_is_none_and_a_free_one_is_zero",
        ),
        {PROVIDERS: "prices that change by date and hour"},
    ),
    38: Fault(
        "Redis is frozen, gone, full, of another type, or forgets; clocks are an hour apart",
        "a bounded wait, then the declared mode, and no limit that is held many times over",
        (
            "redis: a_frozen_server_is_waited_for_once_and_then_left_alone processes_that_live_bring_back_what_redis_lost"
            " a_full_server_refuses_and_is_not_taken_for_dead a_replica_refuses_until_it_is_the_master"
            " what_is_of_another_type_spoils_only_its_own_window clocks_that_are_an_hour_apart_agree_on_the_period"
            " a_request_without_redis_is_refused_or_served_as_declared_and_told_once",
            "redis_limits: without_redis_each_process_goes_on_with_its_share when_redis_is_back_the_whole_limit_holds_again",
            "redis_cache: a_redis_that_is_away_raises_once_and_is_a_miss_until_it_is_asked_again",
        ),
    ),
    39: Fault(
        "the state file is locked, full, damaged, or of somebody else",
        "requests under a budget are refused with the reason, no money is lost, and it works again",
        (
            "faults_state: a_state_file_that_another_process_holds_refuses_in_time_and_works_again"
            " a_state_file_with_a_damaged_page_refuses_and_gives_no_money_away",
            "budget: a_file_that_cannot_be_used_refuses_requests_and_says_which what_could_not_be_settled_is_settled_later",
            "caches: a_file_that_another_process_holds_is_told a_file_that_is_no_database_is_told_and_left_as_it_is",
        ),
        {MEASURING: "the ledger's file"},
    ),
    40: Fault(
        "the wall clock jumps",
        "deadlines do not, money stays in its period, and going back gives none",
        (
            "faults_state: a_wall_clock_that_jumps_moves_no_deadline_and_loses_no_money"
            " a_wall_clock_that_goes_back_and_forth_gives_no_new_money",
        ),
    ),
    41: Fault("two batches write one output", "the second refuses", later={MEASURING: "all of it"}),
    42: Fault(
        "odd input: line ends, marks, closed pipes",
        "read or refused, never skipped in silence",
        (
            "cli_inputs: a_file_is_read_without_its_last_end_of_line_and_its_mark a_closed_standard_input_is_refused"
            " an_empty_pipe_is_refused",
        ),
        {MEASURING: "rows of a batch"},
    ),
    43: Fault(
        "the process is told to stop",
        "what is under way is settled, and it ends quietly",
        (
            "cli_run: a_run_that_is_stopped_ends_quietly_and_settles",
            "executor: cancelling_a_run_writes_its_end_and_passes_through",
        ),
        {GATEWAY: "draining"},
    ),
    44: Fault("a file that does not check is loaded again", "the old one stays", later={GATEWAY: "all of it"}),
    # ---- language and plugins ----
    45: Fault(
        "texts that blow up, circles, depth, megabytes, names that look like others",
        "an error in its place or a cap, never a hang",
        (
            "faults_plugins: a_name_that_looks_like_another_is_an_error_that_shows_what_it_is a_file_of_a_megabyte_is_checked",
            "check: what_a_few_lines_blow_up_is_refused_once many_classifiers_cost_only_what_is_read",
            "promises: retries_within_hundreds_of_retries_come_to_words_and_not_to_a_crash",
            "import: a_circle_of_imports_is_told_with_the_way a_chain_of_a_thousand_files_ends",
            "recover: any_depth_is_a_diagnostic",
            "parse: the_work_grows_with_the_text",
            "cli_inputs: a_workflow_of_10_mb_is_refused_unread",
        ),
    ),
    46: Fault(
        "a plugin that raises at import, blocks, leaks, prints, answers nonsense, or needs a newer mmflow",
        "it is named, it stops nothing that does not need it, and standard output stays clean",
        (
            "faults_plugins: a_plugin_that_blocks_the_loop_makes_others_late_and_loses_none"
            " what_a_plugin_leaves_behind_reaches_no_caller_and_no_record"
            " a_provider_that_answers_with_something_else_is_named_and_the_next_is_asked",
            "registry: a_broken_plugin_is_set_aside_with_the_reason_and_stops_nothing_else"
            " what_a_plugin_prints_does_not_reach_standard_output an_import_of_what_this_mmflow_lacks_points_to_versions",
            "plugins_installed: what_a_plugin_prints_stays_out_of_the_answer"
            " a_word_that_cannot_be_used_stops_the_file_that_needs_it",
            "executor: a_provider_that_breaks_its_contract_is_named a_plugin_that_crashes_is_named_with_the_line",
        ),
        {PROVIDERS: "the kit that finds a plugin which blocks", GATEWAY: "a watchdog of the loop"},
    ),
    47: Fault(
        "text of a caller that looks like a template, a rule or a role",
        "it is data and is never read again",
        (
            "faults_plugins: what_a_caller_says_is_data_in_every_place",
            "prompts: what_a_caller_says_is_no_template a_value_is_one_line",
            "scorers: an_answer_cannot_close_the_tags_that_hold_it",
            "ask: a_text_cannot_close_the_tags_that_hold_it",
        ),
    ),
    # ---- security ----
    48: Fault(
        "an address or a key in a request",
        "refused by name; a key goes to its declared host only",
        (
            "faults_security: a_request_names_no_address_and_no_key",
            "faults_network: a_redirect_to_another_address_takes_no_key_there",
            "request: a_field_that_cannot_be_is_refused",
        ),
        {GATEWAY: "400 for it"},
    ),
    49: Fault(
        "a server sends the key back in errors, ids, headers or streams",
        "it stands in no output, no file, no error",
        (
            "faults_security: no_command_writes_a_key_anywhere no_error_in_python_holds_a_key"
            " a_key_that_is_refused_by_the_header_is_not_shown",
            "http: no_error_drags_the_headers_of_the_request_along a_url_with_a_password_is_refused_and_not_shown",
            "executor: no_secret_is_in_any_event a_provider_that_keeps_what_another_says_keeps_no_secret_of_it",
        ),
    ),
    50: Fault("attacks on the caller's own key", "401, rate-limited, in constant time", later={GATEWAY: "all of it"}),
    51: Fault(
        "texts that force the dear model",
        "what one caller can spend is bounded, and each decision says why",
        (
            "budget: each_value_of_per_has_money_of_its_own_and_those_without_share_one"
            " from_its_share_on_degrade_runs_another_step",
            "executor: an_arm_tells_the_facts_that_decided_it",
        ),
        {GATEWAY: "keys, to tell callers apart", MEASURING: "an alert on a jump of the share"},
    ),
    52: Fault(
        "denial of wallet: endless calls, the longest answers, nonces",
        "rates, places, the worst of a request and each caller's money are bounded",
        (
            "limits: no_more_requests_begin_in_a_period_than_the_limit_and_none_earlier_than_it_came"
            " no_more_calls_are_under_way_than_the_concurrency",
            "executor: a_call_that_may_cost_too_much_is_refused_before_dispatch"
            " the_output_is_bounded_by_the_least_of_request_flow_with_and_model",
            "strategies_run: a_call_past_the_declared_ones_is_not_sent",
            "budget: many_users_over_many_periods_leave_memory_flat",
        ),
        {GATEWAY: "limits by key"},
    ),
    53: Fault(
        "one tenant's answer for another",
        "no two users share an answer, whatever the scope of their requests",
        ("caches: no_two_users_ever_share_an_answer an_answer_is_for_those_of_its_scope nobody_else_can_read_the_file",),
        {GATEWAY: "trace ids, Host and CSRF", MEASURING: "the report's HTML and CSV"},
    ),
    54: Fault(
        "a schema that reaches out, leads back to itself or backtracks; an answer full of mistakes",
        "nothing is fetched, patterns are linear, the first mistake is enough",
        (
            "faults_security: an_answer_full_of_mistakes_is_refused_at_the_first a_schema_that_leads_back_to_itself_ends",
            "outputs: a_schema_that_cannot_be_used_is_refused_with_its_reason a_pattern_that_would_backtrack_is_matched_at_once",
            "scorers: a_schema_that_cannot_be_used_is_told_before_the_first_answer",
            "patterns: a_pattern_that_ruins_other_engines_is_linear_here",
        ),
    ),
    55: Fault(
        "line breaks and codes of a terminal in what a model or server says",
        "escaped: no line of its own, no moved cursor",
        (
            "faults_security: what_a_server_says_makes_no_line_of_its_own_and_moves_no_cursor",
            "report: a_trace_lets_no_control_character_through",
            "cli_run: on_a_terminal_an_answer_cannot_move_the_cursor",
            "render: nothing_that_a_terminal_obeys_is_sent_raw",
        ),
    ),
    # ---- endurance ----
    56: Fault(
        "very many requests, of which some fail and some are left",
        "memory is flat; tasks, files and connections go back to what they were",
        (
            "faults_endurance: memory_is_flat_over_many_requests_of_which_some_fail_and_some_are_left"
            " connections_and_tasks_go_back_to_what_they_were",
            "limits: a_limit_of_millions_takes_no_memory_to_speak_of",
        ),
    ),
    57: Fault(
        "a day of random faults",
        "every promise holds at its end",
        (
            "faults_endurance: a_day_of_faults_leaves_nothing_behind_and_breaks_no_promise",
            "executor_invariants: every_run_keeps_its_promises",
            "simulation: random_workflows_keep_their_promises a_planted_fault_is_found the_faults_are_there",
            "simulate: a_day_passes_at_once_and_to_the_second",
        ),
    ),
}

GROUPS = ("network", "callers", "state", "plugins", "security", "endurance")


def named(fault: Fault) -> list[tuple[str, str]]:
    """The tests of a row, by file."""
    found = []
    for line in fault.tests:
        file, _, names = line.partition(": ")
        found += [(f"test_{file}.py", f"test_{name}") for name in names.split()]
    return found


@cache
def cases_in(file: str) -> frozenset[str]:
    """The names of the tests of a file."""
    tree = ast.parse((TESTS / file).read_text())
    functions = (each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(each.name for each in functions if each.name.startswith("test_"))


def test_the_table_has_every_row() -> None:
    assert list(FAULTS) == list(range(1, 58))


@pytest.mark.parametrize("number", FAULTS)
def test_a_row_has_tests_that_exist_or_says_who_owes_them(number: int) -> None:
    fault = FAULTS[number]
    assert fault.tests or "all of it" in fault.later.values()
    assert [each for each in named(fault) if each[1] not in cases_in(each[0])] == []


@pytest.mark.parametrize("group", GROUPS)
def test_every_case_that_was_written_for_the_table_stands_in_it(group: str) -> None:
    file = f"test_faults_{group}.py"
    stand = {test for fault in FAULTS.values() for where, test in named(fault) if where == file}
    assert cases_in(file) == stand
