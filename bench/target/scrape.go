package target

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// maxPage bounds how much of a page is read, in bytes.
const maxPage = 8 << 20

func (t *Target) get(ctx context.Context, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.site.place(address, t.config), nil)
	if err != nil {
		return nil, err
	}
	answer, err := t.client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	page, err := io.ReadAll(io.LimitReader(answer.Body, maxPage))
	if err == nil && answer.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s answered %d", address, answer.StatusCode)
	}
	return page, err
}

// Readings are values of the metrics page; one that the page does not have is -1.
type Readings struct {
	Durable, Decided, Pending, Queued, Followed float64
}

// Read reads the metrics page. Without one, or when it does not answer, all values are -1.
func (t *Target) Read(ctx context.Context) Readings {
	out := Readings{-1, -1, -1, -1, -1}
	if t.spec.Metrics == "" {
		return out
	}
	page, err := t.get(ctx, t.spec.Metrics)
	if err != nil {
		return out
	}
	s := t.spec.Series
	sums := sumSeries(page, [][]string{s.Durable, s.Decided, s.Pending, s.Queued, s.Followed})
	return Readings{sums[0], sums[1], sums[2], sums[3], sums[4]}
}

// Revision returns the revision that the program reports for its build, "" for none.
func (t *Target) Revision(ctx context.Context) string {
	if t.spec.Metrics == "" || t.spec.Series.Build == "" {
		return ""
	}
	page, err := t.get(ctx, t.spec.Metrics)
	if err != nil {
		return ""
	}
	return label(page, t.spec.Series.Build, "revision")
}

// label returns a label of the first series with a name, "" for none.
func label(page []byte, series, name string) string {
	for line := range bytes.Lines(page) {
		labels, ok := bytes.CutPrefix(line, []byte(series+"{"))
		if !ok {
			continue
		}
		_, value, _ := strings.Cut(string(labels), name+`="`)
		value, _, _ = strings.Cut(value, `"`)
		return value
	}
	return ""
}

// sumSeries adds up the values of the named series, group by group. A group
// without a series on the page is -1.
func sumSeries(page []byte, groups [][]string) []float64 {
	out := make([]float64, len(groups))
	for i := range out {
		out[i] = -1
	}
	lines := bufio.NewScanner(bytes.NewReader(page))
	for lines.Scan() {
		line := lines.Text()
		end := strings.IndexAny(line, "{ ")
		if end <= 0 || line[0] == '#' {
			continue
		}
		for i, names := range groups {
			if !slices.Contains(names, line[:end]) {
				continue
			}
			value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err == nil {
				out[i] = max(out[i], 0) + value
			}
		}
	}
	return out
}
