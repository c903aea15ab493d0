package qrs

import (
	"context"
	"errors"
	"math/bits"
	"net/http"
	"slices"
)

// maxVainCalls is how many calls may fail, with none answered, before the server is
// considered the cause and not one of the objects: a batch, its halves and its quarters.
const maxVainCalls = 7

// split repeats a failed batch in parts: one object that the server cannot return makes
// the whole call fail. A part that fails is halved again. The total number of calls is
// bounded by the number of objects plus its logarithm: each failed call has to be made
// up for by one that returns several objects.
func split[T interface{ key() string }](ctx context.Context, c *Client, r request, ids []string) ([]T, error) {
	spare := bits.Len(uint(len(ids)-1)) - 1 // calls that may fail; the batch was one
	if c.orFilter.Load() != orWorks {
		spare = 0 // a part could be misread
	}
	return byParts[T](ctx, c, r, halves(ids), spare, 1)
}

// oneByOne asks for each object with a call of its own.
func oneByOne[T interface{ key() string }](ctx context.Context, c *Client, r request, ids []string) ([]T, error) {
	return byParts[T](ctx, c, r, slices.Collect(slices.Chunk(ids, 1)), 0, 0)
}

// byParts makes a call for each part, and halves a part that fails; without spare calls
// it halves a part before the call. vain is how many calls have failed already. It returns
// the objects that were found, and the last error if an object failed on its own. It ends
// at a failure that would repeat.
func byParts[T interface{ key() string }](ctx context.Context, c *Client, r request, parts [][]string, spare, vain int) ([]T, error) {
	var found []T
	var problem error
	for answered := false; len(parts) > 0; parts = parts[1:] {
		part := parts[0]
		if len(part) > 1 && spare <= 0 {
			parts = append(parts, halves(part)...)
			continue
		}
		docs, err := matching[T](ctx, c, r, part)
		if err == nil {
			found, answered, spare = append(found, docs...), true, spare+len(part)-1
			continue
		}
		failed, ok := errors.AsType[*Error](err)
		switch {
		case ok && stumbled(failed):
			vain++
		case !ok || !blamesTheQuestion(failed):
			return found, err
		}
		if !answered && vain >= maxVainCalls {
			return found, err
		}
		if len(part) == 1 {
			problem = err
			continue
		}
		spare--
		parts = append(parts, halves(part)...)
	}
	return found, problem
}

// stumbled reports whether the error may be due to an object in the question.
func stumbled(failed *Error) bool { return failed.status == http.StatusInternalServerError }

// halves returns the two halves of several IDs.
func halves(ids []string) [][]string {
	half := len(ids) / 2
	return [][]string{ids[:half], ids[half:]}
}
