package qrs

import (
	"context"
	"errors"
	"strconv"
)

// pageSize is how many objects a page holds, when paging is needed at all.
const pageSize = 200

// list gets every document that the filter matches, with one call. Only if that answer
// is too large does it ask page by page.
func list[T interface{ key() string }](ctx context.Context, c *Client, r request) ([]T, error) {
	docs, err := page[T](ctx, c, r)
	if !errors.Is(err, errTooLarge) {
		return docs, err
	}
	return pages(pageSize, func(skip, take int) ([]T, error) {
		r.params = "orderby=id&skip=" + strconv.Itoa(skip) + "&take=" + strconv.Itoa(take)
		return page[T](ctx, c, r)
	})
}

// page gets one answer. Every document in it has an ID.
func page[T interface{ key() string }](ctx context.Context, c *Client, r request) ([]T, error) {
	body, err := c.send(ctx, r)
	if err != nil {
		return nil, err
	}
	var docs []T
	err = decodeList(body, func(d T) error {
		if d.key() == "" {
			return errors.New("the answer lists an object without an ID")
		}
		docs = append(docs, d)
		return nil
	})
	if err != nil {
		return nil, c.invalid(r, "%w", err)
	}
	return docs, nil
}

// pages collects pages of size until one is short or brings nothing new, as from a
// server that does not support paging.
func pages[T interface{ key() string }](size int, fetch func(skip, take int) ([]T, error)) ([]T, error) {
	var all []T
	seen := map[string]bool{}
	for skip := 0; skip < maxDocuments; skip += size {
		docs, err := fetch(skip, size)
		if err != nil {
			return nil, err
		}
		fresh := 0
		for _, d := range docs {
			if seen[d.key()] {
				continue
			}
			seen[d.key()] = true
			all = append(all, d)
			fresh++
		}
		if len(docs) < size || fresh == 0 {
			break
		}
	}
	return all, nil
}
