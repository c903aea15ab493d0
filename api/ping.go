package api

import "net/http"

// The endpoints about the service itself.

func (r *rest) ping(*call) (int, any, error) {
	return http.StatusOK, map[string]string{"response": "Butler reporting for duty", "butlerVersion": r.opts.Version}, nil
}

func (r *rest) enabled(*call) (int, any, error) {
	return http.StatusOK, append([]string{}, r.opts.Endpoints...), nil
}
