package files

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics count the operations on files by their result.
type Metrics struct {
	operations *prometheus.CounterVec
	bytes      *prometheus.CounterVec
	duration   *prometheus.HistogramVec
}

// The operations, and the results other than a Kind; label values from closed sets.
const (
	opCopy         = "copy"
	opMove         = "move"
	opDelete       = "delete"
	opCreateDir    = "create_dir"
	opCreateDirQVD = "create_dir_qvd"

	resultDone = "done"
)

// results are the label values of the kinds of errors.
var results = map[Kind]string{
	Failed: "failed", NotApproved: "not_approved", NotFound: "not_found", Exists: "exists", Invalid: "invalid",
}

// NewMetrics returns metrics that reg exposes; a nil reg exposes nothing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		operations: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_file_operations_total", Help: "File operations requested over the REST API, by result.",
		}, []string{"operation", "result"}),
		bytes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "butler_file_operation_bytes_total",
			Help: "Bytes written by successful copies and moves. A move within a disk only renames and writes nothing.",
		}, []string{"operation"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "butler_file_operation_duration_seconds",
			Help:    "Duration of file operations, failed ones included.",
			Buckets: []float64{.001, .01, .1, 1, 5, 15, 60, 300, 1800},
		}, []string{"operation"}),
	}
	for _, op := range []string{opCopy, opMove, opDelete, opCreateDir, opCreateDirQVD} {
		m.operations.WithLabelValues(op, resultDone)
		for _, result := range results {
			m.operations.WithLabelValues(op, result)
		}
		m.duration.WithLabelValues(op)
	}
	for _, op := range []string{opCopy, opMove} {
		m.bytes.WithLabelValues(op)
	}
	if reg != nil {
		reg.MustRegister(m.operations, m.bytes, m.duration)
	}
	return m
}

// begin starts the measurement of an operation. ended counts the end of the operation,
// with an error or nil, and returns that error.
func (m *Metrics) begin(op string) (ended func(bytes int64, err error) error) {
	began := time.Now()
	return func(bytes int64, err error) error {
		result := resultDone
		if err != nil {
			result = results[Failed]
			if why, ok := errors.AsType[*Error](err); ok {
				result = results[why.Kind]
			}
		}
		m.operations.WithLabelValues(op, result).Inc()
		m.duration.WithLabelValues(op).Observe(time.Since(began).Seconds())
		if bytes > 0 {
			m.bytes.WithLabelValues(op).Add(float64(bytes))
		}
		return err
	}
}
