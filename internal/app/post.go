package app

import (
	"context"
	"errors"
	"net/http"
	"slices"

	"butler/api"
	"butler/config"
	"butler/internal/destination"
	"butler/internal/destination/newrelic"
	"butler/internal/destination/slack"
)

// The REST endpoints that post to Slack and New Relic. The caller waits for the
// result: there is no queue and no retry.

// posts holds the HTTP client and the settings of these endpoints.
type posts struct {
	client        *http.Client
	slack         slack.Webhook
	event, metric newrelic.Posting
}

func readPosts(cfg *config.Config) (posts, error) {
	var p posts
	var slackErr, eventErr, metricErr error
	p.slack, slackErr = slack.ReadWebhook(cfg.Section)
	p.event, eventErr = newrelic.ReadEventPosting(cfg.Section)
	p.metric, metricErr = newrelic.ReadMetricPosting(cfg.Section)
	return p, errors.Join(slackErr, eventErr, metricErr)
}

func (g *generation) openPosts() (posts, error) {
	p, err := readPosts(g.cfg)
	if err != nil {
		return p, err
	}
	p.client, err = g.client(destination.HTTPOptions{Timeout: newrelic.RESTTimeout})
	return p, err
}

// postFindings returns what keeps the enabled ones of these endpoints from working.
func postFindings(cfg *config.Config, enabled []string) []config.Finding {
	p, err := readPosts(cfg)
	var problems destination.Problems
	for _, one := range []struct {
		endpoint string
		check    func() destination.Problems
	}{
		{"slackPostMessage", p.slack.Check},
		{"postNewRelicEvent", p.event.Check},
		{"postNewRelicMetric", p.metric.Check},
	} {
		if err != nil || !slices.Contains(enabled, one.endpoint) {
			continue
		}
		for _, problem := range one.check() {
			if !slices.Contains(problems, problem) { // both New Relic endpoints use the same accounts
				problems = append(problems, problem)
			}
		}
	}
	return findings("restServerEndpointsConfig", problems, err)
}

// slackPosts implements api.Slack.
type slackPosts struct{ posts }

func (s slackPosts) Post(ctx context.Context, m api.SlackMessage) error {
	return s.slack.Post(ctx, s.client, slack.Message(m))
}

// newRelicPosts implements api.NewRelic.
type newRelicPosts struct{ posts }

func (n newRelicPosts) Event(ctx context.Context, e api.NewRelicEvent) error {
	return n.event.Event(ctx, n.client, newrelic.Event(e))
}

func (n newRelicPosts) Metric(ctx context.Context, m api.NewRelicMetric) error {
	return n.metric.Metric(ctx, n.client, newrelic.Metric(m))
}
