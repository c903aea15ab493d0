package url

import (
	"cmp"
	"errors"
	"maps"
	"net"
	"net/http"
	neturl "net/url"
	"slices"
	"strings"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/discord"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/lark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/slack"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/teams"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/telegram"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/wecom"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/bark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/gotify"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/join"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ntfy"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/sms/twilio"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/generic"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/notifiarr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"butler/internal/template"
)

// service is a service of the library that can be used: one that makes all its requests
// with the HTTP client that it is given.
type service interface {
	types.Service
	types.HTTPClientSetter
}

// provider describes the service of a scheme.
type provider struct {
	scheme string
	// example shows the form of its URL.
	example string
	create  func() service
	// limit and titleLimit are the maximum sizes of the text and the title of one
	// message, less what the library adds. titleLimit is 0 for a service without titles.
	limit, titleLimit int
	// weigh returns the size of a character; nil means in UTF-16 units.
	weigh func(rune) int
	// chat means that a name after a sign such as @ notifies people.
	chat bool
	// forced are parameters that prevent the library from splitting a message.
	forced types.Params
	// limitsPath is the path of a request for limits, which is answered without a call
	// because limit is known; "" if there is none.
	limitsPath string
	// carrier is the method of the requests that carry a message, if others only
	// prepare it; "" if every request carries it.
	carrier string
	// defaultHost replaces a missing host in the URL. If it is set, a missing port is 443.
	defaultHost string
	// fixURL corrects a request URL that the library builds wrongly; nil if it does not.
	fixURL func(*neturl.URL)
	// clientFirst means that the service needs its client before it parses the URL, and that
	// setting a client later would lose its key.
	clientFirst bool
}

// providers are the supported services by scheme. Other services of the library are
// refused, because they do not use the HTTP client (smtp, mqtt, xmpp) or send nothing
// (logger).
var providers = map[string]provider{
	"bark":       {example: "bark://:DEVICE_KEY@HOST/", create: func() service { return &bark.Service{} }, limit: 2000, titleLimit: 200, weigh: inBytes},
	"discord":    {example: "discord://TOKEN@WEBHOOK_ID", create: func() service { return &discord.Service{} }, limit: discord.ChunkSize, titleLimit: 256, chat: true, forced: types.Params{"splitLines": "No"}},
	"generic":    {example: "generic+https://HOST/PATH", create: func() service { return &generic.Service{} }, limit: 64 << 10, weigh: inBytes},
	"googlechat": {example: "googlechat://chat.googleapis.com/v1/spaces/SPACE/messages?key=KEY&token=TOKEN", create: func() service { return &googlechat.Service{} }, limit: 4000, chat: true},
	"gotify":     {example: "gotify://HOST/TOKEN", create: func() service { return &gotify.Service{} }, limit: 10_000, titleLimit: 250, fixURL: singleSlashes},
	"ifttt":      {example: "ifttt://KEY/?events=EVENT", create: func() service { return &ifttt.Service{} }, limit: 4000},
	"join":       {example: "join://shoutrrr:API_KEY@join/?devices=DEVICE", create: func() service { return &join.Service{} }, limit: 1500, titleLimit: 200, weigh: inBytes}, //nolint:gosec // G101: the parts in capitals stand for credentials
	"lark":       {example: "lark://open.larksuite.com/TOKEN", create: func() service { return &lark.Service{} }, limit: 4000, titleLimit: 250, weigh: inBytes, chat: true},
	"matrix":     {example: "matrix://:ACCESS_TOKEN@HOST/?rooms=!ROOM_ID:SERVER", create: func() service { return &matrix.Service{} }, limit: 30_000, titleLimit: 250, weigh: inBytes, chat: true, carrier: http.MethodPut},
	"mattermost": {example: "mattermost://HOST/TOKEN/CHANNEL", create: func() service { return &mattermost.Service{} }, limit: 16_000, titleLimit: 250, chat: true},
	"notifiarr":  {example: "notifiarr://API_KEY?channel=CHANNEL_ID", create: func() service { return &notifiarr.Service{} }, limit: 2000, titleLimit: 250, chat: true},
	"ntfy":       {example: "ntfy://HOST/TOPIC", create: func() service { return &ntfy.Service{} }, limit: 4000, titleLimit: 250, weigh: inBytes},
	"opsgenie":   {example: "opsgenie://api.opsgenie.com/API_KEY", create: func() service { return &opsgenie.Service{} }, limit: 15_000, titleLimit: opsgenie.MaxMessageLength},
	"pagerduty":  {example: "pagerduty:///INTEGRATION_KEY", create: func() service { return &pagerduty.Service{} }, limit: 1024, defaultHost: "events.pagerduty.com"},
	"pushbullet": {example: "pushbullet://TOKEN/DEVICE", create: func() service { return &pushbullet.Service{} }, limit: 4000, titleLimit: 250, clientFirst: true},
	"pushover":   {example: "pushover://shoutrrr:API_TOKEN@USER_KEY", create: func() service { return &pushover.Service{} }, limit: 1024, titleLimit: 250},
	"rocketchat": {example: "rocketchat://HOST/TOKEN_A/TOKEN_B/CHANNEL", create: func() service { return &rocketchat.Service{} }, limit: 5000, chat: true},
	"signal":     {example: "signal://HOST:PORT/SOURCE_NUMBER/RECIPIENT_NUMBER", create: func() service { return &signal.Service{} }, limit: 2000},
	"slack":      {example: "slack://hook:TOKEN_A-TOKEN_B-TOKEN_C@webhook", create: func() service { return &slack.Service{} }, limit: 8000, titleLimit: 250, chat: true}, //nolint:gosec // G101: the parts in capitals stand for credentials
	"teams":      {example: "teams://?host=WORKFLOW_URL (percent-encoded)", create: func() service { return &teams.Service{} }, limit: 16_000, titleLimit: 250, weigh: inBytes, chat: true},
	"telegram":   {example: "telegram://TOKEN@telegram?chats=CHAT_ID", create: func() service { return &telegram.Service{} }, limit: 3800, titleLimit: 200, weigh: inBytes, chat: true},
	"twilio":     {example: "twilio://ACCOUNT_SID:AUTH_TOKEN@FROM_NUMBER/TO_NUMBER", create: func() service { return &twilio.Service{} }, limit: 1300, titleLimit: 200}, //nolint:gosec // G101: the parts in capitals stand for credentials
	"wecom":      {example: "wecom://KEY", create: func() service { return &wecom.Service{} }, limit: 2048, weigh: inBytes, chat: true},
	"zulip":      {example: "zulip://BOT_MAIL:BOT_KEY@HOST?stream=CHANNEL", create: func() service { return &zulip.Service{} }, limit: 9500, titleLimit: 60, weigh: inBytes, chat: true, limitsPath: "/api/v1/register"},
}

// singleSlashes replaces the double slash in the URL of a server below a path: "/path//message".
func singleSlashes(u *neturl.URL) { u.Path = strings.ReplaceAll(u.Path, "//", "/") }

// alternatives are suggestions for schemes that are refused.
var alternatives = map[string]string{
	"smtp":  "use the section emailNotification",
	"mqtt":  "use the section mqttConfig",
	"mqtts": "use the section mqttConfig",
	"http":  "write generic+http:// for a web address",
	"https": "write generic+https:// for a web address",
}

// errScheme reports a URL with an unknown scheme.
var errScheme = errors.New("has a scheme that names no service")

// schemes lists the supported schemes in alphabetical order.
func schemes() []string { return slices.Sorted(maps.Keys(providers)) }

// providerOf returns the provider of a URL's scheme. The error does not contain the URL.
func providerOf(raw string) (provider, error) {
	u, err := neturl.Parse(raw)
	if err != nil {
		// The text of the parse error contains the URL.
		return provider{}, errors.New("is not a valid URL")
	}
	scheme, _, _ := strings.Cut(u.Scheme, "+")
	p, ok := providers[scheme]
	if !ok {
		return provider{}, errScheme
	}
	p.scheme = scheme
	if p.weigh == nil {
		p.weigh = template.Units
	}
	if scheme == "generic" && asJSON(u) {
		p.titleLimit = 1000
	}
	return p, nil
}

// asJSON reports whether a generic URL requests a JSON object, which has a title.
func asJSON(u *neturl.URL) bool { return strings.EqualFold(u.Query().Get("template"), "json") }

// open returns a new service for a URL. It makes all requests with client.
func (p provider) open(raw string, client types.HTTPClient) (service, error) {
	u, err := neturl.Parse(raw)
	if err != nil {
		return nil, errors.New("is not a valid URL")
	}
	s := p.create()
	if u.Scheme != p.scheme {
		custom, ok := s.(types.CustomURLService)
		if !ok {
			return nil, errors.New("the scheme has no form with a plus sign")
		}
		if u, err = custom.GetServiceURLFromCustom(u); err != nil {
			return nil, err
		}
	}
	if p.defaultHost != "" && u.Port() == "" {
		u.Host = net.JoinHostPort(cmp.Or(u.Hostname(), p.defaultHost), "443")
	}
	s.SetHTTPClient(client)
	if err := s.Initialize(u, silent); err != nil {
		return nil, err
	}
	if !p.clientFirst {
		s.SetHTTPClient(client)
	}
	return s, nil
}
