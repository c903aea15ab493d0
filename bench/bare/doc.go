// Package bare owns the references that the service is compared with - a receiver
// that only counts, an HTTP handler that only answers - and the search for the highest
// rate without loss. It also owns the only part of the service that runs in this
// process: the code that fills a journal with events before the service starts.
//
// It guarantees that the sides of a comparison are measured in turns within one run,
// stay on loopback and leave nothing behind. It must never measure the service itself,
// which is done over the wire.
package bare
