package dashboard

import "strings"

// influxDB is the dashboard of what the tasks of a site do, in InfluxQL: version 1
// speaks it, 2 for databases with a mapping, 3 as well.
func influxDB() source {
	return source{
		name: "influxdb", uid: "butler-influxdb", title: "Qlik Sense tasks (butler)",
		about: "What the tasks of a Qlik Sense site do, and what the monitors read. The data source wants the query language InfluxQL.",
		target: func(q query, k kind) map[string]any {
			format := "time_series"
			if k == table {
				format = "table"
			}
			return map[string]any{"query": strings.Join(strings.Fields(q.text), " "), "rawQuery": true, "resultFormat": format, "alias": q.legend}
		},
		rows: []row{influxOverview, influxTasks, influxFailures, influxSite, influxButler},
	}
}

var influxOverview = row{"Overview", []panel{
	{
		title: "Failed", kind: number, width: 4, bad: 1, help: "Tasks that failed in the time shown.",
		queries: of(`SELECT count("execution_id") FROM /^[a-z_]+_task_failed$/ WHERE $timeFilter`, "$m"),
	},
	{
		title: "Succeeded", kind: number, width: 4, help: "Tasks that succeeded in the time shown, of those that are stored.",
		queries: of(`SELECT count("execution_id") FROM /^[a-z_]+_task_success$/ WHERE $timeFilter`, "$m"),
	},
	{
		title: "Days left of the server licence", kind: number, width: 4, bad: 60, good: true,
		queries: of(`SELECT last("days_until_expiry") FROM "qlik_sense_server_license" WHERE $timeFilter`, "days"),
	},
	{
		title: "Events dropped", kind: number, width: 4, bad: 1, help: "Because of their number, size or a full journal. It should be 0.",
		queries: of(`SELECT sum("messages_dropped_rate_limit") + sum("messages_dropped_queue_full") + sum("messages_dropped_size") FROM "butler_udp_queue" WHERE $timeFilter`, "dropped"),
	},
	{
		title: "Events waiting", kind: number, width: 4, help: "Without a decision.",
		queries: of(`SELECT last("queue_size") FROM "butler_udp_queue" WHERE $timeFilter`, "waiting"),
	},
	{
		title: "Memory of butler", kind: number, unit: "mbytes", width: 4,
		queries: of(`SELECT last("process_memory") FROM "butler_memory_usage" WHERE $timeFilter`, "process"),
	},
}}

var influxTasks = row{"Tasks", []panel{
	{
		title: "Failed", kind: lines, unit: "short", width: 12,
		queries: of(`SELECT count("execution_id") FROM /^[a-z_]+_task_failed$/ WHERE $timeFilter GROUP BY time($__interval) fill(0)`, "$m"),
	},
	{
		title: "Succeeded", kind: lines, unit: "short", width: 12,
		queries: of(`SELECT count("execution_id") FROM /^[a-z_]+_task_success$/ WHERE $timeFilter GROUP BY time($__interval) fill(0)`, "$m"),
	},
	{
		title: "How long tasks take", kind: lines, unit: "s", width: 12,
		queries: of(`SELECT mean("task_executionDuration_sec") FROM /^[a-z_]+_task_(failed|success)$/ WHERE $timeFilter GROUP BY time($__interval), "task_name" fill(none)`, "$tag_task_name"),
	},
	{
		title: "The longest reload of each task", kind: table, unit: "s", width: 12,
		queries: of(`SELECT max("task_executionDuration_sec") AS "seconds" FROM "reload_task_success", "reload_task_failed" WHERE $timeFilter GROUP BY "task_name"`, ""),
	},
}}

var influxFailures = row{"Failures", []panel{
	{
		title: "The latest", kind: table, width: 16,
		queries: of(`SELECT "task_name", "app_name", "host", "execution_id", "log_message" FROM /^[a-z_]+_task_failed$/
			WHERE $timeFilter ORDER BY time DESC LIMIT 20`, ""),
	},
	{
		title: "By task", kind: table, width: 8,
		queries: of(`SELECT count("execution_id") AS "failures" FROM /^[a-z_]+_task_failed$/ WHERE $timeFilter GROUP BY "task_name"`, ""),
	},
	{
		title: "Script logs of the latest", kind: table, width: 24,
		queries: of(`SELECT "task_name", "reload_log" FROM "reload_task_failed" WHERE $timeFilter ORDER BY time DESC LIMIT 3`, ""),
	},
}}

var influxSite = row{"The site", []panel{
	{
		title: "Access licences", kind: lines, unit: "short", width: 8,
		queries: of(`SELECT last("allocated") AS "allocated", last("total") AS "total" FROM "qlik_sense_license"
			WHERE $timeFilter AND "license_type" =~ /^(professional|analyzer)$/ GROUP BY time($__interval), "license_type" fill(none)`, "$tag_license_type $col"),
	},
	{
		title: "Licences released", kind: table, width: 8,
		queries: of(`SELECT "user", "license_type", "days_since_last_use" FROM "qlik_sense_license_release" WHERE $timeFilter ORDER BY time DESC LIMIT 20`, ""),
	},
	{
		title: "Version", kind: table, width: 8,
		queries: of(`SELECT last("version") AS "version", "release_label", "product_name" FROM "qlik_sense_version" WHERE $timeFilter`, ""),
	},
	{
		title: "Windows services", kind: table, width: 12,
		queries: of(`SELECT last("state_text") AS "state", "startup_mode_text" FROM "win_service_state" WHERE $timeFilter GROUP BY "host", "service_name"`, ""),
	},
	{
		title: "State of Windows services", kind: lines, unit: "short", width: 12, help: "4 is running, 1 stopped.",
		queries: of(`SELECT last("state_num") FROM "win_service_state" WHERE $timeFilter GROUP BY time($__interval), "host", "service_name" fill(none)`, "$tag_host $tag_service_name"),
	},
}}

var influxButler = row{"butler", []panel{
	{
		title: "Events in", kind: lines, unit: "short", width: 8,
		queries: of(`SELECT sum("messages_received") AS "received", sum("messages_processed") AS "decided", sum("messages_failed") AS "refused" FROM "butler_udp_queue"
			WHERE $timeFilter GROUP BY time($__interval) fill(none)`, "$col"),
	},
	{
		title: "Time until the decision", kind: lines, unit: "ms", width: 8,
		queries: of(`SELECT mean("processing_time_avg_ms") AS "mean", max("processing_time_p95_ms") AS "p95" FROM "butler_udp_queue"
			WHERE $timeFilter GROUP BY time($__interval) fill(none)`, "$col"),
	},
	{
		title: "Memory", kind: lines, unit: "mbytes", width: 8,
		queries: of(`SELECT mean("process_memory") AS "process", mean("heap_used") AS "heap used", mean("heap_total") AS "heap" FROM "butler_memory_usage"
			WHERE $timeFilter GROUP BY time($__interval) fill(none)`, "$col"),
	},
}}
