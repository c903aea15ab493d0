// Package world owns what the simulated Qlik Sense site is: its nodes, users,
// streams, apps, tags, custom properties, tasks, licences, and the executions
// that happen in it.
//
// It guarantees that the same seed and the same calls give the same documents,
// byte for byte: identifiers, names and histories are computed, not stored, so a
// site with a million tasks needs no more memory than one with a dozen. Every
// identifier leads to its object without a search. The progress of an execution
// from queued to finished is derived from the time of Options.Now, never made by a
// goroutine.
//
// A World is safe for concurrent use. It must never do I/O.
package world
