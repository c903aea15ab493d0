// Package bare owns what the service is compared with - a receiver that only
// counts, an HTTP handler that only answers - and the search for the highest rate
// without loss. It also owns the one part of the service that runs in this
// process: what fills a journal with events before the service starts.
//
// It guarantees that the sides of a comparison are asked in turns in one run, stay
// on loopback and leave nothing behind. It never measures the service itself:
// that is done over the wire, and not here.
package bare
