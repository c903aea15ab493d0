//go:build !windows

package main

import (
	"context"
	"io"
)

// supervised returns false: only Windows has a service manager that a program must
// talk to from its start.
func supervised(func(ctx context.Context, complaints io.Writer) int) (code int, ok bool) {
	return 0, false
}
