package url

import (
	"context"
	"errors"
	"maps"
	"net/http"
	neturl "net/url"

	"github.com/nicholas-fedor/shoutrrr/pkg/types"

	"butler/internal/destination"
	"butler/internal/httpc"
)

// Probe implements destination.Prober. Only the library can determine the host of a
// service: it is given a message, and the host is that of its first request, which is
// not sent.
func (s *sender) Probe() destination.Probe {
	probe := &scout{}
	// Only the request matters, not the error that it gets.
	_ = probe.call(s.provider, s.target.URL.Reveal())
	if probe.host == nil {
		return destination.Probe{Key: s.target.URL.Reveal(), Run: func(context.Context) (destination.ProbeResult, error) {
			return destination.ProbeResult{}, destination.Misconfigured(errors.New("the URL names no recipient"))
		}}
	}
	return httpc.Probe(s.client, probe.host.String())
}

var _ destination.Prober = (*sender)(nil)

// scout is a transport that records the address of the first request and sends none.
type scout struct{ host *neturl.URL }

// RoundTrip implements http.RoundTripper.
func (s *scout) RoundTrip(req *http.Request) (*http.Response, error) {
	closeBody(req)
	if s.host == nil {
		s.host = &neturl.URL{Scheme: req.URL.Scheme, Host: req.URL.Host}
	}
	return nil, errEnded
}

func (s *scout) call(p provider, raw string) (err error) {
	defer func() {
		if recover() != nil {
			err = errPanic
		}
	}()
	service, err := p.open(raw, &http.Client{Transport: s})
	if err != nil {
		return err
	}
	params := types.Params{}
	maps.Copy(params, p.forced)
	return service.Send("probe", &params)
}
