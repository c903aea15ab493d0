// Package world owns what the simulated Qlik Sense site is: its nodes, users,
// streams, apps, tags, custom properties, tasks, licences, and the executions
// that happen in it.
//
// It guarantees that the same seed and the same calls give the same documents,
// byte for byte: identifiers, names and histories are computed, not stored, so a
// site with a million tasks costs no more memory than one with a dozen. Every
// identifier can be turned back into the object it names without a search. What
// moves - an execution on its way from queued to finished - is derived from the
// time Options.Now tells, never from a goroutine.
//
// A World is safe for concurrent use. It must never do I/O.
package world
