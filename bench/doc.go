// Package bench owns the measurements of the service: the load, the receivers
// it is compared with, and what is reported.
//
// It guarantees that a claim is a ratio of two things measured in one run on
// one machine, that a load is bounded in count and time and stays on loopback,
// and that loss is counted and never assumed. It must never link into the
// service, and nothing of the service may depend on it.
package bench
