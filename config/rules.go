package config

import (
	"fmt"
	"net"
	"strings"

	"github.com/spf13/viper"

	"butler/internal/qlik"
)

// rule checks a condition on several keys together.
type rule func(v *viper.Viper, report func(path, reason, suggestion string))

// rules are all of them. Each checks only features that are switched on.
var rules = []rule{
	allowedSources, repositoryHeaders, retryOrder, journalOrder, cacheOrder, operationsAddress, ownPorts, watchedTasks,
}

func (l *loader) checkRules(v *viper.Viper) {
	for _, r := range rules {
		r(v, l.report)
	}
}

// allowedSources refuses source validation without any source: no event would be accepted.
func allowedSources(v *viper.Viper, report func(path, reason, suggestion string)) {
	const key = "udpServerConfig.allowedSources"
	if v.GetBool("udpServerConfig.enable") && v.GetBool("udpServerConfig.enableSourceValidation") && len(v.GetStringSlice(key)) == 0 {
		report(key, "is empty while enableSourceValidation is true, so every event would be refused", "list the Qlik Sense nodes, or set enableSourceValidation to false")
	}
}

// userHeader is the header that tells the repository on whose behalf it is asked.
const userHeader = "X-Qlik-User"

func repositoryHeaders(v *viper.Viper, report func(path, reason, suggestion string)) {
	const key = "configQRS.headers.static"
	if v.GetString("configQRS.host") == "" {
		return
	}
	var headers []Header
	if err := v.UnmarshalKey(key, &headers, strictDecoding); err != nil {
		report(key, err.Error(), "")
		return
	}
	for _, h := range headers {
		if strings.EqualFold(h.Name, userHeader) {
			return
		}
	}
	report(key, "has no header "+userHeader, `add {name: X-Qlik-User, value: "UserDirectory=Internal; UserId=sa_repository"}`)
}

func retryOrder(v *viper.Viper, report func(path, reason, suggestion string)) {
	if v.GetDuration("delivery.retryInitial") > v.GetDuration("delivery.retryMax") {
		report("delivery.retryInitial", "is longer than delivery.retryMax", "make it shorter")
	}
}

func journalOrder(v *viper.Viper, report func(path, reason, suggestion string)) {
	if v.GetInt64("journal.keepBytes") > v.GetInt64("journal.maxBytes") {
		report("journal.keepBytes", "is larger than journal.maxBytes", "make it smaller")
	}
	if v.GetString("journal.directory") == "" && !v.GetBool("journal.inMemory") {
		report("journal.directory", "is empty", "name a directory, or set journal.inMemory to true")
	}
}

func cacheOrder(v *viper.Viper, report func(path, reason, suggestion string)) {
	if stale := v.GetDuration("qrs.staleFor"); stale != 0 && stale < v.GetDuration("qrs.cacheTTL") {
		report("qrs.staleFor", "is shorter than qrs.cacheTTL", "make it longer, or 0s for never")
	}
}

// operationsAddress keeps metrics and administration on this machine, unless
// operations.allowRemote says otherwise.
func operationsAddress(v *viper.Viper, report func(path, reason, suggestion string)) {
	host := v.GetString("operations.host")
	if v.GetBool("operations.enable") && !v.GetBool("operations.allowRemote") && !IsLoopback(host) {
		report("operations.host", "can be reached from other machines", "use localhost, or write operations.allowRemote: true")
	}
}

// IsLoopback reports whether a listener on host is reached from this machine only.
func IsLoopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// listeners are the servers over TCP, by the keys that switch them on and say where they
// listen. One without a host listens on this machine.
var listeners = []struct{ enable, host, port string }{
	{"operations.enable", "operations.host", "operations.port"},
	{"restServerConfig.enable", "restServerConfig.serverHost", "restServerConfig.serverPort"},
	{"configVisualisation.enable", "configVisualisation.host", "configVisualisation.port"},
	{"dockerHealthCheck.enable", "", "dockerHealthCheck.port"},
}

// ownPorts refuses a port that two listeners would share.
func ownPorts(v *viper.Viper, report func(path, reason, suggestion string)) {
	at := func(key string) string {
		if key == "" {
			return "localhost"
		}
		return v.GetString(key)
	}
	for i, l := range listeners {
		port := v.GetInt(l.port)
		for _, other := range listeners[:i] {
			if port != 0 && port == v.GetInt(other.port) && v.GetBool(l.enable) && v.GetBool(other.enable) && collide(at(l.host), at(other.host)) {
				report(l.port, "is the same as "+other.port, "choose another port, or set "+l.enable+" to false")
				break
			}
		}
	}
}

// collide reports whether two listeners with the same port, at hosts a and b, conflict.
func collide(a, b string) bool {
	address := func(host string) net.IP {
		if strings.EqualFold(host, "localhost") {
			host = "127.0.0.1"
		}
		return net.ParseIP(host)
	}
	first, second := address(a), address(b)
	everywhere := func(host string, ip net.IP) bool { return host == "" || ip != nil && ip.IsUnspecified() }
	return everywhere(a, first) || everywhere(b, second) || strings.EqualFold(a, b) || first != nil && first.Equal(second)
}

// watchedTasks checks that the tasks with metrics of their own are named by ID, and
// are no more than allowed.
func watchedTasks(v *viper.Viper, report func(path, reason, suggestion string)) {
	const tasks, most = "operations.taskMetrics.tasks", "operations.taskMetrics.maxTasks"
	named := v.GetStringSlice(tasks)
	for i, id := range named {
		if !qlik.IsGUID(id) {
			report(fmt.Sprintf("%s[%d]", tasks, i), "is not a task ID", "copy the ID from the column ID of the task list in the QMC, or choose tasks by operations.taskMetrics.taskTags")
		}
	}
	if limit := v.GetInt(most); len(named) > limit {
		report(tasks, fmt.Sprintf("names %d tasks, more than %s, %d", len(named), most, limit), "name fewer, or raise "+most)
	}
}
