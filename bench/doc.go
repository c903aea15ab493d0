// Package bench owns the measurements of the service: the load, the receiving ends,
// and the account of every event.
//
// It drives a program over the wire - datagrams in, calls of destinations out, next
// to a simulated repository - and knows only its addresses, its configuration file
// and its process. It guarantees that every event carries a marker, so that loss,
// repetition and latency are measured per event and destination and never assumed;
// that a load is open-loop and bounded; and that nothing leaves the machine unless the
// configuration of a scenario says so. It must never link in what it measures over the
// wire: only package bare below it may, for its comparisons.
package bench
