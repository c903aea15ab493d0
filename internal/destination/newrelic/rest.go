package newrelic

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"butler/internal/destination"
	"butler/internal/template"
)

// RESTTimeout bounds one call that a caller of the REST API waits for.
const RESTTimeout = 5 * time.Second

// Posting describes where events or metrics from callers of the REST API are sent.
type Posting struct {
	DestinationAccount []string
	URL                string
	Header             []Header
	Attribute          struct{ Static []Pair }

	key      string
	accounts []Account
	// checked means that the accounts are already checked for the alerts or the process metrics.
	checked bool
}

// ReadEventPosting reads where events are sent.
func ReadEventPosting(decode destination.Decode) (p Posting, err error) {
	p.key = "restServerEndpointsConfig.newRelic.postNewRelicEvent"
	return p, errors.Join(decode("restServerEndpointsConfig.newRelic.postNewRelicEvent", &p), p.readAccounts(decode))
}

// ReadMetricPosting reads where metrics are sent.
func ReadMetricPosting(decode destination.Decode) (p Posting, err error) {
	p.key = "restServerEndpointsConfig.newRelic.postNewRelicMetric"
	return p, errors.Join(decode("restServerEndpointsConfig.newRelic.postNewRelicMetric", &p), p.readAccounts(decode))
}

func (p *Posting) readAccounts(decode destination.Decode) error {
	var alerts, usage bool
	err := errors.Join(
		decode("thirdPartyToolsCredentials.newRelic", &p.accounts),
		destination.AllOn(decode, &alerts, "incidentTool.newRelic.enable"), destination.AllOn(decode, &usage, "uptimeMonitor.storeNewRelic.enable"),
	)
	p.checked = alerts || usage
	return err
}

// Check lists its problems.
func (p Posting) Check() destination.Problems {
	c := Config{accounts: p.accounts}
	out := c.unknown(p.key+".destinationAccount", p.DestinationAccount)
	if !p.checked {
		out = append(out, c.checkAccounts()...)
	}
	if len(p.DestinationAccount) == 0 {
		out.Warn(p.key+".destinationAccount", "names no account, so nothing is sent", c.accountNames())
	}
	out.WebAddress(p.key+".url", p.URL, "leave it out for the EU, or write that of New Relic's API in the US")
	return append(out, checkHeaders(p.key+".header", p.Header)...)
}

// Event is an event from a caller of the REST API. Attributes are strings and numbers.
type Event struct {
	Type string
	// Milliseconds since 1970.
	Timestamp  int64
	Attributes map[string]any
}

// Metric is a gauge from a caller of the REST API.
type Metric struct {
	Name  string
	Value float64
	// Milliseconds since 1970.
	Timestamp  int64
	Attributes map[string]any
}

// Event sends an event to every account.
func (p Posting) Event(ctx context.Context, client *http.Client, e Event) error {
	of := attributes{values: map[string]any{"eventType": e.Type, "timestamp": e.Timestamp}, maxValue: maxValue}
	return p.send(ctx, client, p.with(of, e.Attributes), func(a Account) (string, error) { return eventAddress(p.URL, a) })
}

// Metric sends a metric to every account.
func (p Posting) Metric(ctx context.Context, client *http.Client, m Metric) error {
	body := []any{map[string]any{
		"common":  map[string]any{"timestamp": m.Timestamp, "attributes": p.with(attributes{values: map[string]any{}, maxValue: maxValue}, m.Attributes)},
		"metrics": []any{map[string]any{"name": m.Name, "type": "gauge", "value": m.Value}},
	}}
	return p.send(ctx, client, body, func(Account) (string, error) { return p.URL, nil })
}

// with adds the caller's attributes, then the configured ones; the caller's win.
func (p Posting) with(of attributes, said map[string]any) map[string]any {
	for name, value := range said {
		of.add(name, value)
	}
	for _, fixed := range slices.Backward(p.Attribute.Static) {
		of.add(fixed.Name, fixed.Value)
	}
	return of.values
}

// send posts to all accounts concurrently, and fails unless all accept.
func (p Posting) send(ctx context.Context, client *http.Client, body any, address func(Account) (string, error)) error {
	if len(p.DestinationAccount) == 0 {
		return errors.New("there is nowhere to send it: name accounts in " + p.key + ".destinationAccount")
	}
	raw, err := template.EncodeJSON(body)
	if err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	failed := make([]error, len(p.DestinationAccount))
	var calls sync.WaitGroup
	for i, name := range p.DestinationAccount {
		calls.Go(func() { failed[i] = p.sendTo(ctx, client, name, raw, address) })
	}
	calls.Wait()
	return p.summary(failed)
}

func (p Posting) sendTo(ctx context.Context, client *http.Client, name string, body []byte, address func(Account) (string, error)) error {
	i := slices.IndexFunc(p.accounts, func(a Account) bool { return a.AccountName == name })
	if i < 0 {
		return errors.New("is not an account of " + accountsKey)
	}
	to, err := address(p.accounts[i])
	if err == nil {
		_, err = post(ctx, client, to, body, p.accounts[i], p.Header)
	}
	return err
}

// summary says which accounts did not accept; nil if all did.
func (p Posting) summary(failed []error) error {
	var texts []string
	for i, err := range failed {
		if err != nil {
			texts = append(texts, p.DestinationAccount[i]+": "+err.Error())
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return fmt.Errorf("%d of %d accounts did not accept it: %s", len(texts), len(failed), strings.Join(texts, "; "))
}
