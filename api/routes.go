package api

import (
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"
	"go.uber.org/zap"

	"butler/internal/apikey"
	"butler/messages"
)

// endpoint is one row of the table of the REST API.
type endpoint struct {
	method string
	// path has its parameters in braces.
	path string
	// name is the last part of the key below restServerEndpointsEnable that enables it.
	name string
	// scope is what a caller needs.
	scope apikey.Scope
	serve func(*call) (status int, body any, err error)
}

// endpoints is the one table of the REST API; openapi/openapi.yaml describes every row.
func (r *rest) endpoints() []endpoint {
	return []endpoint{
		{"GET", "/v4/butlerping", "butlerping", apikey.Read, r.ping},
		{"GET", "/v4/configfile/endpointsenabled", "apiListEnabledEndpoints", apikey.Read, r.enabled},
		{"GET", "/v4/base62tobase16", "base62ToBase16", apikey.Read, base62To16},
		{"GET", "/v4/base16tobase62", "base16ToBase62", apikey.Read, base16To62},
		{"PUT", "/v4/filecopy", "fileCopy", apikey.Files, r.fileCopy},
		{"POST", "/v4/filecopy", "fileCopy", apikey.Files, r.fileCopy},
		{"PUT", "/v4/filemove", "fileMove", apikey.Files, r.fileMove},
		{"POST", "/v4/filemove", "fileMove", apikey.Files, r.fileMove},
		{"DELETE", "/v4/filedelete", "fileDelete", apikey.Files, r.fileDelete},
		{"POST", "/v4/createdir", "createDir", apikey.Files, r.createDir},
		{"POST", "/v4/createdirqvd", "createDirQVD", apikey.Files, r.createDirQVD},
		{"GET", "/v4/keyvaluesnamespaces", "keyValueStore", apikey.KV, r.kvNamespaces},
		{"GET", "/v4/keyvalues/{namespace}", "keyValueStore", apikey.KV, r.kvGet},
		{"POST", "/v4/keyvalues/{namespace}", "keyValueStore", apikey.KV, r.kvPut},
		{"DELETE", "/v4/keyvalues/{namespace}", "keyValueStore", apikey.KV, r.kvDeleteNamespace},
		{"GET", "/v4/keyvalues/{namespace}/keyexists", "keyValueStore", apikey.KV, r.kvExists},
		{"GET", "/v4/keyvalues/{namespace}/watch", "keyValueStore", apikey.KV, r.kvWatch},
		{"DELETE", "/v4/keyvalues/{namespace}/{key}", "keyValueStore", apikey.KV, r.kvDelete},
		{"GET", "/v4/keylist/{namespace}", "keyValueStore", apikey.KV, r.kvKeys},
		{"PUT", "/v4/reloadtask/{taskId}/start", "senseStartTask", apikey.Start, r.startTasks},
		{"POST", "/v4/reloadtask/{taskId}/start", "senseStartTask", apikey.Start, r.startTasks},
		{"PUT", "/v4/reloadtask/start", "senseStartTask", apikey.Start, r.startTasks},
		{"POST", "/v4/reloadtask/start", "senseStartTask", apikey.Start, r.startTasks},
		{"PUT", "/v4/mqttpublishmessage", "mqttPublishMessage", apikey.Start, unbound("a message", r.mqttPublish)},
		{"GET", "/v4/udpqueue", "udpQueueStatus", apikey.Read, r.udpQueue},
		{"GET", "/v4/executions/{executionId}", "explain", apikey.Read, r.explain},
		{"PUT", "/v4/slackpostmessage", "slackPostMessage", apikey.Start, unbound("a message", r.slackPost)},
		{"POST", "/v4/newrelic/event", "postNewRelicEvent", apikey.Start, unbound("an event of New Relic", r.newRelicEvent)},
		{"POST", "/v4/newrelic/metric", "postNewRelicMetric", apikey.Start, unbound("a metric", r.newRelicMetric)},
		{"GET", "/v4/schedules", "getSchedule", apikey.Read, r.scheduleList},
		{"POST", "/v4/schedules", "createNewSchedule", apikey.Start, unbound("a schedule", r.scheduleCreate)},
		{"DELETE", "/v4/schedules/{scheduleId}", "deleteSchedule", apikey.Start, unbound("a schedule", r.scheduleDelete)},
		{"PUT", "/v4/schedules/{scheduleId}/start", "startSchedule", apikey.Start, unbound("a schedule", r.scheduleSwitch(messages.ScheduleStarted))},
		{"PUT", "/v4/schedules/startall", "startSchedule", apikey.Start, unbound("a schedule", r.scheduleSwitchAll(messages.ScheduleStarted))},
		{"PUT", "/v4/schedules/{scheduleId}/stop", "stopSchedule", apikey.Start, unbound("a schedule", r.scheduleSwitch(messages.ScheduleStopped))},
		{"PUT", "/v4/schedules/stopall", "stopSchedule", apikey.Start, unbound("a schedule", r.scheduleSwitchAll(messages.ScheduleStopped))},
		{"GET", "/v4/schedules/status", "getScheduleStatusAll", apikey.Read, r.scheduleStatus},
		{"GET", "/v4/apps/list", "senseListApps", apikey.Read, r.appList},
		{"GET", "/v4/senselistapps", "senseListApps", apikey.Read, r.appList},
		{"GET", "/v4/app/{appId}/dump", "senseAppDump", apikey.Read, r.appDump},
		{"GET", "/v4/senseappdump/{appId}", "senseAppDump", apikey.Read, r.appDump},
		{"PUT", "/v4/app/{appId}/reload", "senseAppReload", apikey.Start, unbound("an app", r.appReload)},
		{"POST", "/v4/qlikcloud/event", "qlikCloudEvent", apikey.Events, r.cloudEvent},
	}
}

// loggedMembers names, for each endpoint, the members of the body that the log
// shows: what the call is about, and never what may be private.
var loggedMembers = map[string][]string{
	"fileCopy": {"fromFile", "toFile"}, "fileMove": {"fromFile", "toFile"}, "fileDelete": {"deleteFile"},
	"createDir": {"directory"}, "createDirQVD": {"directory"}, "keyValueStore": {"key"},
	"createNewSchedule":  {"name", "cronSchedule", "timezone", "qlikSenseTaskId", "startupState"},
	"mqttPublishMessage": {"topic"}, "slackPostMessage": {"channel"}, "postNewRelicEvent": {"eventType"}, "postNewRelicMetric": {"name"},
}

// maxLogged is how many bytes of a parameter or member the log shows.
const maxLogged = 1024

// about returns the log fields of a call: its parameters, and some members of its body.
func (r *route) about(c *call) []zap.Field {
	fields := make([]zap.Field, 0, len(c.parameters)+8)
	for _, p := range c.parameters {
		fields = append(fields, zap.String(p.name, p.value[:min(len(p.value), maxLogged)]))
	}
	body := values{members: c.body}
	for _, name := range loggedMembers[r.name] { // converted as for the call itself: a list of one is its element
		if value, there, err := body.text(name); there && err == nil {
			fields = append(fields, zap.String(name, value[:min(len(value), maxLogged)]))
		}
	}
	return fields
}

// route is an enabled endpoint with its path split for matching.
type route struct {
	endpoint
	// title names the endpoint in the log.
	title string
	// meter counts its calls.
	meter *meter
	// segments are those of the path.
	segments []segment
}

// segment is a part of a path between slashes: text, or a parameter.
type segment struct{ text, parameter string }

func newRoute(e endpoint) route {
	r := route{endpoint: e, title: e.method + " " + e.path}
	for _, part := range strings.Split(e.path, "/") {
		one := segment{text: part}
		if name, isParameter := strings.CutPrefix(part, "{"); isParameter {
			one = segment{parameter: strings.TrimSuffix(name, "}")}
		}
		r.segments = append(r.segments, one)
	}
	return r
}

// commonSegments is how many segments nearly every path fits in.
const commonSegments = 8

// parameters are those of a path: so few that a map would be slower.
type parameters []parameter

type parameter struct{ name, value string }

// get returns a parameter, "" where the path has none of that name.
func (p parameters) get(name string) string {
	for i := range p {
		if p[i].name == name {
			return p[i].value
		}
	}
	return ""
}

// match compares the segments of a raw path with those of the route, and decodes
// its parameters into the call. An encoded slash does not separate segments, and a
// parameter may be empty. A route for GET matches HEAD as well.
func (r *route) match(method string, path []string, into *call) bool {
	if len(path) != len(r.segments) || r.method != method && (r.method != fasthttp.MethodGet || method != fasthttp.MethodHead) {
		return false
	}
	for i, want := range r.segments {
		if want.parameter == "" && want.text != path[i] {
			return false
		}
	}
	found := parameters(into.room[:0])
	for i, want := range r.segments {
		if want.parameter == "" {
			continue
		}
		value, err := url.PathUnescape(path[i])
		if err != nil {
			return false
		}
		found = append(found, parameter{want.parameter, value})
	}
	into.parameters = found
	return true
}
