// Package bench owns the measurements of the service: what is sent, to whom the
// answers go, and what became of every event.
//
// It drives a program over the wire - datagrams in, the calls of destinations
// out, a simulated repository at its side - and knows it by its addresses, its
// configuration file and its process alone. It guarantees that every event
// carries a marker, so that loss, repetition and latency are known per event and
// destination and never assumed; that a load is open-loop and bounded; and that
// nothing leaves the machine unless a scenario configures the target so. It must never link in what it measures over the
// wire: only package bare below it may, for its comparisons.
package bench
