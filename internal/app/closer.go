package app

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"

	"butler/internal/logx"
)

// closer is a stack of named functions that close what was opened.
type closer []struct {
	name string
	end  func(context.Context) error
}

func (c *closer) add(name string, end func(context.Context) error) {
	*c = append(*c, struct {
		name string
		end  func(context.Context) error
	}{name, end})
}

// moveTo moves the entries of a name to another stack. A name without an entry is
// normal: the names are of parts that a configuration may not have, such as a broker,
// or that a reload may not change, such as the socket. Nothing is moved then.
func (c *closer) moveTo(name string, to *closer) {
	for i, one := range slices.Backward(*c) {
		if one.name == name {
			*to, *c = append(*to, one), slices.Delete(*c, i, i+1)
		}
	}
}

// cut removes all entries but the first n and returns them as a stack of their own.
func (c *closer) cut(n int) closer {
	out := slices.Clone((*c)[n:])
	*c = (*c)[:n]
	return out
}

// close runs all entries, the last added first, each in half of the remaining time.
// It logs every error and returns them joined.
func (c *closer) close(ctx context.Context, log *zap.Logger) error {
	var all error
	for _, one := range slices.Backward(*c) {
		withHalfTheTime(ctx, func(bounded context.Context) {
			if err := one.end(bounded); err != nil {
				log.Warn("a component was not closed cleanly", zap.String("what", one.name), logx.Err(err))
				all = errors.Join(all, fmt.Errorf("close %s: %w", one.name, err))
			}
		})
	}
	*c = nil
	return all
}
