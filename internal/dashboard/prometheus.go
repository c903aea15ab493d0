package dashboard

import "strings"

// prometheus is the dashboard of how the service does. In its queries {@} stands
// for the instances that are chosen, and @ within braces for the same.
func prometheus() source {
	return source{
		name: "prometheus", uid: "butler-prometheus", title: "butler",
		about: "How butler does: what comes in, what becomes of it, who is notified, and what it needs for that.",
		target: func(q query, k kind) map[string]any {
			target := map[string]any{"expr": strings.ReplaceAll(q.text, "@", `instance=~"$instance"`), "legendFormat": q.legend}
			if k == table {
				target["format"], target["instant"] = "table", true
			}
			return target
		},
		variables: []map[string]any{{
			"name": "instance", "label": "Instance", "type": "query", "multi": true, "includeAll": true, "allValue": ".*",
			"datasource": map[string]any{"type": "prometheus", "uid": "${datasource}"},
			"query":      "label_values(butler_build_info, instance)", "refresh": 2, "sort": 1,
			"current": map[string]any{"text": "All", "value": "$__all"},
		}},
		rows: []row{promOverview, promEvents, promDestinations, promRepository, promSite, promTasks, promServices, promProcess},
	}
}

var promOverview = row{"Is it healthy?", []panel{
	{title: "Running", kind: number, width: 3, bad: 1, good: true, help: "Instances that answer.", queries: of(`sum(up{job="butler",@})`, "")},
	{
		title: "Lost", kind: number, width: 3, bad: 1, help: "Good events and MQTT messages that were refused or dropped, and alerts that nobody was notified of, in the time shown. It should be 0.",
		queries: of(`sum(increase(butler_udp_packets_rejected_total{reason=~"journal_unavailable|rate_limit",@}[$__range]))
+ sum(increase(butler_udp_kernel_dropped_packets_total{@}[$__range])) + sum(increase(butler_executions_given_up_total{@}[$__range]))
+ (sum(increase(butler_dead_letters_dropped_total{@}[$__range])) or vector(0))
+ (sum(increase(butler_mqtt_messages_dropped_total{@}[$__range])) or vector(0))`, ""),
	},
	{title: "Not up", kind: number, width: 3, bad: 1, help: "Components that are degraded or down; /health says why.", queries: of(`count(butler_component_up{@} == 0) or vector(0)`, "")},
	{title: "Journal writable", kind: number, width: 3, bad: 1, good: true, help: "0 means that events are refused.", queries: of(`min(butler_journal_writable{@})`, "")},
	{title: "Repository", kind: number, width: 3, bad: 1, good: true, help: "1 while the Qlik Repository Service is within reach.", queries: of(`min(butler_qrs_up{host!="",@})`, "")},
	{title: "MQTT", kind: number, width: 3, bad: 1, good: true, help: "1 while the broker is connected.", queries: of(`min(butler_mqtt_connected{@})`, "")},
	{title: "Parked", kind: number, width: 3, bad: 1, help: "Messages that wait for a decision: butler parked list.", queries: of(`sum(butler_dead_letters{@})`, "")},
	{title: "Bugs", kind: number, width: 3, bad: 1, help: "Panics that nobody foresaw. Please report them.", queries: of(`sum(butler_actor_bugs_total{@})`, "")},
	{
		title: "Events in, messages out", kind: lines, unit: "cps", width: 8, help: "Events of Qlik Sense, and messages that destinations were given for them.",
		queries: of(`sum(rate(butler_events_received_total{@}[$__rate_interval]))`, "events received",
			`sum(rate(butler_events_processed_total{@}[$__rate_interval]))`, "events decided",
			`sum(rate(butler_notifications_total{@}[$__rate_interval]))`, "messages sent"),
	},
	{
		title: "From the event to the accepted message", kind: lines, unit: "s", width: 8, help: "What people feel.",
		queries: of(`histogram_quantile(0.5, sum by (le) (rate(butler_notification_end_to_end_duration_seconds_bucket{@}[$__rate_interval])))`, "p50",
			`histogram_quantile(0.99, sum by (le) (rate(butler_notification_end_to_end_duration_seconds_bucket{@}[$__rate_interval])))`, "p99"),
	},
	{
		title: "Waiting", kind: lines, unit: "short", width: 8, help: "Events without a decision, and messages that are not delivered yet.",
		queries: of(`sum(butler_queue_length{@})`, "events", `sum(butler_notification_queue_length{@})`, "messages"),
	},
}}

var promEvents = row{"Events", []panel{
	{title: "Received", kind: lines, unit: "cps", width: 8, queries: of(`sum by (event_type) (rate(butler_events_received_total{@}[$__rate_interval]))`, "{{event_type}}")},
	{title: "What became of them", kind: lines, unit: "cps", width: 8, queries: of(`sum by (result) (rate(butler_events_processed_total{@}[$__rate_interval])) > 0`, "{{result}}")},
	{
		title: "Refused and repeated", kind: lines, unit: "cps", width: 8,
		queries: of(`sum by (reason) (rate(butler_udp_packets_rejected_total{@}[$__rate_interval]))`, "refused: {{reason}}",
			`sum by (reason) (rate(butler_events_invalid_total{@}[$__rate_interval]))`, "unreadable: {{reason}}",
			`sum(rate(butler_events_duplicate_total{@}[$__rate_interval]))`, "repeated"),
	},
	{
		title: "Until it is on disk, until it is decided", kind: lines, unit: "s", width: 8,
		queries: of(`histogram_quantile(0.5, sum by (le) (rate(butler_event_ingest_duration_seconds_bucket{@}[$__rate_interval])))`, "on disk p50",
			`histogram_quantile(0.99, sum by (le) (rate(butler_event_ingest_duration_seconds_bucket{@}[$__rate_interval])))`, "on disk p99",
			`histogram_quantile(0.5, sum by (le) (rate(butler_event_processing_duration_seconds_bucket{@}[$__rate_interval])))`, "decided p50",
			`histogram_quantile(0.99, sum by (le) (rate(butler_event_processing_duration_seconds_bucket{@}[$__rate_interval])))`, "decided p99"),
	},
	{
		title: "Journal", kind: lines, unit: "s", width: 8, help: "Time of one write to the disk.",
		queries: of(`histogram_quantile(0.5, sum by (le) (rate(butler_journal_fsync_duration_seconds_bucket{@}[$__rate_interval])))`, "write p50",
			`histogram_quantile(0.99, sum by (le) (rate(butler_journal_fsync_duration_seconds_bucket{@}[$__rate_interval])))`, "write p99"),
	},
	{
		title: "On disk", kind: lines, unit: "bytes", width: 8,
		queries: of(`sum(butler_journal_size_bytes{@})`, "events", `sum(butler_ledger_size_bytes{@})`, "ledger"),
	},
	{
		title: "Nodes", kind: table, unit: "s", width: 12, help: "How long ago a node sent its last event.",
		queries: of(`max by (node) (time() - butler_node_last_event_timestamp_seconds{@})`, ""),
	},
	{
		title: "Decided without all look-ups", kind: lines, unit: "percentunit", width: 12,
		queries: of(`sum(rate(butler_enrichment_degraded_total{@}[$__rate_interval])) / sum(rate(butler_events_processed_total{@}[$__rate_interval]))`, "degraded"),
	},
}}

var promDestinations = row{"Destinations", []panel{
	{
		title: "State of each", kind: table, width: 24, help: "Messages that wait, how long ago the last one was accepted, and 1 for an open breaker.",
		queries: of(`sum by (receiver) (butler_notification_queue_length{@})`, "waiting",
			`min by (receiver) (time() - (butler_destination_last_success_timestamp_seconds{@} > 0))`, "seconds since success",
			`max by (receiver) (label_replace(butler_circuit_breaker_open{target!="qrs",@}, "receiver", "$1", "target", "(.+)"))`, "breaker open",
			`sum by (receiver) (butler_notifications_total{@})`, "sent",
			`sum by (receiver) (butler_notifications_failed_total{@})`, "failed"),
	},
	{title: "Sent", kind: lines, unit: "cps", width: 8, queries: of(`sum by (integration) (rate(butler_notifications_total{@}[$__rate_interval]))`, "{{integration}}")},
	{
		title: "Failed and tried again", kind: lines, unit: "cps", width: 8,
		queries: of(`sum by (integration, reason) (rate(butler_notifications_failed_total{@}[$__rate_interval])) > 0 or sum by (integration) (rate(butler_notification_retries_total{@}[$__rate_interval]))`, "{{integration}} {{reason}}"),
	},
	{
		title: "One attempt", kind: lines, unit: "s", width: 8,
		queries: of(`histogram_quantile(0.99, sum by (le, integration) (rate(butler_notification_latency_seconds_bucket{@}[$__rate_interval])))`, "{{integration}} p99"),
	},
	{title: "Held back", kind: lines, unit: "cps", width: 12, help: "By rateLimit, or because they had become old.", queries: of(`sum by (reason) (rate(butler_alerts_suppressed_total{@}[$__rate_interval]))`, "{{reason}}")},
	{title: "Parked messages", kind: lines, unit: "short", width: 12, queries: of(`sum by (integration) (butler_dead_letters{@})`, "{{integration}}")},
}}

var promRepository = row{"Qlik Repository Service", []panel{
	{title: "Requests", kind: lines, unit: "reqps", width: 6, queries: of(`sum by (operation, code) (rate(butler_qrs_requests_total{@}[$__rate_interval]))`, "{{operation}} {{code}}")},
	{
		title: "Time of a request", kind: lines, unit: "s", width: 6,
		queries: of(`histogram_quantile(0.5, sum by (le) (rate(butler_qrs_request_duration_seconds_bucket{@}[$__rate_interval])))`, "p50",
			`histogram_quantile(0.99, sum by (le) (rate(butler_qrs_request_duration_seconds_bucket{@}[$__rate_interval])))`, "p99"),
	},
	{title: "Answered from a cache", kind: lines, unit: "percentunit", width: 6, queries: of(`sum by (cache) (butler_qrs_cache_requests_total{result="hit",@}) / sum by (cache) (butler_qrs_cache_requests_total{@})`, "{{cache}}")},
	{
		title: "Waiting and breaker", kind: lines, unit: "short", width: 6,
		queries: of(`sum(butler_qrs_lookups_waiting{@})`, "look-ups waiting", `sum(butler_qrs_calls_running{@})`, "calls running", `max(butler_circuit_breaker_open{target="qrs",@})`, "breaker open"),
	},
}}

var promSite = row{"The site", []panel{
	{title: "Tasks that ended", kind: lines, unit: "short", width: 8, queries: of(`sum by (outcome) (increase(butler_task_executions_total{@}[$__rate_interval]))`, "{{outcome}}")},
	{title: "Failed and aborted, by type", kind: lines, unit: "short", width: 8, queries: of(`sum by (task_type, outcome) (increase(butler_task_executions_total{outcome!="success",@}[$__rate_interval]))`, "{{task_type}} {{outcome}}")},
	{
		title: "How long tasks take", kind: lines, unit: "s", width: 8,
		queries: of(`histogram_quantile(0.5, sum by (le, task_type) (rate(butler_task_execution_duration_seconds_bucket{@}[$__rate_interval])))`, "{{task_type}} p50"),
	},
	{title: "Server licence", kind: number, unit: "s", width: 6, bad: 5184000, good: true, help: "Time until it ends.", queries: of(`min((butler_qlik_license_expiry_timestamp_seconds{@} > 0) - time())`, "")},
	{
		title: "Access licences", kind: lines, unit: "percentunit", width: 6,
		queries: of(`max by (license_type) (butler_qlik_license_assigned{@} / (butler_qlik_license_capacity{@} > 0))`, "{{license_type}} assigned"),
	},
	{title: "Windows services", kind: table, width: 6, help: "1 while a service runs.", queries: of(`max by (host, service) (butler_windows_service_running{@})`, "")},
	{title: "Distribute tasks followed", kind: lines, unit: "short", width: 6, queries: of(`sum(butler_distribute_tasks_pending{@})`, "followed")},
}}

// ofTasks gives the series of single tasks the names of the task and its app.
func ofTasks(values string) string {
	return `max by (task_id, task_name, app_name) ((` + values + `) * on (instance, task_id) group_left (task_name, app_name) butler_task_info{@})`
}

var promTasks = row{"Tasks that are watched one by one (operations.taskMetrics)", []panel{
	{
		title: "State of each task", kind: table, width: 24, help: "Executions that failed since one succeeded, how long ago the last one ended and the last one succeeded, and how long it took.",
		queries: of(ofTasks(`butler_task_consecutive_failures{@}`), "failures in a row",
			ofTasks(`time() - (butler_task_last_success_timestamp_seconds{@} > 0)`), "seconds since success",
			ofTasks(`time() - (butler_task_last_execution_timestamp_seconds{@} > 0)`), "seconds since an end",
			ofTasks(`butler_task_last_execution_duration_seconds{@}`), "seconds it took"),
	},
	{title: "Failures in a row", kind: lines, unit: "short", width: 8, queries: of(ofTasks(`butler_task_consecutive_failures{@}`)+` > 0`, "{{task_name}}")},
	{title: "Age of the data", kind: lines, unit: "s", width: 8, help: "Time since the task succeeded.", queries: of(ofTasks(`time() - (butler_task_last_success_timestamp_seconds{@} > 0)`), "{{task_name}}")},
	{title: "Duration", kind: lines, unit: "s", width: 8, help: "Of the last execution whose result was looked up.", queries: of(ofTasks(`butler_task_last_execution_duration_seconds{@}`), "{{task_name}}")},
}}

var promServices = row{"REST API, key-value store, schedules, monitors", []panel{
	{title: "Calls", kind: lines, unit: "reqps", width: 6, queries: of(`sum by (handler, code) (rate(butler_http_requests_total{@}[$__rate_interval])) > 0`, "{{handler}} {{code}}")},
	{
		title: "Time of a call", kind: lines, unit: "s", width: 6,
		queries: of(`histogram_quantile(0.99, sum by (le, handler) (rate(butler_http_request_duration_seconds_bucket{@}[$__rate_interval])))`, "{{handler}} p99"),
	},
	{title: "Refused callers", kind: lines, unit: "cps", width: 6, queries: of(`sum by (reason) (rate(butler_http_auth_failures_total{@}[$__rate_interval]))`, "{{reason}}", `sum(rate(butler_http_rate_limited_total{@}[$__rate_interval]))`, "too many calls")},
	{title: "Keys and values", kind: lines, unit: "short", width: 6, queries: of(`sum(butler_kv_keys{@})`, "keys", `sum by (operation) (rate(butler_kv_operations_total{@}[$__rate_interval]))`, "{{operation}} per second")},
	{title: "Tasks started", kind: lines, unit: "short", width: 6, queries: of(`sum by (way, outcome) (increase(butler_task_starts_total{@}[$__rate_interval]))`, "{{way}} {{outcome}}")},
	{title: "Schedules", kind: lines, unit: "short", width: 6, queries: of(`sum by (state) (butler_schedules{@})`, "{{state}}")},
	{title: "Monitors", kind: table, unit: "s", width: 6, help: "How long ago a monitor succeeded last.", queries: of(`min by (monitor) (time() - (butler_monitor_last_success_timestamp_seconds{@} > 0))`, "")},
	{title: "Not up", kind: table, width: 6, help: "Components that are degraded or down, as 0.", queries: of(`min by (component) (butler_component_up{@}) < 1`, "")},
}}

var promProcess = row{"The process", []panel{
	{title: "Version", kind: table, width: 6, queries: of(`max by (instance, version, revision) (butler_build_info{@})`, "")},
	{title: "Certificates", kind: table, unit: "s", width: 6, help: "Time until they end.", queries: of(`min by (purpose) (butler_certificate_expiry_timestamp_seconds{@} - time())`, "")},
	{title: "Memory", kind: lines, unit: "bytes", width: 6, queries: of(`sum(process_resident_memory_bytes{job="butler",@})`, "resident", `sum(go_memstats_heap_alloc_bytes{job="butler",@})`, "heap")},
	{title: "CPU", kind: lines, unit: "percentunit", width: 6, queries: of(`sum(rate(process_cpu_seconds_total{job="butler",@}[$__rate_interval]))`, "cores")},
	{title: "Actors", kind: lines, unit: "short", width: 8, queries: of(`sum by (kind) (butler_actors{@})`, "{{kind}}")},
	{
		title: "Mailboxes, restarts, panics", kind: lines, unit: "short", width: 8,
		queries: of(`sum by (kind) (butler_actor_mailbox_length{@})`, "{{kind}} waiting", `sum by (kind) (increase(butler_actor_restarts_total{@}[$__rate_interval]))`, "{{kind}} restarts"),
	},
	{title: "Log", kind: lines, unit: "short", width: 8, queries: of(`sum by (level) (increase(butler_log_messages_total{level=~"warn|error",@}[$__rate_interval]))`, "{{level}}")},
}}
